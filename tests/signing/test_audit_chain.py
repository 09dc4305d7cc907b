import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.audit import Checkpoint
from guard.model.keys import Secret
from guard.signing.audit_chain import Broken, Whole, hash_of, verified
from guard.signing.audit_key import AuditKey
from guard.wire.audit_lines import checkpoint_line, document_of, record_line
from tests.signing.audit_trails import AT_MS, KEY, KEYS, checkpoint, records

CHAIN = records(5)
TRAIL = [*CHAIN, checkpoint(CHAIN, 3), checkpoint(CHAIN, 5)]


def fault(lines: list[bytes], keys: dict[str, bytes] | None = KEYS) -> tuple[int | None, str]:
    broken = verified(lines, keys)
    assert isinstance(broken, Broken)
    return broken.line, broken.fault


def signed(document: bytes, key: AuditKey = KEY) -> bytes:
    return checkpoint_line(document, key.signature(document))


def test_whole_trail_tells_what_was_read_and_how_far_it_is_vouched_for() -> None:
    whole = verified(TRAIL, KEYS)
    assert whole == Whole(records=5, hash=CHAIN[-1][9:73].decode(), checkpoints=2, last=whole_checkpoint(5))
    assert verified([*TRAIL[:-1], checkpoint(CHAIN, 1)], KEYS) == Whole(
        records=5, hash=CHAIN[-1][9:73].decode(), checkpoints=2, last=whole_checkpoint(3)
    )


def whole_checkpoint(count: int) -> Checkpoint:
    return Checkpoint(count=count, hash=CHAIN[count - 1][9:73].decode(), at_ms=AT_MS, key=KEY.id)


def test_empty_trail_is_whole() -> None:
    assert verified([], KEYS) == Whole(records=0, hash="0" * 64, checkpoints=0, last=None)


@given(st.integers(1, 3), st.data())
def test_any_changed_byte_of_any_line_is_found(count: int, data: st.DataObject) -> None:
    chain = records(count)
    lines = [*chain, checkpoint(chain, count)]
    line = data.draw(st.integers(0, count))
    at = data.draw(st.integers(0, len(lines[line]) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != lines[line][at]))
    lines[line] = lines[line][:at] + bytes([other]) + lines[line][at + 1 :]
    assert isinstance(verified(lines, KEYS), Broken)
    if line < count:
        assert isinstance(verified(lines[:-1], None), Broken), "a record that no checkpoint covers"


def test_every_byte_of_a_record_is_bound() -> None:
    for at in range(len(CHAIN[1])):
        changed = CHAIN[1][:at] + bytes([CHAIN[1][at] ^ 1]) + CHAIN[1][at + 1 :]
        line, _ = fault([CHAIN[0], changed, *CHAIN[2:]])
        assert line == 2


def test_changed_record_is_named() -> None:
    changed = CHAIN[1].replace(b"alice", b"mally")
    assert fault([CHAIN[0], changed, *CHAIN[2:]]) == (2, "record 2 was changed: its bytes do not have its hash")


def test_changed_record_with_a_new_hash_is_not_what_the_next_one_follows() -> None:
    document = CHAIN[1][84:-1].replace(b"alice", b"mally")
    changed = record_line(document, hash_of(document))
    found = fault([CHAIN[0], changed, *CHAIN[2:]])
    assert found == (3, "record 3 does not follow what stands before it: one of them was changed, or another put in")


def test_missing_record_is_named() -> None:
    assert fault([CHAIN[0], *CHAIN[2:]]) == (2, "record 2 is missing: after record 1 comes 3")
    assert fault(CHAIN[1:]) == (1, "record 1 is missing: after record 0 comes 2")


def test_record_that_stands_twice_or_elsewhere_is_named() -> None:
    assert fault([CHAIN[0], CHAIN[0]]) == (2, "record 1 stands where record 2 is due")


def test_cut_tail_shows_against_a_checkpoint() -> None:
    assert fault([*CHAIN[:4], checkpoint(CHAIN, 5)]) == (
        5,
        "the tail was cut off: 5 records were signed, and 4 are there",
    )


def test_trail_that_was_computed_anew_shows_against_a_checkpoint() -> None:
    rewritten = records(5, why="nothing to see")
    line, told = fault([*rewritten, checkpoint(CHAIN, 3)])
    assert (line, told) == (6, "record 3 is not the one that was signed: it, or one before it, was rewritten")


def test_checkpoint_of_a_key_that_is_not_known_proves_nothing() -> None:
    mallory = AuditKey(Secret(bytes(32)))
    line, told = fault([*CHAIN, checkpoint(CHAIN, 5, mallory)])
    assert (line, told) == (
        6,
        f"the checkpoint of 5 records names key {mallory.id}, which is none of those given",
    )


def test_signature_of_another_key_under_a_known_name_does_not_verify() -> None:
    mallory = AuditKey(Secret(bytes(32)))
    document = document_of(whole_checkpoint(5))
    line, told = fault([*CHAIN, signed(document, mallory)])
    assert (line, told) == (6, "the checkpoint of 5 records has a signature that does not verify")


def test_signatures_are_left_unread_without_keys_but_must_fit_all_the_same() -> None:
    mallory = AuditKey(Secret(bytes(32)))
    assert isinstance(verified([*CHAIN, checkpoint(CHAIN, 5, mallory)], None), Whole)
    assert fault([*CHAIN[:4], checkpoint(CHAIN, 5, mallory)], None)[0] == 5


def test_record_behind_a_checkpoint_is_refused() -> None:
    assert fault([*CHAIN[:3], checkpoint(CHAIN, 3), CHAIN[3]])[1] == "record 4 stands after a checkpoint"


@pytest.mark.parametrize("count", [0, -1])
def test_checkpoint_of_nothing_is_refused(count: int) -> None:
    document = document_of(Checkpoint(count=count, hash="0" * 64, at_ms=0, key=KEY.id))
    assert fault([*CHAIN, signed(document)]) == (6, "the checkpoint counts no record")


def test_unknown_formats_are_told_apart_from_changes() -> None:
    newer = CHAIN[0][84:-1].replace(b'"version":1', b'"version":2')
    assert fault([record_line(newer, hash_of(newer))])[1] == "record 1 has a format that this guard does not know"
    later = TRAIL[-1].split(b',"signature"')[0][14:].replace(b'"version":1', b'"version":2')
    assert fault([*CHAIN, signed(later)])[1] == "the checkpoint has a format that this guard does not know"
    assert fault([*CHAIN, signed(b"{}")])[1] == "the checkpoint has a format that this guard does not know"


def test_what_is_no_line_is_named_by_its_place() -> None:
    assert fault([*CHAIN, b""]) == (6, "the line is neither a record nor a checkpoint")
