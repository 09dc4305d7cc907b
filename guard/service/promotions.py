"""The watch after a promotion: a rule that a reload has made earnest, and that denies more active keys than its policy
allows, is to go back to shadow. It tells which; who puts it back is `app/promotions.py`.

Only proof counts. A key is active when a message was proved to be its holder's, and denied when such a message was. A
limit of addresses and `client_ip` deny before anybody knows a key: then the keys count that were proved from that
address lately, and no others; so nobody brings a rule down by sending rubbish from elsewhere. Nor can one holder with
his own keys: it takes several accounts. A process judges what it sees itself, and all is bounded.
"""

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from guard.core.stages import Allow
from guard.model.decision import Deny
from guard.model.keys import KeyRecord
from guard.model.names import AccountId, KeyId, UnixMs
from guard.model.policy import PolicySet, Service
from guard.policy.rule_modes import ABUSE, has_shadow, is_enforced, promoted
from guard.service.judge import Judgement
from guard.service.sightings import holder_of
from guard.wire.client_address import subject

WATCH_MS: Final = 15 * 60_000
"""How long a rule is watched after its promotion; and how long a key that was proved is remembered, at least."""

KEYS_LEAST: Final = 20
"""Of fewer active keys no share is drawn."""

ACCOUNTS_LEAST: Final = 3
"""Fewer accounts than that may well be those that the rule is there for."""

KEYS_MAX: Final = 10_000
"""So many keys of a service are told apart."""

_PER_ADDRESS_MAX: Final = 64


class Holder(msgspec.Struct, frozen=True, gc=False):
    """From where a key was proved, and whose it is. `first` is the key that it follows from by rotation.

    `address` is what a limit by address counts.
    """

    address: str
    first: KeyId
    account: AccountId


class Trial(msgspec.Struct, kw_only=True, eq=False):
    """One rule that is watched until `until`, and which keys were there, and which of them it has denied something."""

    service: str
    rule: str
    percent: int
    until: UnixMs
    active: set[KeyId] = msgspec.field(default_factory=set)
    denied: set[KeyId] = msgspec.field(default_factory=set)
    accounts: set[AccountId] = msgspec.field(default_factory=set)

    @property
    def is_excessive(self) -> bool:
        """Whether it has denied more than it may."""
        if len(self.active) < KEYS_LEAST:  # knockout: few_keys_tell_nothing
            return False
        if len(self.accounts) < ACCOUNTS_LEAST:  # knockout: few_accounts_tell_nothing
            return False
        return len(self.denied) * 100 > self.percent * len(self.active)

    def count(self, holder: Holder, *, denied: bool) -> None:
        """This key was there, and was denied something by the rule or not."""
        if holder.first not in self.active:
            if len(self.active) >= KEYS_MAX:  # knockout: keys_watched_max
                return
            self.active.add(holder.first)
        if denied:
            self.denied.add(holder.first)
            self.accounts.add(holder.account)


class _Place(msgspec.Struct, eq=False):
    """One service that has rules in shadow, or just promoted. `seen` are the keys that were proved lately, `at` the
    same by address, and `at_before` in the time before.
    """

    trials: list[Trial]
    seen: dict[KeyId, Holder] = {}
    at: dict[str, dict[KeyId, Holder]] = {}
    at_before: dict[str, dict[KeyId, Holder]] = {}

    def note(self, record: KeyRecord, address: str) -> Holder:
        """This key was proved from there, where it was not seen last."""
        known = self.seen.get(record.id)
        holder = Holder(address, record.lineage, record.account)
        if known is not None:
            left = self.at[known.address]
            del left[record.id]
            if not left:  # knockout: nobody_is_there_any_more
                del self.at[known.address]
        elif len(self.seen) >= KEYS_MAX:  # knockout: keys_seen_max
            return holder
        self.seen[record.id] = holder
        self.at.setdefault(address, {})[record.id] = holder
        return holder

    def turn(self) -> None:
        """What is known by now becomes what was before."""
        self.at_before, self.at, self.seen = self.at, {}, {}

    def from_address(self, address: str) -> Iterator[Holder]:
        """The keys that were proved from there lately."""
        here, before = self.at.get(address, {}), self.at_before.get(address, {})
        return islice(({**before, **here}).values(), _PER_ADDRESS_MAX)


class Promotions:
    """See the module. `listening` says whether anything is to be seen: where no rule is in shadow, and none was lately,
    nothing is, and a message costs one look at it.
    """

    def __init__(self, policies: PolicySet, now: Callable[[], UnixMs]) -> None:
        self.listening = False
        self._now = now
        self._places: dict[str, _Place] = {}
        self._turned_at = now()
        self._shadowed: frozenset[str] = frozenset()
        self.changed(policies, policies)

    def changed(self, before: PolicySet, after: PolicySet) -> None:
        """The files' rules are others. What they enforce and had in shadow is watched from now on."""
        until = UnixMs(self._now() + WATCH_MS)
        services = {service.name: service for service in after.services}
        self._shadowed = frozenset(name for name, service in services.items() if has_shadow(service))
        for service, rule in promoted(before, after):
            place = self._places.setdefault(service.name, _Place([]))
            place.trials = [trial for trial in place.trials if trial.rule != rule]
            place.trials.append(Trial(service=service.name, rule=rule, percent=service.promotion_percent, until=until))
        for name, place in self._places.items():
            place.trials = [trial for trial in place.trials if _stands(services.get(name), trial)]
        self._tidy()

    def saw(self, judgement: Judgement) -> None:
        """A message was judged and answered."""
        routed = judgement.routed
        place = None if routed is None else self._places.get(routed.service.name)
        if routed is None or place is None:
            return
        record, holder = holder_of(judgement), None
        address = subject(routed.address, routed.service.client_ip.v6_prefix)
        if record is not None:
            holder = place.seen.get(record.id)
            if holder is None or holder.address != address:
                holder = place.note(record, address)
        if not place.trials:
            return
        rule = _rule_of(judgement.outcome)
        for trial in place.trials:
            if holder is not None:
                trial.count(holder, denied=rule == trial.rule)
            elif rule == trial.rule and not rule.startswith(ABUSE):  # a ban of an address lets its keys in
                for each in place.from_address(address):
                    trial.count(each, denied=True)

    def excessive(self) -> tuple[Trial, ...]:
        """Those that are to go back to shadow. Those whose time is over are forgotten."""
        now = self._now()
        for place in self._places.values():
            place.trials = [trial for trial in place.trials if now < trial.until]
        if now - self._turned_at >= WATCH_MS:
            self._turned_at = now
            for place in self._places.values():
                place.turn()
        self._tidy()
        return tuple(trial for place in self._places.values() for trial in place.trials if trial.is_excessive)

    def put_back(self, trials: Iterable[Trial]) -> None:
        """These are in shadow again, and watched no more."""
        gone = set(trials)
        for place in self._places.values():
            place.trials = [trial for trial in place.trials if trial not in gone]
        self._tidy()

    def _tidy(self) -> None:
        """A service is looked at while it has rules in shadow, or some that are watched."""
        watched = {name for name, place in self._places.items() if place.trials}
        wanted = watched | self._shadowed
        self._places = {name: self._places.get(name) or _Place([]) for name in sorted(wanted)}
        self.listening = bool(self._places)


def _stands(service: Service | None, trial: Trial) -> bool:
    return service is not None and is_enforced(service, trial.rule)


def _rule_of(outcome: Allow | Deny) -> str:
    """The name of the rule that denied; empty if none did."""
    return outcome.rule.name if isinstance(outcome, Deny) and outcome.rule is not None else ""
