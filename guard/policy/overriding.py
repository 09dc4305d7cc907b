"""Compiled policies with the mode of some rules replaced: what `guard mode` says for a while instead of the files.

Nothing but modes changes. A limit is the same limit, with the same buckets, and so is a signal with its scores.
`auth` cannot be overridden: requests that nobody has signed reach a backend only where a file says so in writing.
"""

from collections.abc import Iterable, Mapping

from msgspec import structs

from guard.model.abuse import AbusePolicy
from guard.model.overrides import EVERY_SERVICE, Override
from guard.model.policy import Limit, PolicySet, Route, Service
from guard.model.rules import Mode, Rule
from guard.policy.abuse import with_signals
from guard.policy.modes import highest
from guard.policy.rerouting import with_routes
from guard.policy.rule_modes import ABUSE


def overridden(policies: PolicySet, overrides: Iterable[Override]) -> PolicySet:
    """The policies with these overrides, all of which are in force; the same object if none of them changes anything.

    What names a rule counts before what names its section, then what names a service before what is for all of them,
    then the newer. That of a section leaves off what is off.
    """
    ordered = sorted(overrides, key=lambda each: (each.service != EVERY_SERVICE, each.since, each.revision))
    services = tuple(_service(each, _said(each.name, ordered)) for each in policies.services)
    if all(after is before for after, before in zip(services, policies.services, strict=True)):
        return policies
    return structs.replace(policies, services=services)


def _said(service: str, ordered: Iterable[Override]) -> dict[str, Mode]:
    return {each.rule: each.mode for each in ordered if each.service in (EVERY_SERVICE, service)}


def _service(service: Service, said: Mapping[str, Mode]) -> Service:
    if not said:
        return service
    client_ip, abuse = service.client_ip, service.abuse
    rule, watched = _rule(client_ip.rule, said), None if abuse is None else _abuse(abuse, said)
    if rule is not client_ip.rule:
        service = structs.replace(service, client_ip=structs.replace(client_ip, rule=rule))
    if watched is not abuse:
        service = structs.replace(service, abuse=watched)
    return with_routes(service, lambda route: _route(route, said))


def _route(route: Route, said: Mapping[str, Mode]) -> Route:
    address, principal = _limits(route.limits_address, said), _limits(route.limits_principal, said)
    by_tier = {tier: _limits(limits, said) for tier, limits in route.limits_by_tier.items()}
    if address is route.limits_address and principal is route.limits_principal:
        return route
    return structs.replace(route, limits_address=address, limits_principal=principal, limits_by_tier=by_tier)


def _limits(limits: tuple[Limit, ...], said: Mapping[str, Mode]) -> tuple[Limit, ...]:
    rules = [_rule(limit.rule, said) for limit in limits]
    if all(rule is limit.rule for rule, limit in zip(rules, limits, strict=True)):
        return limits
    return tuple(structs.replace(limit, rule=rule) for rule, limit in zip(rules, limits, strict=True))


def _abuse(policy: AbusePolicy, said: Mapping[str, Mode]) -> AbusePolicy:
    """A section that is off stays without effect, so it follows when one of its signals is raised by name."""
    signals = [(structs.replace(signal, rule=_rule(signal.rule, said)), codes) for signal, codes in policy.signals]
    section = said.get(ABUSE, policy.rule.mode)
    if section is Mode.OFF:
        section = highest(section, *(signal.rule.mode for signal, _ in signals))
    if section is policy.rule.mode and all(
        after.rule == before.rule for (after, _), (before, _) in zip(signals, policy.signals, strict=True)
    ):
        return policy
    return with_signals(structs.replace(policy, rule=structs.replace(policy.rule, mode=section)), tuple(signals))


def _rule(rule: Rule, said: Mapping[str, Mode]) -> Rule:
    mode = said.get(rule.name)
    if mode is None and rule.mode is not Mode.OFF:
        mode = said.get(rule.name.partition(".")[0])
    return rule if mode in (None, rule.mode) else structs.replace(rule, mode=mode)
