"""What every LimitStore must hold, whatever it is made of. A store's test file adds one thing: how to open it.

Here are nonces, token buckets and what is true of every charge; `calendar_quota.py` and `slots.py` beside it hold the
other meters. Times are numbers: a store that reads a clock of its own is given one that says
what the charge says.
"""

from abc import ABC, abstractmethod
from asyncio import Future

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.policy import Bucket, Limit, Meter
from guard.model.questions import (
    BeforeEpoch,
    BucketKey,
    Charge,
    Debit,
    Granted,
    Once,
    Reading,
    Receipt,
    Replayed,
    Revoked,
    Short,
)
from guard.state.protocols import LimitStore
from tests.build import rule

BORN = UnixMs(1_800_000_000_000)
NOW = UnixMs(BORN + 10_000_000)
WINDOW_MS = 5000


def limit(capacity: int = 10, refill_tokens: int = 1, period_ms: int = 1000, name: str = "key") -> Limit:
    return metered(Bucket(capacity, refill_tokens, period_ms), name)


def metered(meter: Meter, name: str = "key") -> Limit:
    return Limit(name=name, rule=rule(), meter=meter, per=("key",))


def debit(
    cost: int = 1,
    of: Limit | None = None,
    bucket: BucketKey = ("exchange", "key", "k1"),
    *,
    vetoes: bool = True,
    spare: int = 0,
) -> Debit:
    return Debit(bucket, of or limit(), cost, vetoes, spare)


def once(
    nonce: bytes = b"nonce-1",
    *,
    key: str = "k1",
    scheme: str = "guard-v1",
    binding: bytes = b"POST /v1/orders",
    repeatable: bool = False,
    burns: bool = False,
    signed_at: int = NOW,
    future_ms: int = 1000,
    forget_after: int = NOW + WINDOW_MS,
) -> Once:
    return Once(
        identity=(key, scheme, nonce),
        binding=binding,
        repeatable=repeatable,
        burns=burns,
        signed_at=UnixMs(signed_at),
        future_ms=future_ms,
        forget_after=UnixMs(forget_after),
    )


def charge(
    name: str,
    *debits: Debit,
    now: int = NOW,
    message: Once | None = None,
    hold_ms: int = 0,
    account: str | None = "acme",
    key_id: str | None = "k1",
) -> Charge:
    return Charge(
        id=name,
        now=UnixMs(now),
        once=message,
        debits=debits,
        hold_ms=hold_ms,
        account=None if account is None else AccountId(account),
        key_id=None if key_id is None else KeyId(key_id),
    )


def by_address(capacity: int = 10, name: str = "ip") -> Limit:
    return Limit(name=name, rule=rule(), meter=Bucket(capacity, 1, 1000), per=("ip",))


def from_address(name: str, cost: int = 1, *, address: str = "192.0.2.1", now: int = NOW) -> Charge:
    """What is asked before anybody is known."""
    asked = debit(cost, by_address(), ("exchange", "ip", "ip", address))
    return charge(name, asked, now=now, account=None, key_id=None)


def readings(receipt: Receipt) -> tuple[Reading, ...]:
    assert isinstance(receipt, Granted | Short), receipt
    return receipt.readings


def remaining(receipt: Receipt) -> list[int]:
    return [reading.remaining for reading in readings(receipt)]


class Suite(ABC):
    """Tests of one store."""

    @abstractmethod
    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        """An empty store."""


