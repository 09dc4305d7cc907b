"""Who comes in to the admin API: pure questions about the head of a request, and the sign-in that needs the database.

Why it is right: a browser can be made to send a request anywhere, but not to leave out Origin on what changes anything,
not to send a chosen Authorization field across origins without asking first (CORS, which is never answered), and not to
hide the name by which it reached us (DNS rebinding). There are no cookies, so a browser has nothing to add by itself.
"""

import hashlib
from collections.abc import Callable, Iterable

from guard.edges.admin.problems import Refused
from guard.edges.admin.throttle import Throttle
from guard.model.admins import AdminToken
from guard.model.facts import Field
from guard.model.names import UnixMs
from guard.service.admins import Admins
from guard.wire.client_address import canonical, subject
from guard.wire.owned_fields import GUARD_REQUEST_ID

_HOUR_MS = 3_600_000
_REMEMBERED_MAX = 10_000
_V6_PREFIX = 64
_SAME = (b"same-origin", b"none")

_CHALLENGE: tuple[Field, ...] = ((b"www-authenticate", b'Bearer realm="guard admin"'),)


def refuse_strangers(fields: Iterable[Field], hosts: frozenset[str]) -> None:
    """Raises Refused for what did not come directly and on purpose: another host, another origin, a gateway between.

    Whether TLS was taken off before us is not known, so an origin is ours with either scheme.
    """
    found: dict[bytes, list[bytes]] = {}
    for name, value in fields:
        found.setdefault(name, []).append(value)
    host = found.get(b"host", [])
    if len(host) != 1 or _name(host[0]) not in hosts:  # knockout: admin_host_is_expected
        raise Refused("admin.misdirected", "GUARD_ADMIN_HOSTS names the hosts that it answers to")
    own = (b"http://" + host[0].lower(), b"https://" + host[0].lower())
    for origin in found.get(b"origin", ()):
        if origin.lower() not in own:  # knockout: admin_origin_is_own
            raise Refused("admin.cross_origin")
    for site in found.get(b"sec-fetch-site", ()):
        if site not in _SAME:  # knockout: admin_site_is_own
            raise Refused("admin.cross_origin")
    if GUARD_REQUEST_ID in found:  # knockout: admin_is_reached_directly
        raise Refused("admin.forwarded")


def counted_address(client: tuple[str, int] | None) -> str:
    """Whom an address's budgets count: the IPv4 address, the IPv6 network of 64 bits, or `unix`."""
    if client is None:
        return "unix"
    address = canonical(client[0])
    return client[0] if address is None else subject(address, _V6_PREFIX)


class SignInDesk:
    """Tells whose token a request carries.

    The audit trail hears of the first sign-in of a token from an address in an hour, and of failed ones within bounds.
    An address from which too many sign-ins failed is refused, but for tokens that signed in from there within the last
    hour: whoever shares an address with a guesser keeps their way in.
    """

    def __init__(self, admins: Admins, throttle: Throttle, now: Callable[[], UnixMs]) -> None:
        self._admins = admins
        self._throttle = throttle
        self._now = now
        self._recent: dict[tuple[bytes, str], UnixMs] = {}

    async def sign_in(self, fields: Iterable[Field], client: tuple[str, int] | None) -> AdminToken:
        """The token. Raises Refused."""
        address = counted_address(client)
        text = _bearer(fields)
        if not text:
            raise Refused("admin.unauthenticated", fields=_CHALLENGE)
        visit = (hashlib.sha256(text.encode()).digest(), address)
        now = self._now()
        is_recent = now - self._recent.get(visit, 0) < _HOUR_MS
        if not is_recent:  # knockout: sign_in_failures_are_throttled
            self._throttle.refuse_after_failures(address)
        token = await self._admins.signed_in(text)
        if token is None:
            self._recent.pop(visit, None)
            self._throttle.failed(address)
            if self._throttle.may_record(address):  # knockout: failed_sign_ins_cannot_fill_the_trail
                await self._admins.record_failed_sign_in(client[0] if client else address)
            raise Refused("admin.unauthenticated", fields=_CHALLENGE)
        self._throttle.call("token", token.id)
        self._throttle.call("address", address)
        if not is_recent:
            await self._admins.record_sign_in(token, client[0] if client else address)
            self._remember(visit, now)
        return token

    def _remember(self, visit: tuple[bytes, str], now: UnixMs) -> None:
        if len(self._recent) >= _REMEMBERED_MAX:
            self._recent.clear()
        self._recent[visit] = now


def _bearer(fields: Iterable[Field]) -> str:
    """The token of the one Authorization field; empty if there is none, or another scheme, or two fields."""
    values = [value for name, value in fields if name == b"authorization"]
    if len(values) != 1:
        return ""
    scheme, _, text = values[0].partition(b" ")
    return text.strip(b" ").decode("ascii", "replace") if scheme.lower() == b"bearer" else ""


def _name(host: bytes) -> str:
    """The host without its port, in lower case."""
    text = host.decode("latin-1").lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
