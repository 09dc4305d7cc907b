"""Who sent what was let through, told to its backend: in plain fields, and in an assertion if the policy asks for one.

Plain fields can be forged by whoever reaches the backend; an assertion is bound to one request and signed.
"""

from functools import lru_cache

from guard.core.stages import Allow
from guard.model.facts import Field
from guard.model.names import AccountId, KeyId
from guard.signing.assertion import ISSUER, LIFE_S, AssertionKey, Claims
from guard.signing.content_digest import make_content_digest
from guard.wire.owned_fields import GUARD_ACCOUNT, GUARD_ASSERTION, GUARD_KEY_ID, GUARD_REQUEST_ID, GUARD_SCOPES

_MS_PER_S = 1000


def identity(allow: Allow, key: AssertionKey | None) -> tuple[Field, ...]:
    """The fields. `key` signs the assertion; where a policy asks for one and there is no key, nothing is vouched for.

    Raises RuntimeError then. On an open route only the request is named, in the assertion as in the fields.
    """
    record, identified = allow.record, allow.verified.identified
    named: tuple[Field, ...] = ((GUARD_REQUEST_ID, identified.facts.request_id.encode()),)
    if record is not None:
        named = _who(record.account, record.id, record.scopes) + named
    if not identified.service.upstream.assertion:
        return named
    if key is None:
        raise RuntimeError("the policy asks for assertions, and no key was opened to sign them")
    return (*named, (GUARD_ASSERTION, key.assertion(claims(allow))))


def claims(allow: Allow) -> Claims:
    """What is stated of a request: the request as it is forwarded, at the time at which it was let through."""
    record, content = allow.record, allow.verified.content
    issued_s = allow.admitted_at // _MS_PER_S
    return Claims(
        iss=ISSUER,
        aud=allow.service.name,
        jti=allow.facts.request_id,
        sub=None if record is None else record.account,
        key=None if record is None else record.id,
        scope=None if record is None else _scopes(record.scopes),
        iat=issued_s,
        exp=issued_s + LIFE_S,
        htm=allow.facts.verb,
        target=allow.facts.target.decode("latin-1"),
        digest=None if content is None else make_content_digest(content).decode(),
    )


@lru_cache(maxsize=4096)
def _who(account: AccountId, key_id: KeyId, scopes: frozenset[str]) -> tuple[Field, ...]:
    return (
        (GUARD_ACCOUNT, account.encode()),
        (GUARD_KEY_ID, key_id.encode()),
        (GUARD_SCOPES, _scopes(scopes).encode()),
    )


def _scopes(scopes: frozenset[str]) -> str:
    return " ".join(sorted(scopes))
