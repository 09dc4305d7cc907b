"""Timestamps as the venues write them → UnixMs. Strict ASCII, bounded length, rounded down; None for anything else.

Units are never guessed: a text has at most one reading in a unit, told by its length where a unit allows two.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from guard.model.names import UnixMs
from guard.signing.scheme import TimeUnit

_SECONDS = re.compile(rb"([1-9][0-9]{9})")
_MILLISECONDS = re.compile(rb"([1-9][0-9]{12})")
_MICROSECONDS = re.compile(rb"([1-9][0-9]{12})[0-9]{3}")
_DECIMAL = re.compile(rb"([1-9][0-9]{9})(?:\.([0-9]{1,9}))?")
_ISO8601 = re.compile(rb"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6}))?Z")
_FIX = re.compile(rb"([0-9]{4})([0-9]{2})([0-9]{2})-([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?")
_WINDOW = re.compile(rb"([0-9]{1,9})(?:\.[0-9]{1,3})?")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_time(unit: TimeUnit, text: bytes) -> UnixMs | None:
    """The time, or None if the text is not exactly one of that unit."""
    return _READERS[unit](text)


def parse_window_ms(text: bytes) -> int | None:
    """A window in milliseconds with up to three decimals, rounded down: a client may narrow it, never widen it."""
    match = _WINDOW.fullmatch(text)
    return int(match[1]) if match else None


def _ms(text: bytes) -> UnixMs | None:
    return UnixMs(int(text)) if _MILLISECONDS.fullmatch(text) else None


def _ms_or_us(text: bytes) -> UnixMs | None:
    match = _MILLISECONDS.fullmatch(text) or _MICROSECONDS.fullmatch(text)
    return UnixMs(int(match[1])) if match else None


def _s(text: bytes) -> UnixMs | None:
    return UnixMs(int(text) * 1000) if _SECONDS.fullmatch(text) else None


def _s_decimal(text: bytes) -> UnixMs | None:
    match = _DECIMAL.fullmatch(text)
    return UnixMs(int(match[1]) * 1000 + _fraction_ms(match[2])) if match else None


def _s_or_ms(text: bytes) -> UnixMs | None:
    return _s(text) or _ms(text)


def _iso8601_ms(text: bytes) -> UnixMs | None:
    return _calendar(_ISO8601.fullmatch(text))


def _fix_utc(text: bytes) -> UnixMs | None:
    return _calendar(_FIX.fullmatch(text))


def _calendar(match: re.Match[bytes] | None) -> UnixMs | None:
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return UnixMs((moment - _EPOCH) // timedelta(milliseconds=1) + _fraction_ms(match[7]))


def _fraction_ms(digits: bytes | None) -> int:
    return int(digits[:3].ljust(3, b"0")) if digits else 0


_READERS: dict[TimeUnit, Callable[[bytes], UnixMs | None]] = {
    TimeUnit.MS: _ms,
    TimeUnit.MS_OR_US: _ms_or_us,
    TimeUnit.S: _s,
    TimeUnit.S_DECIMAL: _s_decimal,
    TimeUnit.S_OR_MS: _s_or_ms,
    TimeUnit.ISO8601_MS: _iso8601_ms,
    TimeUnit.FIX_UTC: _fix_utc,
}
