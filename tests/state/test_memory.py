"""What is true of the store in memory alone: its bounds, and what it forgets. The rest is its contract."""

from guard.model.names import UnixMs
from guard.model.questions import Granted, Replayed, Short, Unavailable
from guard.state.memory import MemoryLimits
from tests.contract.limit_store import BORN, NOW, WINDOW_MS, charge, debit, limit, once, remaining

FULL = Unavailable("memory full")


async def test_identities_are_forgotten_as_fast_as_new_ones_come() -> None:
    store = MemoryLimits(BORN)
    for number in range(2_000):
        now = NOW + number * 100
        message = once(b"%d" % number, signed_at=now, forget_after=now + 1_000)
        await store.charge(charge(f"c{number}", message=message, now=now))
    assert store.remembered[0] <= 1_000 // 100 + 2 * 1_024 // 100


async def test_buckets_are_forgotten_as_fast_as_new_ones_come() -> None:
    store = MemoryLimits(BORN)
    for number in range(2_000):
        asked = debit(bucket=("exchange", "ip", str(number)))
        await store.charge(charge(f"c{number}", asked, now=NOW + number * 100))
    assert store.remembered[1] <= 3 * 1_024 // 100 + 10


async def test_identity_that_is_used_again_outlives_its_first_expiry() -> None:
    store = MemoryLimits(BORN)
    await store.charge(charge("a", message=once(forget_after=NOW + 100)))
    later = once(forget_after=NOW + 60_000)
    assert isinstance(await store.charge(charge("b", now=NOW + 101, message=later)), Granted)
    await store.charge(charge("c", now=NOW + 10_000))
    assert isinstance(await store.charge(charge("d", now=NOW + 10_000, message=later)), Replayed)
    await store.charge(charge("e", now=NOW + 70_000))
    assert store.remembered[0] == 0


async def test_full_table_of_identities_fails_closed_and_takes_nothing() -> None:
    store = MemoryLimits(BORN, identities_max=2)
    await store.charge(charge("a", debit(), message=once(b"1")))
    await store.charge(charge("b", debit(), message=once(b"2")))
    assert await store.charge(charge("c", debit(), message=once(b"3"))) == FULL
    assert isinstance(await store.charge(charge("d", debit(), message=once(b"2"))), Replayed)
    assert remaining(await store.charge(charge("e", debit()))) == [7]


async def test_full_table_of_identities_opens_again_when_windows_end() -> None:
    store = MemoryLimits(BORN, identities_max=1)
    await store.charge(charge("a", message=once(b"1")))
    later = NOW + WINDOW_MS + 2_048
    assert isinstance(await store.charge(charge("b", now=later, message=once(b"2"))), Granted)


async def test_full_table_of_buckets_refuses_new_ones_and_serves_known_ones() -> None:
    store = MemoryLimits(BORN, meters_max=2)
    known, other, new = (debit(bucket=(name,)) for name in ("known", "other", "new"))
    await store.charge(charge("a", known, other))
    assert await store.charge(charge("b", known, new)) == FULL
    assert remaining(await store.charge(charge("c", known, other))) == [8, 8]
    assert store.remembered[1] == 2


async def test_full_store_remembers_no_message_that_it_refused() -> None:
    store = MemoryLimits(BORN, meters_max=1)
    await store.charge(charge("a", debit(bucket=("known",))))
    assert await store.charge(charge("b", debit(bucket=("new",)), message=once())) == FULL
    assert isinstance(await store.charge(charge("c", message=once())), Granted)


async def test_receipts_are_bounded_and_a_forgotten_one_is_refunded_no_more() -> None:
    store = MemoryLimits(BORN, receipts_max=1)
    spent = charge("a", debit(5))
    await store.charge(spent)
    await store.charge(charge("b", debit(bucket=("other",))))
    await store.refund(spent)
    assert remaining(await store.charge(charge("c", debit(1)))) == [4]


async def test_asking_again_after_the_receipt_is_forgotten_is_a_replay() -> None:
    store = MemoryLimits(BORN, receipts_max=1)
    question = charge("a", debit(), message=once())
    await store.charge(question)
    await store.charge(charge("b"))
    assert isinstance(await store.charge(question), Replayed)


async def test_refunds_are_forgotten_with_their_receipts() -> None:
    store = MemoryLimits(BORN, receipts_max=1)
    spent = charge("a", debit(2))
    await store.charge(spent)
    await store.refund(spent)
    await store.charge(charge("b"))
    await store.charge(spent)
    await store.refund(spent)
    assert remaining(await store.charge(charge("c", debit(1)))) == [9]


async def test_receipt_replaced_under_one_id_is_kept_once() -> None:
    store = MemoryLimits(BORN, receipts_max=2)
    for nonce in (b"1", b"2", b"3"):
        await store.charge(charge("a", message=once(nonce)))
    spent = charge("b", debit(4))
    await store.charge(spent)
    await store.refund(spent)
    assert remaining(await store.charge(charge("c", debit(1)))) == [9]


async def test_first_start_of_all_may_grant_full_bursts() -> None:
    store = MemoryLimits(BORN, filled_since=UnixMs(0))
    assert isinstance(await store.charge(charge("a", debit(10), now=BORN)), Granted)
    assert isinstance(await MemoryLimits(BORN).charge(charge("a", debit(10, limit()), now=BORN)), Short)
