"""Which rules of a compiled service can be meant otherwise for a while, how each is meant now, and what a reload made
earnest of.
"""

from collections.abc import Mapping

from guard.model.policy import PolicySet, Service
from guard.model.rules import Mode

LIMITS, ABUSE, CLIENT_IP = "limits", "abuse", "client_ip"


def rules_of(service: Service) -> frozenset[str]:
    """Every rule and section that can be overridden."""
    names = {name for name, _ in _modes(service)}
    return frozenset(names | {name.partition(".")[0] for name in names} | ({ABUSE} if service.abuse else set()))


def has_shadow(service: Service) -> bool:
    """Whether some rule of it is in shadow."""
    return Mode.SHADOW in _modes(service).values()


def promoted(before: PolicySet, after: PolicySet) -> tuple[tuple[Service, str], ...]:
    """The rules that were in shadow and are enforced, each with the service that it is in now. A limit is one if that
    is so on one of its routes.
    """
    known = {service.name: _modes(service) for service in before.services}
    return tuple(
        (service, name) for service in after.services for name in _raised(known.get(service.name, {}), _modes(service))
    )


def is_enforced(service: Service, rule: str) -> bool:
    """Whether it is there, and enforced, be it on one route."""
    return any(name == rule and mode is Mode.ENFORCE for (name, _), mode in _modes(service).items())


_Modes = Mapping[tuple[str, str], Mode]


def _raised(before: _Modes, after: _Modes) -> list[str]:
    raised = {place[0] for place, mode in after.items() if mode is Mode.ENFORCE and before.get(place) is Mode.SHADOW}
    return sorted(raised)


def _modes(service: Service) -> dict[tuple[str, str], Mode]:
    """The mode of each rule; of a limit, on each route."""
    modes = {
        (limit.rule.name, route.name): limit.rule.mode
        for route in service.routes.routes()
        for limit in (*route.limits_address, *route.limits_principal)
    }
    if service.client_ip.allow or service.client_ip.deny:
        modes[CLIENT_IP, ""] = service.client_ip.rule.mode
    if service.abuse is not None:
        modes |= {(signal.rule.name, ""): signal.rule.mode for signal, _ in service.abuse.signals}
    return modes
