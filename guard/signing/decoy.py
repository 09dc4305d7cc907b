"""A record for a key that nobody holds, so that an unknown key costs what a wrong signature costs (BYPASSES.md A33)."""

import hashlib

from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.model.names import AccountId, KeyId, UnixMs
from guard.signing.scheme import Scheme


def decoy(scheme: Scheme, key_id: KeyId, algorithms: frozenset[KeyAlgorithm]) -> KeyRecord:
    """A record under which no signature verifies, though verifying does all its work: its material is empty.

    Its kind is among those that both the scheme and `algorithms` allow (if any is), always the same for one id, so that
    asking again shows nothing either.
    """
    kinds = sorted(scheme.algorithms & algorithms) or sorted(scheme.algorithms)
    chosen = int.from_bytes(hashlib.sha256(key_id.encode("utf-8", "replace")).digest()[:8], "big") % len(kinds)
    return KeyRecord(
        id=key_id,
        account=AccountId(""),
        algorithm=kinds[chosen],
        material=Secret(b""),
        lineage=key_id,
        created_at=UnixMs(0),
    )
