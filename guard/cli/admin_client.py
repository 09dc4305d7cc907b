"""Calls of the admin API for commands that ask a gateway that runs, with the token that people have in a file."""

import http.client
import json
import ssl
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import urlsplit

import typer

from guard.cli.screen import complain
from guard.policy.diagnostic import visible

TokenFile = Annotated[
    Path | None, typer.Option("--token-file", envvar="GUARD_TOKEN_FILE", help="An administrator's token.")
]

_TIMEOUT_S = 30
_ANSWER_BYTES_MAX = 64 << 20


def called(url: str, method: str, path: str, token_file: Path, body: object = None) -> dict[str, Any]:
    """What the admin API at `url` answers. A refusal, or no answer, ends the program with a sentence and code 1."""
    try:
        token = token_file.read_text(encoding="ascii").strip()
        status, content = _asked(url, method, path, token, body)
        answer = json.loads(content)
    except (OSError, http.client.HTTPException, ValueError) as error:
        _ended(f"{visible(url)} cannot be asked: {visible(str(error))}")
    if not isinstance(answer, dict):
        _ended(f"{visible(url)} is no admin API of guard")
    if status >= http.client.BAD_REQUEST:
        _ended(visible(str(answer.get("detail") or answer.get("title") or status)))
    return answer


def _asked(url: str, method: str, path: str, token: str, body: object) -> tuple[int, bytes]:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.hostname is None:
        raise ValueError("not a URL such as http://127.0.0.1:8090")
    if parts.scheme == "https":
        connection: http.client.HTTPConnection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=_TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_TIMEOUT_S)
    fields = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        connection.request(method, path, None if body is None else json.dumps(body), fields)
        answer = connection.getresponse()
        return answer.status, answer.read(_ANSWER_BYTES_MAX)
    finally:
        connection.close()


def _ended(why: str) -> NoReturn:
    complain(why)
    raise typer.Exit(1)
