"""Bans: what is in force against a subject, since when, until when and why. Also its milder forms (see `Action`).

Whether one stops a message is `core/checks/bans.py`; how nodes hear of one is `state/directory.py`.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NewType

import msgspec

from guard.model.abuse import Action, Evidence, SubjectKind
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.rules import Mode, Rule

BanId = NewType("BanId", str)

EVERY_SERVICE: Final = ""


class Ban(msgspec.Struct, frozen=True, kw_only=True):
    """One subject, and what is done about it. There is one row for each (service, kind, name, mode).

    `name` is an address, a network, a key id or an account; `service` is EVERY_SERVICE where an operator said so.
    `rule` is the line of the policy whose ladder did it, None for an operator. `strikes` is how many bans
    it has had. `guests` are the keys that this node verified from the address lately. It is kept after it has ended.
    """

    id: BanId
    service: str
    kind: SubjectKind
    name: str
    action: Action
    rule: Rule | None = None
    delay_ms: int = 0
    percent: int = 100
    since: UnixMs
    until: UnixMs
    strikes: int = 0
    points: int = 0
    evidence: Evidence | None = None
    guests: tuple[KeyId, ...] = ()
    why: str = ""
    actor: str = ""
    lifted_at: UnixMs | None = None
    revision: int = 0

    @property
    def is_shadow(self) -> bool:
        """Whether it is only recorded."""
        return self.rule is not None and self.rule.mode is Mode.SHADOW

    def is_in_force(self, now: UnixMs) -> bool:
        """Neither over nor lifted."""
        return self.lifted_at is None and now < self.until

    def instead_of(self, before: "Ban | None") -> "Ban":
        """The same, ending no sooner than what it takes the place of, while that is in force."""
        if before is None or not before.is_in_force(self.since):
            return self
        return msgspec.structs.replace(self, until=max(self.until, before.until))


class Bans(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Those that may be in force, by subject. `networks` are the addresses' prefix lengths, of IPv4 and of IPv6.

    `may_slow` says whether any makes somebody wait.
    """

    addresses: Mapping[str, tuple[Ban, ...]] = {}
    v4_prefixes: tuple[int, ...] = ()
    v6_prefixes: tuple[int, ...] = ()
    keys: Mapping[str, tuple[Ban, ...]] = {}
    accounts: Mapping[str, tuple[Ban, ...]] = {}
    may_slow: bool = False

    def of_holder(self, key: KeyId, account: AccountId) -> tuple[Ban, ...]:
        """Those of this key, or of its account."""
        return (*self.keys.get(key, ()), *self.accounts.get(account, ()))


NO_BANS: Final = Bans()
"""Nobody is banned: what there is on almost every day, and is told by identity."""


def bans_of(known: Iterable[Ban]) -> Bans:
    """The view of those that are not lifted; NO_BANS if there is none. Time is asked when one is looked at."""
    named: dict[SubjectKind, dict[str, tuple[Ban, ...]]] = {kind: {} for kind in SubjectKind}
    slow = False
    for ban in known:
        if ban.lifted_at is None:  # knockout: ban_is_not_lifted
            alike = named[ban.kind]
            alike[ban.name] = (*alike.get(ban.name, ()), ban)
            slow = slow or ban.action is Action.SLOW
    if not any(named.values()):
        return NO_BANS
    addresses = named[SubjectKind.IP]
    return Bans(
        addresses=addresses,
        v4_prefixes=_prefixes(addresses, 32, v6=False),
        v6_prefixes=_prefixes(addresses, 128, v6=True),
        keys=named[SubjectKind.KEY],
        accounts=named[SubjectKind.ACCOUNT],
        may_slow=slow,
    )


def _prefixes(names: Iterable[str], whole: int, *, v6: bool) -> tuple[int, ...]:
    """The prefix lengths that occur, the longest first."""
    lengths = {int(name.partition("/")[2] or whole) for name in names if (":" in name) is v6}
    return tuple(sorted(lengths, reverse=True))
