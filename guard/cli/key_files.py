"""What `guard keys` reads and writes: lists and durations on the command line, key files, JSON lines, .env files."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import typer

from guard.model.keys import Bounds, KeyUse
from guard.model.names import UnixMs
from guard.policy.units import UnitFault, duration_ms
from guard.service.key_orders import KeyOrder
from guard.service.keyring import Issued

_STDIN = Path("-")


def wall_clock() -> UnixMs:
    """Now, by this machine."""
    return UnixMs(time.time_ns() // 1_000_000)


def listed(text: str) -> tuple[str, ...]:
    """`read,trade` as its parts."""
    return tuple(part for part in (each.strip() for each in text.split(",")) if part)


def duration(text: str, option: str) -> int:
    """`90d` in milliseconds."""
    try:
        return duration_ms(text)
    except UnitFault as fault:
        raise typer.BadParameter(f"{text!r} {fault.message}: {fault.help_text}", param_hint=option) from None


def expiry(text: str | None) -> int | None:
    """The end of a time that begins now."""
    return None if text is None else wall_clock() + duration(text, "--expires")


def text_of(path: Path | None) -> str | None:
    """A public key file. Raw bytes are given on as hexadecimal."""
    if path is None:
        return None
    content = _read(path, "--public-key")
    try:
        return content.decode("ascii")
    except UnicodeDecodeError:
        return content.hex()


def secret_from_stdin() -> str:
    """One line, without its end."""
    return sys.stdin.readline().rstrip("\r\n")


def orders_in(path: Path | None, given: Mapping[str, object]) -> tuple[KeyOrder, ...]:
    """The orders of a file of JSON lines, what they leave out taken from `given`; without a file, what is given."""
    if path is None:
        return (_order(given, "the key"),)
    content = sys.stdin.buffer.read() if path == _STDIN else _read(path, "FILE")
    orders = []
    for number, line in enumerate(content.splitlines(), start=1):
        if line.strip():
            orders.append(_order({**given, **_object(line, f"line {number}")}, f"line {number}"))
    return tuple(orders)


@contextmanager
def write_env(path: Path | None) -> Iterator[Callable[[Issued], None]]:
    """How to save a key to a new .env file that only its owner can read. The file is made before the key is."""
    if path is None:
        yield lambda _: None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be made: {error.strerror}", param_hint="--out") from None
    saved = False

    def save(issued: Issued) -> None:
        nonlocal saved
        file.write(f"GUARD_KEY_ID={issued.key.id}\n")
        if issued.secret is not None:
            file.write(f"GUARD_KEY_SECRET={issued.secret}\n")
        saved = True

    with os.fdopen(descriptor, "w") as file:
        try:
            yield save
        finally:
            if not saved:
                path.unlink()


def bounds(uses: str, only: Sequence[str], *, honeytoken: bool = False) -> Bounds | None:
    """What `--use`, `--only` and `--honeytoken` keep a key to; None where none is given."""
    named: dict[str, tuple[str, ...]] = {}
    for one in only:
        name, given, values = one.partition("=")
        if not given or not listed(values) or name in named:
            raise typer.BadParameter(f"{one!r} is not NAME=VALUE,VALUE with a new name", param_hint="--only")
        named[name] = listed(values)
    try:
        kept = [KeyUse(use) for use in listed(uses)]
    except ValueError:
        raise typer.BadParameter(f"{uses!r} is not reads, cancels, or both with a comma", param_hint="--use") from None
    return Bounds.of(kept, named, honeytoken=honeytoken) if kept or named or honeytoken else None


def _object(line: bytes, where: str) -> dict[str, object]:
    try:
        return msgspec.json.decode(line, type=dict[str, object])
    except msgspec.DecodeError:
        raise typer.BadParameter(f"{where} is no JSON object", param_hint="FILE") from None


def _order(fields: Mapping[str, object], where: str) -> KeyOrder:
    try:
        return msgspec.convert(fields, KeyOrder)
    except msgspec.ValidationError as error:
        raise typer.BadParameter(f"{where}: {error}") from None


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}", param_hint=option) from None
