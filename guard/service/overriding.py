"""The administrator's line for overrides: a rule's mode for a while, other than its file says, and lifting that.

Values in, values out, as `service/halting.py`. What is asked for and cannot be done is a KeyringError, and then nothing
was changed.
"""

from collections.abc import Callable, Collection
from typing import Final

import msgspec

from guard.model.names import UnixMs
from guard.model.overrides import EVERY_SERVICE, Override, OverrideId
from guard.model.policy import PolicySet
from guard.model.rules import Mode
from guard.policy.diff import differences
from guard.policy.directions import Kind
from guard.policy.overriding import overridden
from guard.policy.rule_modes import rules_of
from guard.service.enforcement import Enforcement, Force
from guard.service.key_orders import KeyringError, Obstacle, refuse_without_why
from guard.service.key_steps import By
from guard.state.vault import Vault

TERM_MS: Final = (1_000, 7 * 86_400_000)
"""The shortest and the longest override."""

OVERRIDES_MAX: Final = 100
"""So many in force at once: what is meant for longer, or for more, belongs into the policy."""

_ID_RANDOM_BYTES = 6


class OverrideOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rule or section is to have which mode, and for how long. `service` is empty for all that have it."""

    rule: str
    mode: Mode
    for_ms: int
    service: str = EVERY_SERVICE


class Overriding:
    """Everything that can be done to overrides, in one vault. `policies` are those whose rules can be overridden."""

    def __init__(
        self,
        vault: Vault,
        policies: Callable[[], PolicySet],
        *,
        now: Callable[[], UnixMs],
        random: Callable[[int], bytes],
        enforcement: Enforcement,
    ) -> None:
        self._overrides = vault.overrides
        self._policies = policies
        self._now = now
        self._random = random
        self._enforcement = enforcement

    async def overrides(self, *, ended: bool = False) -> tuple[Override, ...]:
        """Those in force, oldest first; with those that are over or lifted, if asked for."""
        now = self._now()
        return tuple(each for each in await self._overrides.all() if ended or each.is_in_force(now))

    async def override(self, order: OverrideOrder, by: By) -> Override:
        """Put an override in force in place of an earlier one over the same. It is committed on return."""
        refuse_without_why(by.why)
        self._refuse_unfit(order)
        override, standing = self._made(order, by), await self.overrides()
        if len(standing) >= OVERRIDES_MAX:
            raise KeyringError(f"{OVERRIDES_MAX} are in force: `guard mode list`; change the policy", Obstacle.CONFLICT)
        self._refuse_alone(override)
        [written] = await self._overrides.put(override, by.deed("override", override.since))
        return written

    async def put_back(self, order: OverrideOrder, by: By) -> tuple[Override, ...]:
        """The same for the gateway itself: nobody if what is in force over that rule lowers it already as far."""

        def is_enough(each: Override) -> bool:
            named = each.service in (EVERY_SERVICE, order.service) and each.rule == order.rule
            return named and each.mode is not Mode.ENFORCE

        override = self._made(order, by)
        return await self._overrides.put(override, by.deed("override", override.since), unless=is_enough)

    async def lift(self, ids: Collection[str], by: By) -> tuple[Override, ...]:
        """Lift these overrides, all of them or none: their rules are meant as their files say again."""
        refuse_without_why(by.why)
        wanted = set(ids)
        for unknown in sorted(wanted - {each.id for each in await self.overrides()}):
            sentence = f"no override {unknown} is in force: `guard mode list` shows those that are"
            raise KeyringError(sentence, Obstacle.UNKNOWN)
        return await self._overrides.lift(lambda each: each.id in wanted, by.deed("lift", self._now()))

    async def in_force(self, revision: int) -> Force:
        """Whether every node follows what was committed as this revision. Answered within a second."""
        return await self._enforcement.of(revision)

    def _made(self, order: OverrideOrder, by: By) -> Override:
        now = self._now()
        return Override(
            id=OverrideId(f"mode_{self._random(_ID_RANDOM_BYTES).hex()}"),
            service=order.service,
            rule=order.rule,
            mode=order.mode,
            since=now,
            until=UnixMs(now + order.for_ms),
            why=by.why,
            actor=by.actor,
        )

    def _refuse_alone(self, override: Override) -> None:
        """What a change of the files needs a second person for, nobody does by an override: not now, and not later,
        when what stands beside it has ended, or a reload has raised the rule. So other overrides are not looked at.
        """
        policies = self._policies()
        if not policies.changes_by_two:  # knockout: policies_say_who_may_weaken_them
            return
        may_lower = override.mode is not Mode.ENFORCE  # of a rule in shadow too: it would undo its promotion
        changes = differences(policies, overridden(policies, (override,)))
        if may_lower or any(change.kind is Kind.WEAKENS for change in changes):
            sentence = (
                "this weakens policies whose changes need a second person, now or after a reload: change the file"
            )
            raise KeyringError(sentence, Obstacle.FORBIDDEN)

    def _refuse_unfit(self, order: OverrideOrder) -> None:
        least, most = TERM_MS
        if not least <= order.for_ms <= most:
            raise KeyringError(
                "an override lasts from a second to 7 days: what lasts belongs in the policy", field="for_ms"
            )
        if order.rule.partition(".")[0] == "auth":
            raise KeyringError("auth cannot be overridden: only its policy, in writing, may lower it", field="rule")
        services = {each.name: each for each in self._policies().services}
        if order.service and order.service not in services:
            raise KeyringError(f"no service {order.service}; there are: {', '.join(sorted(services))}", field="service")
        chosen = [services[order.service]] if order.service else list(services.values())
        known = sorted({rule for service in chosen for rule in rules_of(service)})
        if order.rule not in known:
            there = f"there are: {', '.join(known)}" if known else "there is none that could be overridden"
            raise KeyringError(f"no rule {order.rule}; {there}", field="rule")
