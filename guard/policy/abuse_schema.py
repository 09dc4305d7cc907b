"""The shape of a policy's `abuse` section: signals, the ladder, and who is exempt. See `schema.py`."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from guard.policy.part import Part, many
from guard.policy.values import (
    Duration,
    FieldName,
    Name,
    Network,
    Percent,
    RatioValue,
    RuleMode,
    SignalName,
    Text,
)

_POINTS_MAX = 1_000
_SCORE_MAX = 10_000
_AT_LEAST_MAX = 100_000

Terms = Annotated[
    tuple[Duration, ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str | int | float) else value),
    Field(strict=False, min_length=1, max_length=20),
]


Kinds = Annotated[
    tuple[Literal["reads", "orders", "cancels"], ...],
    BeforeValidator(lambda value: (value,) if isinstance(value, str) else value),
    Field(strict=False, min_length=1, max_length=3),
]


class CounterpartPart(Part):
    """What a ratio is to: events, or numbers that the backend tells in its answers."""

    on: Text | None = Field(default=None, description="The code of a reason or of an outcome, as beside `ratio`.")
    response_header: FieldName | None = Field(
        default=None,
        description="The field of answers that tells how many there are. Answers without it do not count at all.",
        examples=["Guard-Fills"],
    )
    routes: tuple[str, ...] = many("Only these: groups, or routes as they are written under `routes`.")
    of: Kinds | None = Field(default=None, description="Only such routes, as beside `ratio`.")


class RatioPart(Part):
    """Events in proportion to others of the same subject within the same time."""

    above: RatioValue = Field(description="More than so many to so many: `50:1`.")
    to: CounterpartPart = Field(description="To what.")


class SignalPart(Part):
    """An event that raises a score, once or when it happens often enough."""

    on: Text = Field(
        description="The code of a reason or of an outcome; `*` stands for any text.", examples=["auth.replayed"]
    )
    per: Literal["ip", "key", "account"] = Field(description="Whose score.")
    points: int = Field(ge=1, le=_POINTS_MAX, description="How many points each time.")
    over: Duration | None = Field(default=None, description="Within this time, where several are needed.")
    at_least: int = Field(default=1, ge=1, le=_AT_LEAST_MAX, description="So many events, or different values.")
    distinct: Literal["key", "ip", "network", "route"] | None = Field(
        default=None, description="Count different values of this instead of events."
    )
    routes: tuple[str, ...] = many("Only these: groups, or routes as they are written under `routes`.")
    of: Kinds | None = Field(
        default=None,
        description="Only such routes: `reads`, `priority: critical` (cancels), or signed ones that are neither.",
    )
    ratio: RatioPart | None = Field(
        default=None, description="Only where they are too many for others: orders for one trade. Needs `at_least`."
    )
    slower_than: Duration | None = Field(default=None, description="Only answers of the backend that took longer.")
    mode: RuleMode = Field(default="enforce", description="shadow: only for the record. off: not at all.")
    why: Text | None = Field(default=None, description="Why this is watched for.")


class ScorePart(Part):
    """How a score decays."""

    half_life: Duration = Field(default=600_000, description="After so long half of it is left. Default 10m.")


class RungPart(Part):
    """What happens to a subject from a score on."""

    at: int = Field(ge=1, le=_SCORE_MAX, description="From this score on.")
    action: Literal["slow", "throttle", "quarantine", "ban"] = Field(
        description="slow: wait. throttle: lower rates. quarantine: only reads and cancels. ban: nothing."
    )
    delay: Duration | None = Field(default=None, description="slow: how long each request waits, at most 2s.")
    to: Percent | None = Field(default=None, description="throttle: what is left of every rate.")
    for_: Terms | None = Field(
        default=None, alias="for", description="How long: once, or for the first, second, … time."
    )
    forgive: Duration | None = Field(
        default=None, description="One time is forgotten for each such clean period. Default that of the highest rung."
    )


Ladder = Annotated[tuple[RungPart, ...], Field(strict=False, min_length=1, max_length=20)]


class ExemptPart(Part):
    """Against whom nothing is ever counted."""

    ips: tuple[Network, ...] = many("Networks.")
    keys: tuple[Text, ...] = many("Key ids.")


class AbusePart(Part):
    """What is watched for after each answer, and what follows."""

    mode: RuleMode = Field(default="enforce", description="shadow: only for the record. off: not at all.")
    score: ScorePart = Field(default=ScorePart(), description="How scores decay.")
    use: tuple[Name, ...] = many("Signals of `_shared.yaml`, or that guard ships (docs/abuse.md), by name.")
    signals: dict[SignalName, SignalPart] = Field(default={}, max_length=100, description="Your own signals, by name.")
    ladder: tuple[RungPart, ...] = Field(
        default=(), strict=False, min_length=1, max_length=20, description="What happens from which score on."
    )
    exempt: ExemptPart = Field(default=ExemptPart(), description="Whom nothing is counted against.")
    max_banned: Percent = Field(
        default=5, description="The share of active addresses and keys above which bans are only recorded. Default 5%."
    )
