"""An order for a key, and whether it can be carried out. Pure: no database, no clock, no randomness."""

import ipaddress
import re
from enum import StrEnum

import msgspec

from guard.model.keys import Bounds, KeyAlgorithm
from guard.model.names import UnixMs
from guard.policy.names import ID_PATTERN, SCOPE_PATTERN
from guard.signing.tokens import KEY_ID

_ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}")
_TIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
_SCOPE = re.compile(SCOPE_PATTERN, re.ASCII)
_RESOURCE = re.compile(ID_PATTERN, re.ASCII)
_RESOURCES_MAX = 16
_VALUES_MAX = 1_000
_VALUE_CHARACTERS_MAX = 128
_API_SECRET = re.compile(r"[!-\-/-~]{1,512}")
_SECRET_BYTES_MAX = 1024
_LABEL_CHARACTERS_MAX = 128
_WHY_CHARACTERS_MAX = 1000


class Obstacle(StrEnum):
    """Why it cannot be done: the order is no good, nothing has that name, its state forbids it, or so does who asks."""

    INVALID = "invalid"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    FORBIDDEN = "forbidden"


class KeyringError(Exception):
    """It cannot be done. The text says why, and what can be done instead; it never holds a secret.

    `field` names the part of the order that is no good.
    """

    def __init__(self, sentence: str, obstacle: Obstacle = Obstacle.INVALID, *, field: str | None = None) -> None:
        super().__init__(sentence)
        self.obstacle = obstacle
        self.field = field


class KeyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A key to be made, or one made elsewhere to be taken over: then with its id, and its secret if it has one.

    `public_key` is PEM, or raw in base64. `expires_at_ms` is Unix milliseconds.
    """

    account: str
    id: str | None = None
    secret: str | None = None
    scopes: tuple[str, ...] = ()
    algorithm: KeyAlgorithm = KeyAlgorithm.HMAC_SHA256
    public_key: str | None = None
    networks: tuple[str, ...] = ()
    bounds: Bounds | None = None
    tier: str | None = None
    label: str = ""
    expires_at_ms: int | None = None

    def __repr__(self) -> str:
        return f"KeyOrder(id={self.id!r}, account={self.account!r})"


def refuse_bad_order(order: KeyOrder, now: UnixMs) -> None:
    """Raises KeyringError unless every part has its form, and the key would be good for something."""
    if order.id is not None and not KEY_ID.fullmatch(order.id):
        raise KeyringError(
            "a key id has 1 to 128 letters, digits and . _ : / @ - and begins with a letter or digit", field="id"
        )
    if not _ACCOUNT.fullmatch(order.account):
        raise KeyringError(
            "an account has 1 to 128 letters, digits and . _ : @ / - and begins with a letter or digit", field="account"
        )
    for scope in order.scopes:
        if not _SCOPE.fullmatch(scope):
            raise KeyringError(
                f"{scope!r} is no scope: use lower-case letters, digits, and . _ : - after the first letter",
                field="scopes",
            )
    if order.bounds is not None:
        _refuse_bad_bounds(order.bounds)
    if order.tier is not None and not _TIER.fullmatch(order.tier):
        raise KeyringError(f"{order.tier!r} is no tier: use lower-case letters, digits and hyphens", field="tier")
    if len(order.label) > _LABEL_CHARACTERS_MAX or not order.label.isprintable():
        raise KeyringError(f"a label has at most {_LABEL_CHARACTERS_MAX} printable characters", field="label")
    if order.expires_at_ms is not None and order.expires_at_ms <= now:
        raise KeyringError(
            "the key would have expired already: give a time that is still to come, in milliseconds",
            field="expires_at_ms",
        )


def _refuse_bad_bounds(bounds: Bounds) -> None:
    if len(bounds.only) > _RESOURCES_MAX or sum(map(len, bounds.only.values())) > _VALUES_MAX:
        sentence = f"a key is kept to at most {_RESOURCES_MAX} resources, of {_VALUES_MAX} values in all"
        raise KeyringError(sentence, field="bounds")
    for name, values in bounds.only.items():
        if not _RESOURCE.fullmatch(name):
            sentence = f"{name!r} is no resource: use lower-case letters, digits and hyphens, as in the policy"
            raise KeyringError(sentence, field="bounds")
        if not values or not all(0 < len(one) <= _VALUE_CHARACTERS_MAX and one.isprintable() for one in values):
            sentence = f"{name} needs values of 1 to {_VALUE_CHARACTERS_MAX} printable characters each"
            raise KeyringError(sentence, field="bounds")


def network(text: str, *, field: str = "networks") -> str:
    """A network in canonical CIDR. Raises KeyringError, also for one with bits set beyond its prefix."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        sentence = f"{text!r} is no network: write it like 10.0.0.0/8 or 2001:db8::/32"
        raise KeyringError(sentence, field=field) from None
    raise KeyringError(
        f"{text} has bits set beyond its prefix: did you mean {meant}, or a single address?", field=field
    )


def refuse_without_why(why: str) -> None:
    """Raises KeyringError unless there is a reason: what stops many at once is not done without a word."""
    if not why.strip():
        sentence = 'say why: --why "ticket 4711". Whoever finds it in the audit trail will want to know'
        raise KeyringError(sentence, field="why")
    if len(why) > _WHY_CHARACTERS_MAX:
        raise KeyringError(f"the reason has at most {_WHY_CHARACTERS_MAX} characters", field="why")


def secret_content(algorithm: KeyAlgorithm, secret: str | None) -> bytes:
    """The bytes of a shared secret, as its holder will use them. Raises KeyringError if they cannot be used."""
    content = (secret or "").encode()
    if not 0 < len(content) <= _SECRET_BYTES_MAX:
        raise KeyringError(f"an {algorithm} key needs its secret: 1 to {_SECRET_BYTES_MAX} bytes", field="secret")
    if algorithm is KeyAlgorithm.API_KEY and not _API_SECRET.fullmatch(secret or ""):
        raise KeyringError(
            "the secret of an api-key is sent as id.secret: 1 to 512 visible ASCII characters, no dot", field="secret"
        )
    return content
