"""What is asked about scores in one call, in the form of `lua/score.lua` and `lua/forget.lua`, and what was answered.
Pure: no socket, no clock. All keys of a call carry one hash tag, that of the subject's partition.

An address lies in the partition of the widest network that is ever counted in its place, so that both are in one call.
"""

from asyncio import Future
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from guard.model.abuse import Evidence, Raised, Sighting, SubjectKind
from guard.model.names import Address, RequestId, UnixMs
from guard.state.redis.calls import Call
from guard.state.redis.scripts import FORGET, SCORE
from guard.state.redis.sheet import digest, epoch_key, spelled_out
from guard.wire.client_address import network_of

_CROWDS = 3
_V4_WIDEST, _V6_WIDEST = 8, 16

Places: TypeAlias = tuple[str, str]


class _Asked(msgspec.Struct, frozen=True, gc=False):
    """One sighting. `names` and `seen` are which keys of the call hold its subject, and its different values.

    `ratio` is empty or two numbers; `others` is how many counterparts it stands for, -1 for an event.
    """

    names: list[int]
    seen: list[int]
    field: str
    signal: str
    points: int
    at_least: int
    over: int
    half_life: int
    value: str
    ratio: tuple[int, ...]
    others: int
    request: str


class _Told(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A signal fired with this sighting, which was counted as this of its names."""

    number: int
    width: int
    points: int
    signals: dict[str, int]
    requests: tuple[RequestId, ...]


_TOLD: Final = msgspec.msgpack.Decoder(list[_Told])


def home(kind: SubjectKind, name: str) -> Places:
    """What decides on the partition of a subject, and of all names that may be counted in its place."""
    if kind is not SubjectKind.IP:
        return (kind, name)
    address = Address(name.partition("/")[0])
    return (kind, network_of(address, _V6_WIDEST if ":" in address else _V4_WIDEST))


def scoring(
    tag: bytes, sightings: Sequence[Sighting], room: int, done: "Future[tuple[tuple[int, Raised], ...] | None]"
) -> Call:
    """Count these. `done` is what fired, by the sighting's place among them; None if the server did not answer.

    `room` is for how many subjects of their own there is some in the partition.
    """
    keys = {key: place + 1 for place, key in enumerate(_common(tag))}

    def index(key: bytes) -> int:
        return keys.setdefault(key, len(keys) + 1)

    asked = [
        _Asked(
            names=[index(_subject(tag, each.signal.per, name)) for name in each.names],
            seen=[index(_values(tag, each, name)) for name in each.names] if _is_distinct(each) else [],
            field=f"{each.score:d}{each.service}",
            signal=each.signal.name,
            points=each.signal.points,
            at_least=each.signal.at_least,
            over=each.signal.over_ms,
            half_life=each.policy.half_life_ms,
            value=digest((each.value,)).hex() if _is_distinct(each) else "",
            ratio=() if each.signal.ratio is None else (each.signal.ratio.events, each.signal.ratio.counterparts),
            others=each.amount if each.signal.is_counterpart else -1,
            request=each.request_id,
        )
        for each in sightings
    ]

    def answered(reply: bytes) -> None:
        told = tuple([(one.number, _raised(sightings[one.number], one)) for one in _TOLD.decode(reply)])
        if not done.done():
            done.set_result(told)

    def failed(_: object) -> None:
        if not done.done():
            done.set_result(None)

    return Call(SCORE, tuple(keys), (msgspec.msgpack.encode(asked), b"%d" % room), answered, failed)


def forgetting(tag: bytes, kind: SubjectKind, name: str, before: UnixMs, done: "Future[bool]") -> Call:
    """Forget what began until then. `done` is whether it was."""

    def answered(_: bytes) -> None:
        if not done.done():
            done.set_result(True)

    def failed(_: object) -> None:
        if not done.done():
            done.set_result(False)

    return Call(FORGET, (*_common(tag), _subject(tag, kind, name)), (b"%d" % before,), answered, failed)


def _common(tag: bytes) -> tuple[bytes, ...]:
    return (epoch_key(tag), *(b"guard:%bw:%d" % (tag, width) for width in range(_CROWDS)))


def _subject(tag: bytes, kind: SubjectKind, name: str) -> bytes:
    return b"guard:%bs:%b" % (tag, spelled_out((kind, name)))


def _values(tag: bytes, sighting: Sighting, name: str) -> bytes:
    signal = sighting.signal
    of = (signal.per, name, sighting.service, f"{sighting.score:d}", signal.name)
    return b"guard:%bd:%b" % (tag, spelled_out(of))


def _is_distinct(sighting: Sighting) -> bool:
    return sighting.signal.distinct is not None and sighting.signal.at_least > 1


def _raised(sighting: Sighting, told: _Told) -> Raised:
    evidence = Evidence(signals=told.signals, requests=told.requests)
    return Raised(sighting=sighting, name=sighting.names[told.width], points=told.points, evidence=evidence)
