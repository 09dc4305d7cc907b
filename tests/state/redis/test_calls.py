"""One script call each: written, answered, failed."""

import asyncio
from struct import pack

from guard.model.names import AccountId, UnixMs
from guard.model.questions import Granted, Receipt, Unavailable
from guard.state.redis.calls import Asked, burying, charging, giving_back, reading_clock
from guard.state.redis.command import command
from guard.state.redis.scripts import BURY, GIVE_BACK
from guard.state.redis.sheet import NONSENSE, Sheet, Spelling
from tests.contract.limit_store import charge

TAG = b"{0}"
NOW = UnixMs(1_800_000_000_500)


def asked(name: str) -> Asked:
    return Asked(TAG, charge(name), asyncio.get_running_loop().create_future(), 0.0)


def sheet(*those: Asked) -> Sheet:
    filled = Sheet(TAG, Spelling())
    for each in those:
        filled.ask(each.charge)
    return filled


async def test_each_charge_gets_its_own_answer_after_the_epoch_is_heard() -> None:
    first, second, heard = asked("a"), asked("b"), list[tuple[UnixMs, list[Receipt]]]()
    call = charging(sheet(first, second), (first, second), lambda epoch, _, read: heard.append((epoch, list(read))))
    call.settle(pack("<dBdBdd", 7, 1, NOW, 4, NOW, 7))
    assert first.answer.result() == Granted(NOW, ())
    assert heard == [(UnixMs(7), [first.answer.result(), second.answer.result()])]


async def test_who_no_longer_waits_disturbs_nobody() -> None:
    first, second = asked("a"), asked("b")
    first.answer.cancel()
    charging(sheet(first, second), (first, second), lambda *_: None).settle(pack("<dBdBd", 7, 1, NOW, 1, NOW))
    assert second.answer.result() == Granted(NOW, ())


async def test_what_no_script_of_ours_says_admits_nobody() -> None:
    one, other = asked("a"), asked("b")
    charging(sheet(one), (one,), lambda *_: None).settle(pack("<dB", 7, 1))
    charging(sheet(other), (other,), lambda *_: None).settle(RuntimeError("OOM"))
    assert one.answer.result() == NONSENSE
    assert other.answer.result() == Unavailable("redis: OOM")


async def test_what_is_given_back_is_waited_for_by_nobody() -> None:
    filled = Sheet(TAG, Spelling())
    filled.give_back(charge("a"), tokens=True)
    call = giving_back(filled)
    assert call.script is GIVE_BACK
    call.settle(b"")
    call.settle(RuntimeError())


async def test_a_tombstone_stands_only_if_the_server_says_so() -> None:
    stands: list[bool] = []
    for reply in (b"", RuntimeError("READONLY")):
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        call = burying(TAG, AccountId("acme"), b"12345678", NOW, done)
        call.settle(reply)
        call.settle(reply)
        stands.append(await done)
    assert stands == [True, False]
    keys = (b"guard:{0}epoch", b"guard:{0}a:acme")
    words = (b"", b"run", b"5", b"12345678", b"%d" % NOW)
    assert call.written(b"", b"run", UnixMs(5)) == command(b"EVALSHA", BURY.sha, 2, *keys, *words)


async def test_a_time_is_heard_and_what_is_none_is_not() -> None:
    heard: list[UnixMs] = []
    call = reading_clock(TAG, heard.append)
    call.settle(pack("<d", NOW))
    call.settle(b"noon")
    call.settle(RuntimeError())
    assert heard == [NOW]
