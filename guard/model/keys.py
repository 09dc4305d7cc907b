"""API keys as values: who holds them, what they may do, and the states of NIST SP 800-57 part 1 section 7.

Which transition is allowed is `core/lifecycle.py`; how a secret is sealed at rest is `state/sealing.py`.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from guard.model.names import AccountId, KeyId, UnixMs


class KeyState(StrEnum):
    """Only ACTIVE authenticates a live request."""

    PRE_ACTIVATION = "pre-activation"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    DEACTIVATED = "deactivated"
    COMPROMISED = "compromised"
    DESTROYED = "destroyed"


class KeyAlgorithm(StrEnum):
    """What kind of key it is. A property of the key, never of the request (CVE-2022-29217 and its family)."""

    HMAC_SHA256 = "hmac-sha256"
    HMAC_SHA512 = "hmac-sha512"
    ED25519 = "ed25519"
    RSA = "rsa"
    ECDSA_P256 = "ecdsa-p256"
    API_KEY = "api-key"

    __hash__ = str.__hash__  # that of Enum is a Python call; these are looked up for each message

    @property
    def symmetric(self) -> bool:
        """Whether the verifier holds a secret: the shared secret itself, or a keyed hash of it for API_KEY."""
        return self in (KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.HMAC_SHA512, KeyAlgorithm.API_KEY)


class Secret:
    """Bytes that must not be seen: no repr, no ordering, no equality, no pickling. Call `reveal` to use them."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    def reveal(self) -> bytes:
        """The bytes. Write this where they are used, and nowhere else."""
        return self._content

    def __repr__(self) -> str:
        return "Secret(…)"

    __hash__ = None  # type: ignore[assignment]  # a secret is no dictionary key

    def __eq__(self, other: object) -> bool:
        raise TypeError("secrets are compared with hmac.compare_digest")

    def __reduce__(self) -> str:
        raise TypeError("secrets are not serialised")


class KeyUse(StrEnum):
    """What a key may be kept to: routes that only read, or those that cut risk (`priority: critical`, cancels)."""

    READS = "reads"
    CANCELS = "cancels"


class Bounds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a key is kept to, within its scopes: some uses (none named: all), and of each resource named these values.

    A resource is what a policy says it is (`symbol`, `side`). One that a request does not tell is not within bounds.
    Values are sorted, each once. A honeytoken is kept to nothing at all: it lies where nobody has any business, and
    whoever uses it has been there.
    """

    uses: tuple[KeyUse, ...] = ()
    only: dict[str, tuple[str, ...]] = {}
    honeytoken: bool = False

    @classmethod
    def of(cls, uses: Iterable[KeyUse], only: Mapping[str, Iterable[str]], *, honeytoken: bool = False) -> "Bounds":
        """Of uses and values in any order."""
        values = {name: tuple(sorted(set(only[name]))) for name in sorted(only)}
        return cls(tuple(sorted(set(uses))), values, honeytoken)


class KeyRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One key as the decision core sees it, its material opened.

    `material` is the shared secret for HMAC keys, the keyed hash of the secret for API_KEY, and the public key for the
    others (raw 32 bytes for ed25519, DER SubjectPublicKeyInfo otherwise). It is empty once the key is destroyed.
    `lineage` is the id of the first key of a chain of rotations: buckets and quotas follow it. `dies_at` is when a
    rotated key's overlap ends: from that millisecond on it is not active. `expires_at` ends the cryptoperiod alike.
    """

    id: KeyId
    account: AccountId
    algorithm: KeyAlgorithm
    material: Secret
    state: KeyState = KeyState.ACTIVE
    scopes: frozenset[str] = frozenset()
    tier: str | None = None
    networks: tuple[str, ...] = ()
    bounds: Bounds | None = None
    lineage: KeyId
    rotated_from: KeyId | None = None
    created_at: UnixMs
    expires_at: UnixMs | None = None
    dies_at: UnixMs | None = None
    last_used_at: UnixMs | None = None
    label: str = ""
    revision: int = 0
