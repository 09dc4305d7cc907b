"""The last request that was sent, kept for `--replay @last`: its exact bytes.

The file is readable by its owner only. It holds a signature, which a gateway accepts once, and never a secret: requests
that carry one are not saved.
"""

import os
from base64 import b64decode, b64encode
from pathlib import Path

import msgspec
import typer

from guard.cli.credentials import home

LAST = "@last"


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """One request. `content` is all of it, in base64; the rest says what it was."""

    gateway: str
    method: str
    target: str
    sent_at_ms: int
    content_base64: str

    @property
    def content(self) -> bytes:
        """The bytes that were sent."""
        return b64decode(self.content_base64, validate=True)


def save(content: bytes, *, gateway: str, method: str, target: bytes, sent_at_ms: int) -> None:
    """Keeps this request in place of the one before. Whoever reads meanwhile sees one of them, whole."""
    saved = Saved(
        gateway=gateway,
        method=method,
        target=target.decode(errors="backslashreplace"),
        sent_at_ms=sent_at_ms,
        content_base64=b64encode(content).decode(),
    )
    path = _last()
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(msgspec.json.encode(saved))
    fresh.replace(path)


def saved_request(name: str) -> Saved:
    """The request in a file, or the last one that was sent for `@last`."""
    path = _last() if name == LAST else Path(name)
    try:
        saved = msgspec.json.decode(path.read_bytes(), type=Saved)
        _ = saved.content
    except FileNotFoundError:
        said = "nothing was sent yet: guard curl GET /v1/account" if name == LAST else f"{path} does not exist"
        raise typer.BadParameter(said, param_hint="--replay") from None
    except (OSError, ValueError):
        raise typer.BadParameter(f"{path} holds no saved request", param_hint="--replay") from None
    return saved


def _last() -> Path:
    return home() / "last-request.json"
