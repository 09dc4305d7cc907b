"""`guard promote`: may a rule go from shadow to enforce, whom would it deny, and which line of the policy to change."""

from pathlib import Path
from typing import Annotated

import typer

from guard.cli.log_files import read_log
from guard.cli.promote_screen import Weighed, weighed_json, weighed_text
from guard.cli.screen import complain
from guard.cli.starting import EXIT_USAGE, rules_or_exit
from guard.policy.promotion import NotFound, Promotion, promotion_of
from guard.policy.schema import KEYS_DENIED_PERCENT
from guard.service.shadow_record import ShadowRecord
from guard.wire.access_log import LogForm, line_reader

EXIT_REFUSED = 4

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard promote limits.weight --log decisions.jsonl
    guard promote client_ip --service exchange --log decisions.jsonl.gz --json

    Show from the decision log whom a rule in shadow would have denied, and print the change that enforces it.
    Refused if it would have denied something to more keys than `promotion.keys_denied` of the policy allows (1%), or if
    the log tells nothing of it. Nothing is changed: the file is yours.

    Exit code: 0 go on, 2 usage or a log that cannot be read, 3 policies invalid, 4 refused.
    """
)
def promote(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Such as limits.weight.", show_default=False)],
    *,
    log: Annotated[Path, typer.Option(help="A decision log, also gzipped; - is standard input.", show_default=False)],
    policies: Annotated[Path, typer.Option(help="A policy directory, or one policy file.")] = Path("policies"),
    service: Annotated[str | None, typer.Option(help="Of this service only, if several have such a rule.")] = None,
    top: Annotated[int, typer.Option(min=0, help="How many of the keys are shown.")] = 10,
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """See `help` above."""
    found = promotion_of(rules_or_exit(policies).files, rule, service, KEYS_DENIED_PERCENT)
    if isinstance(found, NotFound):
        complain(f"no rule {rule}{'' if service is None else f' in {service}'}; there are: {', '.join(found.known)}")
        if rule.startswith("abuse."):
            complain(
                "signals go with the whole section, `abuse`: a decision log tells codes, and not which signal it was"
            )
        raise typer.Exit(EXIT_USAGE)
    if len(found) > 1:
        complain(f"{rule} stands in several services: name one with --service ({', '.join(p.service for p in found)})")
        raise typer.Exit(EXIT_USAGE)
    weighed = _weighed(found[0], log)
    typer.echo(weighed_json(weighed, top) if as_json else weighed_text(weighed, top))
    if weighed.refusal is not None:
        raise typer.Exit(EXIT_REFUSED)


def _weighed(promotion: Promotion, log: Path) -> Weighed:
    record = ShadowRecord(promotion.service, promotion.code)
    unread = 0
    for line in read_log(log, line_reader(LogForm.GUARD)):
        if line is None:
            unread += 1
        else:
            record.add(line)
    return Weighed(promotion, record, unread)
