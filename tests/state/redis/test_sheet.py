"""Questions as bytes, and answers as receipts. What a server makes of the bytes is the contract's (test_redis.py)."""

import struct
from struct import pack

import msgspec
import pytest

from guard.model.names import KeyId, UnixMs
from guard.model.policy import Slots
from guard.model.questions import BeforeEpoch, Charge, Granted, Replayed, Revoked, Short
from guard.state.redis import sheet as sheets
from guard.state.redis.sheet import UNUSABLE, Sheet, Spelling, receipts, spelled_out
from tests.contract.limit_store import NOW, charge, debit, from_address, limit, metered, once

TAG = b"{7}"


def written(*charges: Charge) -> Sheet:
    sheet = Sheet(TAG, Spelling())
    for each in charges:
        sheet.ask(each)
    return sheet


def test_an_account_has_one_value_and_each_message_its_claim_all_under_one_tag() -> None:
    sheet = written(charge("a", debit(), debit(bucket=("exchange", "account", "acme")), message=once()), charge("b"))
    assert sheet.keys == [b"guard:{7}epoch", b"guard:{7}a:acme", b"guard:{7}n:2:k18:guard-v1:nonce-1", b"guard:{7}c:b"]


def test_what_counts_addresses_is_kept_by_address() -> None:
    assert written(from_address("a")).keys == [b"guard:{7}epoch", b"guard:{7}c:a", b"guard:{7}v:2:ip9:192.0.2.1"]


def test_slots_have_their_leases_beside_the_value() -> None:
    keys = written(charge("a", debit(1, metered(Slots(2))))).keys
    assert keys[-1] == b"guard:{7}l:8:exchange3:key2:k1"


def test_no_two_tuples_are_spelled_alike() -> None:
    assert len({spelled_out(parts) for parts in (("a", "b"), ("ab",), ("a1:b",), ("", "ab"), ("a", "", "b"))}) == 5


def test_a_debit_is_spelled_anew_when_its_rule_cost_or_mode_changes() -> None:
    spelling, one = Spelling(), limit()
    first = spelling.debit(debit(1, one))
    assert spelling.debit(debit(1, one)) is first
    for other in (debit(2, one), debit(1, one, spare=1), debit(1, limit(capacity=11)), debit(1, one, vetoes=False)):
        assert spelling.debit(other).wire != first.wire


def test_what_is_remembered_of_spelling_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheets, "_REMEMBERED_MAX", 2)
    spelling = Spelling()
    for number in range(5):
        spelling.debit(debit(bucket=("exchange", f"{number}")))
        spelling.tomb(KeyId(f"k{number}"))
    assert len(spelling._debits) <= 2
    assert len(spelling._tombs) <= 2


def test_a_long_id_is_a_word_of_limited_length() -> None:
    long = written(charge("a" * 256))
    assert long.text != written(charge("a" * 257)).text
    assert len(long.text) < 255


def test_answers_are_read_in_the_order_of_the_questions() -> None:
    asked = [charge("a", debit(3)), charge("b", debit(8)), charge("c"), charge("d"), charge("e"), charge("f")]
    reading, now = pack("<Bdd", 1, 7_000, 1), float(NOW)
    answer = (
        pack("<d", 42)
        + (pack("<Bd", 1, now) + reading)
        + (pack("<Bd", 2, now) + reading)
        + pack("<Bdd", 3, now, 17)
        + pack("<Bdd", 4, now, 42)
        + pack("<Bd", 5, now)
        + pack("<Bd", 6, now)
    )
    epoch, [granted, short, *others] = receipts(asked, answer)
    assert epoch == 42
    assert isinstance(granted, Granted)
    assert isinstance(short, Short)
    assert [each.remaining for each in granted.readings + short.readings] == [7, 7]
    assert others == [Replayed(NOW, UnixMs(17)), BeforeEpoch(NOW, UnixMs(42)), Revoked(NOW), UNUSABLE]


def test_an_answer_that_ends_early_is_nonsense() -> None:
    with pytest.raises(struct.error):
        receipts([charge("a")], pack("<dB", 42, 1))


def test_numbers_of_the_largest_limits_are_exact_in_redis() -> None:
    """TOKENS_MAX x a day is the largest level, a day x a day the largest product (`lua/packed.lua`)."""
    largest = limit(capacity=10_000_000, refill_tokens=10_000_000, period_ms=86_400_000)
    wire, level = Spelling().debit(debit(10_000_000, largest)).wire, 864_000_000_000_000
    assert struct.unpack_from("<ddddd", wire, 10) == (level, 0, level, 10_000_000, 86_400_000)
    assert max(864_000_000_000_000, 86_400_000**2, 86_400_000 * 50_000_000) < 1 << 53


def test_what_is_given_back_names_the_same_keys_as_what_was_asked() -> None:
    spent = charge("a", debit(), message=once())
    back = Sheet(TAG, Spelling())
    back.give_back(spent, tokens=True)
    assert sorted(back.keys) == sorted(written(spent).keys)
    assert back.text != written(msgspec.structs.replace(spent, id="b")).text
