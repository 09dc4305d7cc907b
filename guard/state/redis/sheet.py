"""What is asked of one server in one call: charges as bytes, and its answer as receipts. Pure: no socket, no clock.

The form is that of `lua/charge.lua` and `lua/give_back.lua`. A charge's keys are its claim (what it may be asked once),
and the value of each subject whose meters it takes from: the account's for what counts keys and accounts, else that of
the address, route or service that a meter belongs to. All keys of a sheet carry one hash tag, that of its partition.
"""

import hashlib
from collections.abc import Sequence
from struct import Struct
from typing import Final

import msgspec

from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.policy import Bucket, Calendar, Slots
from guard.model.questions import (
    BeforeEpoch,
    BucketKey,
    Charge,
    Debit,
    Granted,
    Receipt,
    Replayed,
    Revoked,
    Short,
    Unavailable,
)
from guard.state.redis.readings import readings

_ONCE, _BURNS, _REPEATABLE, _KEYED, _REPAID = 1, 2, 4, 8, 16
_BUCKET, _QUOTA, _SLOTS = 1, 2, 3
_GRANTED, _SHORT, _REPLAYED, _BEFORE_EPOCH, _REVOKED = 1, 2, 3, 4, 5
_ASKED = Struct("<HHBB8sddd")
_GIVEN_BACK = Struct("<HBB")
_DEBIT = Struct("<BB8sddddd")
_ANSWER = Struct("<Bd")
_TIME = Struct("<d")
_TOLD = tuple(Struct("<" + "Bdd" * count) for count in range(256))
_INDEX = tuple(index.to_bytes(2, "little") for index in range(1 << 15))
_NOBODY = bytes(8)
_WORD_MAX = 255
_REMEMBERED_MAX = 100_000

UNUSABLE: Final = Unavailable("redis: a key holds what guard did not write")
NONSENSE: Final = Unavailable("redis: an answer that guard cannot read")


class Spelled(msgspec.Struct, frozen=True):
    """A debit as bytes, whose value it counts in where that is not the account's, whose leases are its (if any), and
    which of the value's meters it is.
    """

    debit: Debit
    subject: bytes
    leases: bytes
    meter: bytes
    wire: bytes


class Spelling:
    """How meters and keys are written, remembered: the same few thousand are asked for again and again."""

    __slots__ = ("_debits", "_tombs")

    def __init__(self) -> None:
        self._debits: dict[BucketKey, Spelled] = {}
        self._tombs: dict[KeyId, bytes] = {}

    def debit(self, debit: Debit) -> Spelled:
        """The debit as bytes."""
        known = self._debits.get(debit.bucket)
        if known is not None:
            same = known.debit
            if same.limit is debit.limit and same.vetoes is debit.vetoes:
                if same.cost == debit.cost and same.spare == debit.spare:
                    return known
                wire = _wire(debit, known.meter)  # what computed costs and reserves change, again and again
                return Spelled(debit, known.subject, known.leases, known.meter, wire)
        if len(self._debits) >= _REMEMBERED_MAX:
            self._debits.clear()
        known = self._debits[debit.bucket] = _spelled(debit)
        return known

    def tomb(self, key_id: KeyId) -> bytes:
        """The id of a key's tombstone."""
        tomb = self._tombs.get(key_id)
        if tomb is None:
            if len(self._tombs) >= _REMEMBERED_MAX:
                self._tombs.clear()
            tomb = self._tombs[key_id] = digest(("tombstone", key_id))
        return tomb


