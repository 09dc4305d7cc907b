"""How an address or a key stands: which bans are in force against it for one service, and what the milder ones ask for.

A ban that a policy's ladder made is meant no more earnestly than that policy now means its `abuse` section: whoever
turns it to shadow or off is obeyed at once. What an operator put in force stands whatever policies say.

The milder ones spare critical routes: cancels neither wait nor cost more, or their reserve would be worth nothing.
"""

from msgspec import structs

from guard.core.stages import Routed
from guard.model.abuse import Action
from guard.model.bans import EVERY_SERVICE, Ban, Bans
from guard.model.keys import KeyRecord
from guard.model.names import UnixMs
from guard.model.policy import Route, Service
from guard.model.questions import Debit
from guard.model.rules import Mode, Rule
from guard.wire.client_address import in_networks, network_of


def address_standing(bans: Bans, routed: Routed, now: UnixMs) -> tuple[Ban, ...]:
    """What is in force against the address, or a network around it: if it is exempt, only what an operator did."""
    address, service = routed.address, routed.service
    prefixes = bans.v6_prefixes if ":" in address else bans.v4_prefixes
    found: tuple[Ban, ...] = ()
    for prefix in prefixes:
        found = (*found, *bans.addresses.get(network_of(address, prefix), ()))
    if not found:
        return ()
    standing = _in_force(found, service, now)
    if standing and in_networks(address, exempt_from_bans(service)):  # knockout: exempt_beside_the_banned
        return tuple([ban for ban in standing if ban.rule is None])
    return standing


def exempt_from_bans(service: Service) -> tuple[str, ...]:
    """The networks that are never counted, and that no ladder's ban of their neighbours is meant for."""
    policy = service.abuse
    return () if policy is None else (*policy.exempt_ips, *service.client_ip.trust)


def holder_standing(bans: Bans, record: KeyRecord | None, service: Service, now: UnixMs) -> tuple[Ban, ...]:
    """What is in force against the key, by its lineage, or against its account."""
    if record is None or not (bans.keys or bans.accounts):
        return ()
    return _in_force(bans.of_holder(record.lineage, record.account), service, now)


def holder_delay_ms(bans: Bans, record: KeyRecord | None, service: Service, route: Route, now: UnixMs) -> int:
    """How long a message of this key must wait before anything is charged."""
    return delay_ms(holder_standing(bans, record, service, now), service, route) if bans.may_slow else 0


def rule_of(ban: Ban, service: Service) -> Rule | None:
    """The rule with which it denies, and how earnestly; None for an operator's, which always ends the line."""
    rule, policy = ban.rule, service.abuse
    if rule is None or policy is None or policy.rule.mode is rule.mode or rule.mode is not Mode.ENFORCE:
        return rule
    return structs.replace(rule, mode=policy.rule.mode)


def is_meant(ban: Ban, service: Service) -> bool:
    """Whether it is more than a record."""
    rule = rule_of(ban, service)
    return rule is None or rule.mode is Mode.ENFORCE


def delay_ms(standing: tuple[Ban, ...], service: Service, route: Route) -> int:
    """How long a message waits: the longest of what is meant."""
    if route.critical:
        return 0
    delays = [ban.delay_ms for ban in standing if ban.action is Action.SLOW and is_meant(ban, service)]
    return max(delays, default=0)


def throttled(taken: tuple[Debit, ...], standing: tuple[Ban, ...], service: Service, route: Route) -> tuple[Debit, ...]:
    """What it costs a subject whose rates are scaled down: as much more, and never more than a meter can hold."""
    if route.critical:
        return taken
    left = [ban.percent for ban in standing if ban.action is Action.THROTTLE and is_meant(ban, service)]
    if not left:
        return taken
    at_rate = [structs.replace(debit, percent=min(left)) for debit in taken]
    return tuple([structs.replace(debit, cost=debit.scaled(debit.cost)) for debit in at_rate])


def _in_force(found: tuple[Ban, ...], service: Service, now: UnixMs) -> tuple[Ban, ...]:
    return tuple([ban for ban in found if ban.is_in_force(now) and _is_for(ban, service)])


def _is_for(ban: Ban, service: Service) -> bool:
    if ban.rule is None:
        return ban.service in (EVERY_SERVICE, service.name)
    return ban.service == service.name and service.abuse is not None and service.abuse.rule.mode is not Mode.OFF
