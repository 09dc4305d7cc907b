"""What a client says of itself: which key, signed when, under which nonce. Unbelieved until the signature verifies."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from guard.model.names import KeyId, UnixMs


class Claim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The credentials of one message, decoded but unverified.

    `key_id` is always at hand. `late` says that other parts travel in the body, which had not been read when this
    claim was made: then `signature` is empty and the times are None until the claim is made again with the body.
    `values` holds every value that the scheme took, by the scheme's own name for it, as received.
    """

    scheme: str
    key_id: KeyId
    signature: bytes
    signed_at: UnixMs | None = None
    expires_at: UnixMs | None = None
    window_ms: int | None = None
    nonce: bytes | None = None
    values: Mapping[str, bytes] = MappingProxyType({})
    late: bool = False


class ClaimFault(msgspec.Struct, frozen=True, gc=False):
    """Why no claim could be made. `code` is a row of the reasons table; `detail` may be shown to the client."""

    code: str
    detail: str