class Sheet:
    """Questions of one kind for one partition, whose hash tag is `tag`, and the keys that they name."""

    __slots__ = ("_keys", "_parts", "_spelling", "_tag", "charges")

    def __init__(self, tag: bytes, spelling: Spelling) -> None:
        self._tag = tag
        self._spelling = spelling
        self._keys: dict[bytes, int] = {epoch_key(tag): 1}
        self._parts: list[bytes] = []
        self.charges: list[Charge] = []

    @property
    def keys(self) -> list[bytes]:
        """Every key that the call may read or write, in the order in which it counts them."""
        return list(self._keys)

    @property
    def text(self) -> bytes:
        """The questions."""
        return b"".join(self._parts)

    def ask(self, charge: Charge, *, repaid: bool = False) -> None:
        """Ask and spend. One that is `repaid` was granted elsewhere: it takes what there is, and is not refused."""
        once, account, debits = charge.once, charge.account, charge.debits
        flags, latest, last, tomb = _REPAID if repaid else 0, 0, 0, _NOBODY
        if once is not None:
            flags |= _ONCE | (_BURNS if once.burns else 0) | (_REPEATABLE if once.repeatable else 0)
            latest, last = once.signed_at - once.future_ms, once.forget_after
        if charge.key_id is not None and account is not None:
            flags |= _KEYED
            tomb = self._spelling.tomb(charge.key_id)
        home = 0 if account is None else self._index(account_key(self._tag, account))
        claim = self._index(_claim_key(self._tag, charge))
        parts = self._parts
        parts.append(_ASKED.pack(claim, home, flags, len(debits), tomb, latest, last, charge.hold_ms))
        parts.append(_word(charge.id.encode()))
        if once is not None and once.repeatable:
            parts.append(_word(once.binding))
        if debits:
            self._debits(debits, home)
        self.charges.append(charge)

    def give_back(self, charge: Charge, *, tokens: bool) -> None:
        """End the charge's leases; if `tokens` is set, give back as well what it took, if it was granted."""
        home = 0 if charge.account is None else self._index(account_key(self._tag, charge.account))
        claim = self._index(_claim_key(self._tag, charge))
        self._parts.append(_GIVEN_BACK.pack(claim, tokens, len(charge.debits)))
        self._parts.append(_word(charge.id.encode()))
        self._debits(charge.debits, home)
        self.charges.append(charge)

    def _debits(self, debits: tuple[Debit, ...], home: int) -> None:
        for debit in debits:
            spelled = self._spelling.debit(debit)
            own = not home or not debit.limit.of_account
            index = self._index(b"guard:%bv:%b" % (self._tag, spelled.subject)) if own else home
            leases = self._index(b"guard:%bl:%b" % (self._tag, spelled.leases)) if spelled.leases else 0
            self._parts += (_INDEX[index], _INDEX[leases], spelled.wire)

    def _index(self, key: bytes) -> int:
        keys = self._keys
        index = keys.get(key)
        if index is None:
            index = keys[key] = len(keys) + 1
        return index


def receipts(charges: Sequence[Charge], answer: bytes) -> tuple[UnixMs, list[Receipt]]:
    """The epoch, and what was answered to each charge. Raises struct.error for what no script of ours says."""
    (epoch,) = _TIME.unpack_from(answer)
    at = 8
    read: list[Receipt] = []
    for charge in charges:
        status, moment = _ANSWER.unpack_from(answer, at)
        now, at = UnixMs(int(moment)), at + 9
        if status <= _SHORT:
            told = _TOLD[len(charge.debits)]
            granted = status == _GRANTED
            found = readings(charge, now, told.unpack_from(answer, at), granted=granted)
            at += told.size
            read.append(Granted(now, found) if granted else Short(now, found))
        elif status <= _BEFORE_EPOCH:
            (other,) = _TIME.unpack_from(answer, at)
            at += 8
            read.append((Replayed if status == _REPLAYED else BeforeEpoch)(now, UnixMs(int(other))))
        else:
            read.append(Revoked(now) if status == _REVOKED else UNUSABLE)
    return UnixMs(int(epoch)), read


def epoch_key(tag: bytes) -> bytes:
    """When the memory of a partition begins."""
    return b"guard:%bepoch" % tag


def account_key(tag: bytes, account: AccountId) -> bytes:
    """Everything packed that belongs to an account."""
    return b"guard:%ba:%b" % (tag, account.encode())


def subject_of(debit: Debit) -> BucketKey:
    """Whose meter it is, where it is not an account's: the dimensions of the limit, without its name."""
    return debit.bucket[2:] or debit.bucket


def digest(parts: tuple[str, ...]) -> bytes:
    """Eight bytes that stand for a tuple, part by part."""
    return hashlib.blake2b(spelled_out(parts), digest_size=8).digest()


def spelled_out(parts: tuple[str, ...]) -> bytes:
    """A tuple as bytes that no other tuple has."""
    return b"".join([b"%d:%b" % (len(part), part) for part in map(str.encode, parts)])


def _spelled(debit: Debit) -> Spelled:
    bucket = debit.bucket
    leases = spelled_out(bucket) if isinstance(debit.limit.meter, Slots) else b""
    meter = digest(bucket)
    return Spelled(debit, spelled_out(subject_of(debit)), leases, meter, _wire(debit, meter))


def _wire(debit: Debit, name: bytes) -> bytes:
    meter, cost, spare = debit.limit.meter, debit.cost, debit.spare
    match meter:
        case Bucket():
            period = meter.period_ms
            numbers = _BUCKET, cost * period, spare * period, meter.capacity * period, meter.refill_tokens, period
        case Calendar():
            numbers = _QUOTA, cost, spare, meter.tokens, 0, -meter.period_ms
        case Slots():
            numbers = _SLOTS, 0, spare, meter.count, 0, 0
    kind, *amounts = numbers
    return _DEBIT.pack(debit.vetoes, kind, name, *amounts)


def _claim_key(tag: bytes, charge: Charge) -> bytes:
    once = charge.once
    if once is None:
        return b"guard:%bc:%b" % (tag, charge.id.encode())
    key_id, scheme, nonce = once.identity
    return b"guard:%bn:%b:%b" % (tag, spelled_out((key_id, scheme)), nonce)


def _word(text: bytes) -> bytes:
    if len(text) > _WORD_MAX:
        text = hashlib.blake2b(text).digest()
    return len(text).to_bytes(1, "little") + text