class LimitStoreContract(Suite):
    """Every test opens a store that was born at BORN; at NOW, its buckets have had time to be full."""

    async def test_epoch_is_told(self) -> None:
        assert (await self.open()).born_at == BORN

    # buckets

    async def test_granted_charge_takes_its_cost(self) -> None:
        store = await self.open()
        assert await store.charge(charge("a", debit(3))) == Granted(
            NOW, (Reading(limit(), 7, 0, 1000, short=False, cost=3),)
        )

    async def test_full_bucket_is_spent_to_the_last_token_and_no_further(self) -> None:
        store = await self.open()
        answers = [await store.charge(charge(f"c{number}", debit())) for number in range(11)]
        assert [type(answer) for answer in answers] == [Granted] * 10 + [Short]

    async def test_short_charge_takes_nothing_and_tells_the_exact_wait(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(8)))
        short = await store.charge(charge("b", debit(4), now=NOW + 300))
        assert short == Short(UnixMs(NOW + 300), (Reading(limit(), 2, 1700, 700, short=True, cost=4),))
        assert remaining(await store.charge(charge("c", debit(2), now=NOW + 300))) == [0]

    async def test_waiting_as_long_as_told_is_enough_and_a_millisecond_less_is_not(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10)))
        assert isinstance(await store.charge(charge("b", debit(2), now=NOW + 1999)), Short)
        assert isinstance(await store.charge(charge("c", debit(2), now=NOW + 2000)), Granted)

    async def test_cost_above_capacity_never_fits_and_says_so(self) -> None:
        store = await self.open()
        assert readings(await store.charge(charge("a", debit(11))))[0].wait_ms is None

    async def test_all_or_nothing_over_several_buckets(self) -> None:
        store = await self.open()
        empty = debit(1, limit(capacity=1, name="account"), ("exchange", "account", "a1"))
        await store.charge(charge("a", empty))
        other = debit(4)
        assert [each.short for each in readings(await store.charge(charge("b", other, empty)))] == [False, True]
        assert [each.short for each in readings(await store.charge(charge("c", empty, other)))] == [True, False]
        assert remaining(await store.charge(charge("d", other))) == [6]

    async def test_thousand_charges_in_one_millisecond_count_thousand(self) -> None:
        store = await self.open()
        large = limit(capacity=1000)
        for number in range(1000):
            assert isinstance(await store.charge(charge(f"c{number}", debit(1, large))), Granted)
        assert isinstance(await store.charge(charge("one more", debit(1, large))), Short)

    async def test_bucket_keys_are_compared_part_by_part(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10, bucket=("exchange", "key", "a|b", "c"))))
        for number, bucket in enumerate((("exchange", "key", "a", "b|c"), ("exchange", "key", "a|b|c"), ("exchange",))):
            assert remaining(await store.charge(charge(f"b{number}", debit(1, bucket=bucket)))) == [9]

    async def test_one_bucket_twice_in_a_charge_pays_twice(self) -> None:
        store = await self.open()
        assert remaining(await store.charge(charge("a", debit(4), debit(4))))[-1] == 2
        short = await store.charge(charge("b", debit(2), debit(1)))
        assert [each.short for each in readings(short)] == [False, True]
        assert remaining(await store.charge(charge("c", debit(2)))) == [0]

    async def test_time_that_goes_backwards_gives_nothing_and_is_not_punished_twice(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10)))
        early = await store.charge(charge("b", debit(), now=NOW - 60_000))
        assert isinstance(early, Short)
        assert early.now == NOW
        assert isinstance(await store.charge(charge("c", debit(), now=NOW + 999)), Short)
        assert isinstance(await store.charge(charge("d", debit(), now=NOW + 1000)), Granted)

    async def test_bucket_nobody_remembers_holds_what_refill_since_the_epoch_allows(self) -> None:
        store = await self.open()
        assert isinstance(await store.charge(charge("a", debit(4), now=BORN + 3999)), Short)
        assert remaining(await store.charge(charge("b", debit(4), now=BORN + 4000))) == [0]

    async def test_bucket_keeps_its_tokens_when_its_rate_and_period_change(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(6)))
        assert remaining(await store.charge(charge("b", debit(1, limit(period_ms=60_000))))) == [3]
        assert remaining(await store.charge(charge("c", debit(1, limit(period_ms=10))))) == [2]

    async def test_lowered_capacity_counts_at_once(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(1)))
        assert remaining(await store.charge(charge("b", debit(1, limit(capacity=3))))) == [2]

    async def test_time_before_a_raised_rate_refills_no_faster_than_the_old_one(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10)))
        fast = limit(refill_tokens=5)
        assert remaining(await store.charge(charge("b", debit(1, fast), now=NOW + 2000))) == [1]
        assert remaining(await store.charge(charge("c", debit(1, fast), now=NOW + 3000))) == [5]

    async def test_time_before_a_lowered_rate_refills_no_faster_than_the_new_one(self) -> None:
        store = await self.open()
        fast = limit(refill_tokens=5)
        await store.charge(charge("a", debit(10, fast)))
        assert remaining(await store.charge(charge("b", debit(1), now=NOW + 1000))) == [0]

    # shadow limits

    async def test_shadow_debit_is_taken_if_it_fits(self) -> None:
        store = await self.open()
        shadow = debit(4, vetoes=False)
        reading = Reading(limit(), 6, 0, 1000, short=False, cost=4, vetoes=False)
        assert await store.charge(charge("a", shadow)) == Granted(NOW, (reading,))

    async def test_shadow_debit_that_does_not_fit_never_vetoes_and_takes_nothing(self) -> None:
        store = await self.open()
        shadow = debit(6, vetoes=False)
        await store.charge(charge("a", shadow))
        over = await store.charge(charge("b", shadow, debit(1, bucket=("other",))))
        assert isinstance(over, Granted)
        assert over.readings[0] == Reading(limit(), 4, 2000, 1000, short=True, cost=6, vetoes=False)
        assert remaining(await store.charge(charge("c", debit(4)))) == [0]

    async def test_shadow_debit_is_not_taken_when_another_limit_refuses(self) -> None:
        store = await self.open()
        shadow, impossible = debit(4, vetoes=False), debit(11, bucket=("other",))
        assert isinstance(await store.charge(charge("a", shadow, impossible)), Short)
        assert remaining(await store.charge(charge("b", debit(1)))) == [9]

    async def test_shadow_debit_of_the_same_bucket_leaves_the_vetoing_one_its_room(self) -> None:
        store = await self.open()
        assert isinstance(await store.charge(charge("a", debit(8, vetoes=False), debit(8))), Granted)

    # freshness

    async def test_replay_is_refused_and_takes_nothing(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(), message=once()))
        assert await store.charge(charge("b", debit(), now=NOW + 7, message=once())) == Replayed(UnixMs(NOW + 7), NOW)
        assert remaining(await store.charge(charge("c", debit(), now=NOW + 7))) == [8]

    async def test_identity_is_key_and_scheme_and_nonce_part_by_part(self) -> None:
        store = await self.open()
        await store.charge(charge("a", message=once(b"c", key="a|b", scheme="s")))
        for number, message in enumerate(
            (once(b"c", key="a", scheme="b|s"), once(b"d", key="a|b", scheme="s"), once(b"c", key="a|b", scheme="t"))
        ):
            assert isinstance(await store.charge(charge(f"b{number}", message=message)), Granted)

    async def test_identity_is_remembered_to_the_end_of_its_window_inclusive(self) -> None:
        store = await self.open()
        await store.charge(charge("a", message=once()))
        end = NOW + WINDOW_MS
        assert isinstance(await store.charge(charge("b", now=end, message=once())), Replayed)
        later = once(forget_after=end + 1 + WINDOW_MS)
        assert isinstance(await store.charge(charge("c", now=end + 1, message=later)), Granted)
        assert isinstance(await store.charge(charge("d", now=end + 1 + WINDOW_MS, message=later)), Replayed)

    async def test_other_message_under_a_seen_identity_is_a_replay(self) -> None:
        store = await self.open()
        await store.charge(charge("a", message=once(binding=b"GET /v1/account", repeatable=True)))
        other = once(binding=b"DELETE /v1/orders/1", repeatable=True)
        assert isinstance(await store.charge(charge("b", message=other)), Replayed)

    async def test_repeatable_message_may_repeat_and_pays_each_time(self) -> None:
        store = await self.open()
        message = once(repeatable=True)
        await store.charge(charge("a", debit(), message=message))
        assert remaining(await store.charge(charge("b", debit(), message=message))) == [8]

    async def test_repeat_needs_both_the_first_and_the_second_to_be_repeatable(self) -> None:
        store = await self.open()
        await store.charge(charge("a", message=once(b"first", repeatable=False)))
        await store.charge(charge("b", message=once(b"second", repeatable=True)))
        assert isinstance(await store.charge(charge("c", message=once(b"first", repeatable=True))), Replayed)
        assert isinstance(await store.charge(charge("d", message=once(b"second", repeatable=False))), Replayed)

    async def test_short_message_that_does_not_burn_may_be_sent_again(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10)))
        assert isinstance(await store.charge(charge("b", debit(), message=once())), Short)
        assert isinstance(await store.charge(charge("c", debit(), now=NOW + 1000, message=once())), Granted)

    async def test_short_message_that_burns_is_never_executed_later(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10)))
        assert isinstance(await store.charge(charge("b", debit(), message=once(burns=True))), Short)
        again = await store.charge(charge("c", debit(), now=NOW + 1000, message=once(burns=True)))
        assert again == Replayed(UnixMs(NOW + 1000), NOW)

    async def test_granted_message_is_remembered_even_if_it_does_not_burn(self) -> None:
        store = await self.open()
        await store.charge(charge("a", message=once(burns=False)))
        assert isinstance(await store.charge(charge("b", message=once(burns=False))), Replayed)

    async def test_what_was_signed_before_the_epoch_is_not_judged_and_takes_nothing(self) -> None:
        store = await self.open()
        early = once(signed_at=BORN + 1000)
        assert await store.charge(charge("a", debit(), message=early)) == BeforeEpoch(NOW, BORN)
        assert isinstance(await store.charge(charge("b", message=once(signed_at=BORN + 1001))), Granted)
        assert remaining(await store.charge(charge("c", debit()))) == [9]

    # addresses, and other meters that belong to no account

    async def test_address_has_a_bucket_of_its_own(self) -> None:
        store = await self.open()
        assert remaining(await store.charge(from_address("a", 4))) == [6]
        assert remaining(await store.charge(from_address("b", 1, address="192.0.2.2"))) == [9]
        assert isinstance(await store.charge(from_address("c", 7)), Short)
        assert isinstance(await store.charge(from_address("d", 7, now=NOW + 1000)), Granted)

    async def test_meters_of_an_account_and_of_nobody_are_asked_in_one_question(self) -> None:
        store = await self.open()
        route = debit(2, by_address(3, "route"), ("exchange", "route", "route", "POST /v1/orders"))
        assert remaining(await store.charge(charge("a", debit(4), route))) == [6, 1]
        short = await store.charge(charge("b", debit(4), route))
        assert [each.short for each in readings(short)] == [False, True]
        assert remaining(await store.charge(charge("c", debit(6)))) == [0]

    async def test_asking_without_waiting_is_the_same_question(self) -> None:
        store = await self.open()
        answers = [store.ask(from_address(f"c{number}", 4)) for number in range(3)]
        told = [await answer if isinstance(answer, Future) else answer for answer in answers]
        assert [type(answer) for answer in told] == [Granted, Granted, Short]
        again = store.ask(from_address("d", 4, now=NOW + 2000))
        assert isinstance(await again if isinstance(again, Future) else again, Granted)

    # tombstones

    async def test_buried_key_is_revoked_to_the_end_and_takes_nothing(self) -> None:
        store = await self.open()
        assert await store.bury(AccountId("acme"), KeyId("k1"), UnixMs(NOW + 1000))
        for now in (NOW, NOW + 999):
            assert await store.charge(charge("a", debit(), now=now, message=once())) == Revoked(UnixMs(now))
        answer = await store.charge(charge("b", debit(), now=NOW + 1000, message=once()))
        assert remaining(answer) == [9]

    async def test_key_that_was_used_before_is_buried_all_the_same(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(4)))
        await store.bury(AccountId("acme"), KeyId("k1"), UnixMs(NOW + 1000))
        assert await store.charge(charge("a", debit(4))) == Revoked(NOW)
        assert await store.charge(charge("b")) == Revoked(NOW)
        assert remaining(await store.charge(charge("c", debit(), key_id="k2"))) == [5]

    async def test_tombstone_is_of_one_key_of_one_account(self) -> None:
        store = await self.open()
        await store.bury(AccountId("acme"), KeyId("k1"), UnixMs(NOW + 1000))
        assert isinstance(await store.charge(charge("a", debit(), key_id="k2")), Granted)
        assert isinstance(await store.charge(charge("b", debit(), account="other")), Granted)

    async def test_later_end_of_a_tombstone_stands(self) -> None:
        store = await self.open()
        for until in (NOW + 1000, NOW + 2000, NOW + 500):
            await store.bury(AccountId("acme"), KeyId("k1"), UnixMs(until))
        assert await store.charge(charge("a", now=NOW + 1999)) == Revoked(UnixMs(NOW + 1999))
        assert isinstance(await store.charge(charge("b", now=NOW + 2000)), Granted)

    # asking again, and giving back

    async def test_asking_again_returns_the_same_receipt_and_takes_nothing(self) -> None:
        store = await self.open()
        question = charge("a", debit(3), message=once())
        first = await store.charge(question)
        assert await store.charge(question) == first
        assert remaining(await store.charge(charge("b", debit()))) == [6]

    async def test_asking_again_without_an_identity_takes_nothing(self) -> None:
        store = await self.open()
        first = await store.charge(charge("a", debit(3)))
        assert await store.charge(charge("a", debit(3), now=NOW + 500)) == first
        assert remaining(await store.charge(charge("b", debit()))) == [6]

    async def test_asking_again_after_a_no_gives_the_same_no(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10)))
        short = await store.charge(charge("b", debit(), message=once()))
        assert await store.charge(charge("b", debit(), now=NOW + 5000, message=once())) == short

    async def test_another_message_under_a_known_charge_id_gets_no_receipt_of_the_first(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(10), message=once(b"first")))
        assert isinstance(await store.charge(charge("a", debit(10), message=once(b"second"))), Short)

    async def test_refund_gives_back_at_most_once(self) -> None:
        store = await self.open()
        spent = charge("a", debit(5))
        await store.charge(spent)
        await store.charge(charge("b", debit(5)))
        await store.refund(spent)
        await store.refund(spent)
        assert remaining(await store.charge(charge("c", debit(1)))) == [4]

    async def test_refund_never_fills_above_capacity(self) -> None:
        store = await self.open()
        spent = charge("a", debit(5))
        await store.charge(spent)
        await store.charge(charge("b", debit(1), now=NOW + 4000))
        await store.refund(spent)
        assert remaining(await store.charge(charge("c", debit(1), now=NOW + 4000))) == [9]

    async def test_refund_of_a_charge_that_was_not_granted_gives_nothing(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(6)))
        short = charge("b", debit(5))
        await store.charge(short)
        await store.refund(short)
        await store.refund(charge("never asked", debit(5)))
        assert remaining(await store.charge(charge("c", debit(1)))) == [3]

    async def test_refund_of_a_short_charge_gives_nothing_to_the_buckets_that_had_room(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(6)))
        short = charge("b", debit(2), debit(11, bucket=("other",)))
        await store.charge(short)
        await store.refund(short)
        assert remaining(await store.charge(charge("c", debit(1)))) == [3]

    async def test_refund_of_a_shadow_debit_that_was_not_taken_gives_nothing(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(6)))
        over = charge("b", debit(5, vetoes=False))
        await store.charge(over)
        await store.refund(over)
        assert remaining(await store.charge(charge("c", debit(1)))) == [3]

    async def test_refunded_message_stays_seen(self) -> None:
        store = await self.open()
        spent = charge("a", debit(), message=once())
        await store.charge(spent)
        await store.refund(spent)
        assert isinstance(await store.charge(charge("b", debit(), message=once())), Replayed)

    async def test_refund_under_a_known_charge_id_with_another_identity_gives_nothing(self) -> None:
        store = await self.open()
        await store.charge(charge("a", debit(5), message=once(b"first")))
        await store.refund(charge("a", debit(5), message=once(b"second")))
        assert remaining(await store.charge(charge("b", debit(1)))) == [4]
