"""Which gateway to ask, and with which key: from `--key-file`, the environment, or what `guard dev` left behind.

`GUARD_KEY_ID` and `GUARD_KEY_SECRET` are a client's, like the password of a database client: no gateway reads them.
"""

import os
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import typer

from guard.model.keys import KeyAlgorithm, Secret

GATEWAY_URL = "http://127.0.0.1:8080"


class Key(msgspec.Struct, frozen=True):
    """A key with what its holder keeps: the shared secret, or the private key as PEM."""

    id: str
    secret: Secret
    algorithm: KeyAlgorithm


class Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """Where to connect. `authority` is what goes into Host, as it was written."""

    url: str
    secure: bool
    host: str
    port: int
    authority: bytes


class _KeyFile(msgspec.Struct, frozen=True):
    """What `guard keys create --json` prints, as far as a client needs it."""

    id: str
    secret: str
    algorithm: KeyAlgorithm = KeyAlgorithm.HMAC_SHA256


class _DevFile(msgspec.Struct, frozen=True):
    """What `guard dev` writes: its address, and the key that stays the same at every start."""

    key: _KeyFile
    gateway: str = GATEWAY_URL


def home() -> Path:
    """The same directory as `Settings.home`. A client starts faster without the gateway's settings, and judges none."""
    return Path(os.environ.get("GUARD_HOME") or "~/.local/share/guard").expanduser()


def gateway_at(base_url: str | None) -> Gateway:
    """The gateway of `--base-url`, else the one that `guard dev` runs."""
    if base_url is None:
        dev = home() / "dev.json"
        base_url = _dev_file(dev).gateway if dev.exists() else GATEWAY_URL
    try:
        parts = urlsplit(base_url)
        host, port = parts.hostname, parts.port
        authority = parts.netloc.encode("ascii")
    except ValueError:
        host, port, authority = None, None, b""
    plain = parts.path in ("", "/") and not parts.query and not parts.fragment if host else False
    if host is None or not plain or parts.scheme not in ("http", "https") or "@" in parts.netloc:
        raise typer.BadParameter(f"{base_url!r} is not an origin such as {GATEWAY_URL}", param_hint="--base-url")
    secure = parts.scheme == "https"
    return Gateway(
        url=f"{parts.scheme}://{parts.netloc}",
        secure=secure,
        host=host,
        port=port or (443 if secure else 80),
        authority=authority,
    )


def key_from(key_file: Path | None) -> Key:
    """The key of `--key-file`, else of the environment, else of `guard dev`."""
    if key_file is not None:
        return _opened(_key_file(key_file))
    key_id, secret = os.environ.get("GUARD_KEY_ID"), os.environ.get("GUARD_KEY_SECRET")
    if key_id and secret:
        private = secret.startswith("-----BEGIN")
        return Key(key_id, Secret(secret.encode()), KeyAlgorithm.ED25519 if private else KeyAlgorithm.HMAC_SHA256)
    dev = home() / "dev.json"
    if dev.exists():
        return _opened(_dev_file(dev).key)
    raise typer.BadParameter(
        "no key: start `guard dev` once, or set GUARD_KEY_ID and GUARD_KEY_SECRET, or give --key-file FILE "
        "(FILE is what `guard keys create --json` printed), or --scheme none",
    )


def _opened(found: _KeyFile) -> Key:
    return Key(found.id, Secret(found.secret.encode()), found.algorithm)


def _key_file(path: Path) -> _KeyFile:
    """Either form: the key alone, or the file of `guard dev`."""
    content = _read(path)
    try:
        return msgspec.json.decode(content, type=_KeyFile)
    except msgspec.ValidationError:
        return _dev_file(path).key
    except msgspec.DecodeError:
        raise typer.BadParameter(f"{path} is not JSON", param_hint="--key-file") from None


def _dev_file(path: Path) -> _DevFile:
    try:
        return msgspec.json.decode(_read(path), type=_DevFile)
    except msgspec.DecodeError:
        raise typer.BadParameter(
            f'{path} holds no key: expected {{"id": …, "secret": …, "algorithm": "hmac-sha256"}}'
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise typer.BadParameter(f"{path} cannot be read: {fault.strerror}") from None
