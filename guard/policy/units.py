"""Durations, rates, sizes and shares as people write them. A bare number is refused: nobody knows in what unit."""

import re
from typing import Final

import msgspec

from guard.model.abuse import Ratio
from guard.model.policy import Loss, OnLoss

_MS: Final = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_BYTES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

DURATION_PATTERN: Final = "^[1-9][0-9]{0,8}(ms|s|m|h|d)$"
SKEW_PATTERN: Final = "^[+-]?[1-9][0-9]{0,8}(ms|s|m|h|d)$"
RATE_PATTERN: Final = "^[1-9][0-9]{0,7}/([1-9][0-9]{0,5})?(ms|s|m|h|d)$"
QUOTA_PATTERN: Final = "^[1-9][0-9]{0,8}/(h|hour|d|day)$"
SIZE_PATTERN: Final = "^[1-9][0-9]{0,8}(B|KiB|MiB|GiB)$"
STEP_PATTERN: Final = "^(0|[1-9][0-9]{0,11})$"
RATIO_PATTERN: Final = "^[1-9][0-9]{0,5}:[1-9][0-9]{0,5}$"
PERCENT_PATTERN: Final = "^(100|[1-9][0-9]?)%$"
ON_LOSS_PATTERN: Final = "^(deny|allow|local (100|[1-9][0-9]?)%)$"

_DURATION = re.compile(DURATION_PATTERN, re.ASCII)
_RATE = re.compile(RATE_PATTERN, re.ASCII)
_QUOTA = re.compile(QUOTA_PATTERN, re.ASCII)
_SIZE = re.compile(SIZE_PATTERN, re.ASCII)
_STEP = re.compile(STEP_PATTERN, re.ASCII)
_RATIO = re.compile(RATIO_PATTERN, re.ASCII)
_PERCENT = re.compile(PERCENT_PATTERN, re.ASCII)


class UnitFault(ValueError):  # noqa: N818  # a fault of the policy's author, not of the program
    """Why a text is no duration, rate, size or share, and what to write instead. `is …` wants the value before it."""

    def __init__(self, message: str, help_text: str) -> None:
        super().__init__(message)
        self.message = message
        self.help_text = help_text


class Rate(msgspec.Struct, frozen=True, gc=False):
    """`tokens` every `period_ms`."""

    tokens: int
    period_ms: int


def duration_ms(value: object) -> int:
    """`250ms`, `5s`, `10m`, `1h`, `3d` in milliseconds. Raises UnitFault."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnitFault("a duration needs its unit", f"say {value}s or {value}ms")
    if not isinstance(value, str) or _DURATION.fullmatch(value) is None:
        raise UnitFault("is not a duration", "write a whole number and ms, s, m, h or d, such as 250ms or 5s")
    return _amount(value, _MS)


def skew_ms(value: object) -> int:
    """`-10s`, `+500ms`: how far a clock is off, in milliseconds; negative is behind. Raises UnitFault."""
    if not isinstance(value, str):
        return duration_ms(value)
    ahead = duration_ms(value.removeprefix("-") if value.startswith("-") else value.removeprefix("+"))
    return -ahead if value.startswith("-") else ahead


def rate(value: object) -> Rate:
    """`20/s`, `300/10s`, `6000/m`. Raises UnitFault."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnitFault("a rate needs its period", f"say {value}/s or {value}/m")
    if not isinstance(value, str) or _RATE.fullmatch(value) is None:
        raise UnitFault("is not a rate", "write a whole number, a slash and a period, such as 20/s or 300/10s")
    tokens, _, period = value.partition("/")
    return Rate(int(tokens), _amount(period if period[0].isdigit() else "1" + period, _MS))


def quota(value: object) -> Rate:
    """`200000/day`, `5000/h`: so many in each UTC day or hour. Raises UnitFault."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnitFault("a quota needs its period", f"say {value}/day or {value}/hour")
    if not isinstance(value, str) or _QUOTA.fullmatch(value) is None:
        raise UnitFault("is not a quota", "write a whole number and /hour or /day, such as 200000/day")
    tokens, _, period = value.partition("/")
    return Rate(int(tokens), _MS[period[0]])


def size_bytes(value: object) -> int:
    """`512B`, `256KiB`, `1MiB` in bytes. Raises UnitFault."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnitFault("a size needs its unit", f"say {value}KiB or {value}B")
    if not isinstance(value, str) or _SIZE.fullmatch(value) is None:
        raise UnitFault("is not a size", "write a whole number and B, KiB, MiB or GiB, such as 256KiB")
    return _amount(value, _BYTES)


def step(value: object) -> int:
    """`100`: up to which number a step reaches; text, as every key is. Raises UnitFault."""
    if not isinstance(value, str) or _STEP.fullmatch(value) is None:
        raise UnitFault("is not a step", "write a whole number, such as 100")
    return int(value)


def ratio(value: object) -> Ratio:
    """`50:1`: so many for one of the others. Raises UnitFault."""
    if not isinstance(value, str) or _RATIO.fullmatch(value) is None:
        raise UnitFault("is not a ratio", "write two whole numbers and a colon, such as 50:1")
    events, _, counterparts = value.partition(":")
    return Ratio(int(events), int(counterparts))


def percent(value: object) -> int:
    """`1%` to `100%`. Raises UnitFault."""
    if isinstance(value, int) and not isinstance(value, bool):
        raise UnitFault("a share needs its percent sign", f"say {value}%")
    if not isinstance(value, str) or _PERCENT.fullmatch(value) is None:
        raise UnitFault("is not a share", "write a whole number from 1 to 100 and a percent sign, such as 50%")
    return int(value[:-1])


def share_on_loss(value: object) -> Loss:
    """`deny`, `allow` or `local 50%`: what limits do without their store. Raises UnitFault."""
    word, _, share = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if word in (OnLoss.DENY, OnLoss.ALLOW) and not share:
        return Loss(limits=OnLoss(word))
    if word == OnLoss.LOCAL and share:
        return Loss(limits=OnLoss.LOCAL, limits_percent=percent(share))
    raise UnitFault(
        "is not what limits can do without their store", "write deny, allow, or local with a share: local 50%"
    )


def spelled(ms: int) -> str:
    """A duration the way it is written in a policy, in the largest unit that divides it."""
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if ms % _MS[unit] == 0)
    return f"{ms // _MS[unit]}{unit}"


def _amount(text: str, units: dict[str, int]) -> int:
    number = text.rstrip("".join(units))
    return int(number) * units[text[len(number) :]]
