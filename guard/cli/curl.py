"""`guard curl`: one signed request, sent as the exact bytes that were signed, and what came of it."""

import re
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from guard.cli.answers import EXIT_REFUSED, answer_json, command, is_yes, problem_of, shown
from guard.cli.credentials import Gateway, gateway_at, key_from
from guard.cli.outgoing import Outgoing, Part, Scheme, asked_for, outgoing, tampered
from guard.cli.saved import LAST, Saved, save, saved_request
from guard.cli.screen import complain, paint, printable, say
from guard.cli.sending import Answer, Unreachable, ask_once
from guard.model.names import UnixMs

EXIT_UNREACHABLE = 7
"""No answer: curl's code for it."""

_SKEW = re.compile(r"([+-]?)([0-9]{1,9})(ms|s|m)", re.ASCII)
_UNIT_MS = {"ms": 1, "s": 1_000, "m": 60_000}

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard curl GET /v1/account
    guard curl POST /v1/orders -d '{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}'
    guard curl --replay @last

    Send one signed request, and say why it was refused.

    The key is that of --key-file, else GUARD_KEY_ID and GUARD_KEY_SECRET, else the one that `guard dev` made. Redirects
    are shown, never followed. Exit code: 0 for 2xx, 22 for any other answer, 7 for none, 2 for wrong arguments.
    """
)
def curl(
    words: Annotated[list[str] | None, typer.Argument(metavar="[METHOD] PATH", show_default=False)] = None,
    *,
    data: Annotated[str | None, typer.Option("-d", "--data", help="The body, or @FILE, or @- for stdin.")] = None,
    header: Annotated[list[str] | None, typer.Option("-H", "--header", help="A field: 'Name: value'.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="The JSON of `guard keys create --json`.")] = None,
    scheme: Annotated[Scheme, typer.Option(help="How to say who you are.")] = Scheme.GUARD_V1,
    base_url: Annotated[str | None, typer.Option(help="The gateway's origin.")] = None,
    tamper: Annotated[Part | None, typer.Option(help="Change one thing after signing.")] = None,
    skew: Annotated[str | None, typer.Option(help="Sign with another clock, such as -30s or +500ms.")] = None,
    replay: Annotated[str | None, typer.Option(help="Send the bytes of @last or of FILE once more.")] = None,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the string to sign and all fields.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The answer as one JSON object.")] = False,
) -> None:
    """See `help` above."""
    if replay is not None:
        if words or data is not None or header or tamper or skew is not None:
            raise typer.BadParameter("--replay sends what was saved, and takes no other request", param_hint="--replay")
        _replay(saved_request(replay), base_url, verbose=verbose, as_json=as_json)
        return
    method, path = method_and_path(words or [], with_body=data is not None)
    asked = asked_for(method, path, body_of(data), header or [])
    gateway = gateway_at(base_url)
    key = None if scheme is Scheme.NONE else key_from(key_file)
    now = UnixMs(_wall_ms() + (0 if skew is None else _skew_ms(skew)))
    request = outgoing(asked, authority=gateway.authority, scheme=scheme, key=key, now=now)
    as_signed = tamper is None
    if tamper is not None:
        request = tampered(request, tamper)
    if verbose and not as_json:
        _show_request(request)
    answer = _asked(gateway, request.content, method)
    kept = as_signed and not request.holds_secret
    if kept:
        save(request.content, gateway=gateway.url, method=method, target=asked.target, sent_at_ms=_wall_ms())
    _report(answer, command(method, path, asked.body), verbose=verbose, as_json=as_json, kept=kept)


def method_and_path(words: list[str], *, with_body: bool) -> tuple[str, str]:
    """As curl has it: without a METHOD it is GET, or POST with a body."""
    if len(words) == 1:
        return ("POST" if with_body else "GET"), words[0]
    if len(words) == 2:  # noqa: PLR2004
        return words[0], words[1]
    raise typer.BadParameter("give [METHOD] PATH, such as GET /v1/account", param_hint="PATH")


def body_of(data: str | None) -> bytes:
    """The body that `-d` means, byte for byte."""
    if data is None:
        return b""
    if data == "@-":
        return sys.stdin.buffer.read()
    if not data.startswith("@"):
        return data.encode(errors="surrogateescape")
    try:
        return Path(data[1:]).read_bytes()
    except OSError as fault:
        raise typer.BadParameter(f"{data[1:]} cannot be read: {fault.strerror}", param_hint="-d") from None


def _replay(saved: Saved, base_url: str | None, *, verbose: bool, as_json: bool) -> None:
    """The same bytes, Host and all, to the gateway they went to unless another is named."""
    gateway = gateway_at(base_url or saved.gateway)
    if verbose and not as_json:
        _show_head(saved.content.partition(b"\r\n\r\n")[0].split(b"\r\n"))
    answer = _asked(gateway, saved.content, saved.method)
    again = command(saved.method, saved.target, saved.content.partition(b"\r\n\r\n")[2])
    _report(answer, again, verbose=verbose, as_json=as_json, kept=False)


def _asked(gateway: Gateway, content: bytes, method: str) -> Answer:
    try:
        return ask_once(gateway, content, method)
    except Unreachable as fault:
        complain(str(fault))
        raise typer.Exit(EXIT_UNREACHABLE) from None


def _report(answer: Answer, again: str, *, verbose: bool, as_json: bool, kept: bool) -> None:
    if as_json:
        typer.echo(answer_json(answer))
    else:
        if verbose:
            say(*(f"< {printable(f'{name}: {value}'.encode())}" for name, value in answer.fields))
        say(*shown(answer, again))
        if kept and problem_of(answer) is None:
            say(f"saved as {LAST}    next: guard curl --replay {LAST}")
    if not is_yes(answer):
        raise typer.Exit(EXIT_REFUSED)


def _show_request(request: Outgoing) -> None:
    if request.signed is not None:
        say("string to sign (␊ is one LF byte; there is none at the end):")
        say(*(f"  {printable(line)}" for line in with_visible_lf(request.signed)))
        digest = request.field(b"content-digest")
        say(f"Content-Digest of the body: {printable(digest) if digest else 'none, there is no body'}")
    _show_head(request.content.partition(b"\r\n\r\n")[0].split(b"\r\n"))


def with_visible_lf(text: bytes) -> list[bytes]:
    """One item a line, each but the last ending in ␊."""
    *lines, last = text.split(b"\n")
    return [*(line + "␊".encode() for line in lines), last]


def _show_head(lines: list[bytes]) -> None:
    """All fields; of an api-key only the id."""
    for line in lines:
        name, _, value = line.partition(b": ")
        masked = name + b": " + value.partition(b".")[0] + ".…".encode() if name.lower() == b"guard-api-key" else line
        say(paint(f"> {printable(masked)}", "cyan"))


def _skew_ms(text: str) -> int:
    found = _SKEW.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration such as -30s, +500ms or 2m", param_hint="--skew")
    return int(found[1] + found[2]) * _UNIT_MS[found[3]]


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000
