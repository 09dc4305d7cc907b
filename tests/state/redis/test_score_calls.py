"""What is asked about scores, and read of the answer."""

import asyncio
from struct import pack

import msgspec
import pytest

from guard.model.abuse import Distinct, Evidence, Raised, Ratio, SubjectKind
from guard.model.names import RequestId, UnixMs
from guard.model.questions import Unavailable
from guard.state.redis.score_calls import forgetting, home, scoring
from guard.state.redis.scripts import FORGET, SCORE
from tests.build import signal
from tests.contract.score_store import sighting

TAG = b"{0}"
COMMON = (b"guard:{0}epoch", b"guard:{0}w:0", b"guard:{0}w:1", b"guard:{0}w:2")


@pytest.mark.parametrize(
    ("names", "widest"),
    [
        (("192.0.2.7", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8"), "192.0.0.0/8"),
        (("2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32", "2001::/16"), "2001::/16"),
    ],
)
def test_an_address_and_what_is_counted_in_its_place_are_at_home_together(names: tuple[str, ...], widest: str) -> None:
    assert {home(SubjectKind.IP, name) for name in names} == {("ip", widest)}


def test_a_key_is_at_home_alone() -> None:
    assert home(SubjectKind.KEY, "gk_1/2") == ("key", "gk_1/2")


async def test_all_keys_are_declared_once_and_carry_the_tag() -> None:
    names = ("192.0.2.1", "192.0.0.0/8")
    values = sighting(signal("v", at_least=2, over_ms=9, distinct=Distinct.KEY), *names)
    call = scoring(TAG, (sighting(None, *names), values), 10, asyncio.get_running_loop().create_future())
    subjects = (b"guard:{0}s:2:ip9:192.0.2.1", b"guard:{0}s:2:ip11:192.0.0.0/8")
    apart = (b"guard:{0}d:2:ip9:192.0.2.18:exchange1:01:v", b"guard:{0}d:2:ip11:192.0.0.0/88:exchange1:01:v")
    assert tuple(call.keys) == (*COMMON, *subjects, *apart)
    assert call.script is SCORE
    first, second = msgspec.msgpack.decode(call.words[0])
    assert (first["names"], first["seen"]) == ([5, 6], [])
    assert (second["names"], second["seen"]) == ([5, 6], [7, 8])


async def test_a_ratio_and_its_counterparts_are_told_apart() -> None:
    events = signal(at_least=2, over_ms=9, ratio=Ratio(50, 1))
    others = msgspec.structs.replace(events, is_counterpart=True)
    seen = (sighting(), sighting(events), sighting(others, amount=7))
    call = scoring(TAG, seen, 10, asyncio.get_running_loop().create_future())
    asked = msgspec.msgpack.decode(call.words[0])
    assert [(each["ratio"], each["others"]) for each in asked] == [([], -1), ([50, 1], -1), ([50, 1], 7)]


async def test_what_fired_is_told_by_its_place() -> None:
    done: asyncio.Future[tuple[tuple[int, Raised], ...] | None] = asyncio.get_running_loop().create_future()
    seen = (sighting(), sighting())
    call = scoring(TAG, seen, 10, done)
    call.settle(pack(">BI", 221, 1) + msgspec.msgpack.encode([1, 2, 25, {"replay": 3}, ["req_1"]]))
    evidence = Evidence(signals={"replay": 3}, requests=(RequestId("req_1"),))
    assert await done == ((1, Raised(sighting=seen[1], name="192.0.0.0/16", points=25, evidence=evidence)),)


@pytest.mark.parametrize("reply", [b"", b"\x01", pack(">BI", 221, 2), OSError("lost")])
async def test_what_no_script_of_ours_says_is_no_answer(reply: object) -> None:
    done: asyncio.Future[tuple[tuple[int, Raised], ...] | None] = asyncio.get_running_loop().create_future()
    scoring(TAG, (sighting(),), 10, done).settle(reply)
    assert await done is None


async def test_who_no_longer_waits_disturbs_nobody() -> None:
    done: asyncio.Future[tuple[tuple[int, Raised], ...] | None] = asyncio.get_running_loop().create_future()
    forgotten: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
    calls = (
        scoring(TAG, (sighting(),), 10, done),
        forgetting(TAG, SubjectKind.KEY, "k1", UnixMs(7), forgotten),
    )
    assert done.cancel()
    assert forgotten.cancel()
    for call in calls:
        call.settle(pack(">BI", 221, 0))
        call.failed(Unavailable("redis: down"))


async def test_somebody_is_forgotten_only_if_the_server_says_so() -> None:
    for reply, told in ((b"", True), (OSError("READONLY"), False)):
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        call = forgetting(TAG, SubjectKind.KEY, "k1", UnixMs(7), done)
        call.settle(reply)
        assert await done is told
    assert (call.script, call.words) == (FORGET, (b"7",))
    assert call.keys == (*COMMON, b"guard:{0}s:3:key2:k1")
