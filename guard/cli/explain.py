"""`guard explain`: why is this request let through or refused? Of one that could be sent, or of one that was."""

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from guard.cli.curl import body_of
from guard.cli.explained import shown
from guard.cli.log_files import lines_of
from guard.cli.outgoing import asked_for
from guard.cli.starting import EXIT_POLICY_INVALID, EXIT_USAGE, settings_or_exit
from guard.core.routing import place_for
from guard.model.decision import DecisionEvent, Deny
from guard.policy.case_schema import FixturePart
from guard.policy.cases import Fixture, fixture_of
from guard.policy.diagnostic import render
from guard.policy.load import Invalid, load_policies
from guard.service.explain import Explanation, explain
from guard.service.policies import Rulebook, untested
from guard.service.recalled import recall
from guard.service.rehearsal import Rehearsal
from guard.signing.writing import CannotSign, Request

_LISTS = ("scopes", "networks", "uses")
_FLAGS = ("expired", "revoked", "unknown")
_ONLY = "only."
_WORDS = 2

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Form(StrEnum):
    """How the explanation is printed."""

    TEXT = "text"
    JSON = "json"


@app.command(
    "explain",
    help="""\b
    guard explain POST /v1/orders --as key=t1,scopes=trade,ip=203.0.113.7
    guard explain POST /v1/orders --as scopes=read+trade --body @order.json
    guard explain req_4f2a… --log /var/log/guard/decisions.jsonl

    Explain a decision: what each check and limit says, where its rule stands, and what to do.

    METHOD /target is a request that is made up and judged by these policies from full buckets on; nothing is sent.
    req_… is looked up in the decision log.

    --as takes the fields of `as` in a policy test: key, account, scopes, tier, ip, scheme, algorithm, networks, uses,
    and expired, revoked or unknown; and only.RESOURCE (only.symbol=BTC-USD+ETH-USD). Several values are joined with a
    plus sign.
    """,
)
def run(
    words: Annotated[list[str], typer.Argument(metavar="METHOD /target | req_…")],
    *,
    who: Annotated[str, typer.Option("--as", help="Who sends it: key=t1,scopes=read+trade,ip=203.0.113.7.")] = "",
    body: Annotated[str | None, typer.Option("--body", help="The body, or @FILE, or @- for stdin.")] = None,
    header: Annotated[list[str] | None, typer.Option("-H", "--header", help="A field: 'Name: value'.")] = None,
    unsigned: Annotated[bool, typer.Option(help="Send it without credentials.")] = False,
    policies: Annotated[Path | None, typer.Option(help="Directory of policy files, or one file.")] = None,
    log: Annotated[Path | None, typer.Option(help="The decision log, also gzipped; - is standard input.")] = None,
    form: Annotated[Form, typer.Option("--format", help="How to print it.")] = Form.TEXT,
) -> None:
    """See `help` above."""
    settings = settings_or_exit(policies=policies)
    rules = _rules(settings.policies)
    if len(words) == 1 and words[0].startswith("req_"):
        explanation = recall(_logged(words[0], log, settings.decision_log), rules.policies)
    elif len(words) == _WORDS:
        asked = _asked(words[0], words[1], body_of(body), header or [])
        explanation = _imagined(rules, asked, _fixture(who), unsigned=unsigned)
    else:
        raise typer.BadParameter("give METHOD /target, or the id of a decision", param_hint="METHOD")
    if form is Form.JSON:
        typer.echo(msgspec.json.encode(explanation).decode())
    else:
        typer.echo("\n".join(shown(explanation)))


def _rules(directory: Path) -> Rulebook:
    """The rules, whatever comes of their tests: a test that fails is what one may want explained."""
    loaded = load_policies(directory)
    if not isinstance(loaded, Invalid):
        return untested(loaded)
    for diagnostic in loaded.diagnostics:
        typer.echo(render(diagnostic), err=True)
    raise typer.Exit(EXIT_POLICY_INVALID)


def _asked(method: str, target: str, body: bytes, lines: list[str]) -> "Asked":
    fields = asked_for(method, target, body, lines).fields
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in fields}
    if body:
        headers.setdefault("content-type", "application/json")
    return Asked(method, target, headers, body)


def _imagined(rules: Rulebook, asked: "Asked", who: Fixture, *, unsigned: bool) -> Explanation:
    rehearsal = Rehearsal(rules)
    request = _for_any_service(rules, rehearsal, asked, who.ip)
    try:
        return explain(rehearsal.send(request if unsigned else rehearsal.signed(request, who), who.ip))
    except CannotSign as fault:
        typer.echo(f"error: {fault}", err=True)
        raise typer.Exit(EXIT_USAGE) from None


class Asked(msgspec.Struct, frozen=True):
    """A request as it was asked for."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


def _for_any_service(rules: Rulebook, rehearsal: Rehearsal, asked: Asked, ip: str) -> Request:
    """To the first service that has a route for it; to the first of all if none has."""
    requests = [
        rehearsal.request(service.name, asked.method, asked.target, asked.headers, asked.body)
        for service in rules.policies.services
    ]
    found = (one for one in requests if not isinstance(place_for(rules.policies, rehearsal.facts(one, ip)), Deny))
    return next(found, requests[0])


def _fixture(text: str) -> Fixture:
    """Who sends it, in the words of a policy test."""
    given: dict[str, object] = {}
    only: dict[str, list[str]] = {}
    for part in filter(None, text.split(",")):
        name, equals, value = part.strip().partition("=")
        if not equals and name not in _FLAGS:
            raise typer.BadParameter(f"{part!r} is not NAME=VALUE", param_hint="--as")
        if name.startswith(_ONLY):
            only[name.removeprefix(_ONLY)] = value.split("+")
        else:
            given[name] = True if name in _FLAGS else value.split("+") if name in _LISTS else value
    try:
        return fixture_of(FixturePart.model_validate(given | ({"only": only} if only else {})))
    except ValueError as fault:
        first = fault.errors()[0] if hasattr(fault, "errors") else {"loc": ("",), "msg": str(fault)}
        raise typer.BadParameter(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", param_hint="--as") from None


def _logged(request_id: str, log: Path | None, configured: str) -> DecisionEvent:
    """The last line of the log with this id, read line by line."""
    path = log if log is not None else None if configured in ("-", "none") else Path(configured)
    if path is None:
        raise typer.BadParameter("GUARD_DECISION_LOG is no file: say which one it is", param_hint="--log")
    found: DecisionEvent | None = None
    needle = json.dumps(request_id).encode()
    for line in lines_of(path):
        if needle in line:
            found = _event(line, request_id) or found
    if found is None:
        typer.echo(f"error: {path} has no decision {request_id}", err=True)
        raise typer.Exit(1)
    return found


def _event(line: bytes, request_id: str) -> DecisionEvent | None:
    try:
        event = msgspec.json.decode(line, type=DecisionEvent)
    except (msgspec.ValidationError, msgspec.DecodeError):  # half a line, or another log's
        return None
    return event if event.id == request_id else None
