"""What a route asks for beside a valid key with its scope."""

from enum import StrEnum

import msgspec

from guard.model.rules import Rule


class Requirement(StrEnum):
    """What a route may ask for beside a valid key with its scope."""

    KEY_IP_ALLOWLIST = "key_ip_allowlist"
    MTLS = "mtls"
    IDEMPOTENCY_KEY = "idempotency_key"


class RouteNetworks(msgspec.Struct, frozen=True, gc=False):
    """The only networks (CIDR) from which a route may be used."""

    rule: Rule
    allow: tuple[str, ...]
