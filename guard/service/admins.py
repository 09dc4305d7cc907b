"""The administrators' tokens: made, listed, ended, and told from what is none. Values in, values out; clock and
randomness are handed in. What each role may do is `edges/admin/routes.py`.
"""

import hashlib
import hmac
import re
from collections.abc import Callable

import msgspec

from guard.model.admins import AdminToken, Role
from guard.model.audit import Subject, Touched
from guard.model.names import UnixMs
from guard.service.key_orders import KeyringError, Obstacle
from guard.service.key_steps import By
from guard.signing.tokens import TOKEN_ID_PREFIX, is_admin_token, mint_admin_token, mint_id
from guard.state.vault import Vault

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$"
BOOTSTRAP = "bootstrap"
GATEWAY = "guard serve"
NOBODY = "nobody"
_NAME = re.compile(NAME_PATTERN.strip("^$"))
_TOUCH_EVERY_MS = 60_000
_ID_RANDOM_BYTES, _TOKEN_RANDOM_BYTES = 20, 32


class IssuedToken(msgspec.Struct, frozen=True):
    """A new token. `text` is told here and never again."""

    token: AdminToken
    text: str

    def __repr__(self) -> str:
        return f"IssuedToken({self.token.id!r})"


class Admins:
    """Everything that can be done to administrators' tokens, in one vault."""

    def __init__(self, vault: Vault, *, now: Callable[[], UnixMs], random: Callable[[int], bytes]) -> None:
        self._tokens = vault.tokens
        self._trail = vault.trail
        self._now = now
        self._random = random

    async def create(self, name: str, role: Role, by: By, *, expires_at_ms: int | None = None) -> IssuedToken:
        """Issue a token. Raises KeyringError if its name is no name or has a good token already."""
        now = self._now()
        if not _NAME.fullmatch(name):
            raise KeyringError(
                "a token's name has 1 to 64 letters, digits and . _ @ - and begins with a letter or digit", field="name"
            )
        if expires_at_ms is not None and expires_at_ms <= now:
            raise KeyringError("the token would have expired already: give a later time", field="expires_at_ms")
        text = mint_admin_token(self._random(_TOKEN_RANDOM_BYTES))
        token = self._token(name, role, text, by.actor, expires_at_ms)
        if not await self._tokens.add(token, by.deed("create", now)):
            raise KeyringError(
                f"{name} has a token already: revoke it first, or choose another name", Obstacle.CONFLICT, field="name"
            )
        return IssuedToken(token, text)

    async def all(self) -> tuple[AdminToken, ...]:
        """Every token, also those that are no longer good: oldest first."""
        return await self._tokens.all()

    async def revoke(self, token_id: str, by: By) -> AdminToken:
        """End a token at once. Raises KeyringError if there is no such token."""
        token = await self._tokens.revoke(token_id, by.deed("revoke", self._now()))
        if token is None:
            raise KeyringError(
                f"there is no token {token_id}: `guard admin tokens list` shows those that there are", Obstacle.UNKNOWN
            )
        return token

    async def signed_in(self, text: str) -> AdminToken | None:
        """Whose token this is; None if it is none, or no longer good. Its last use is written once a minute."""
        if not is_admin_token(text):
            return None
        now, digest = self._now(), _digest(text)
        token = await self._tokens.find(digest)
        if token is None or not hmac.compare_digest(token.digest, digest) or not token.is_good(now):
            return None
        if token.last_used_at is None or now - token.last_used_at >= _TOUCH_EVERY_MS:
            await self._tokens.touch(token.id, now)
        return token

    async def bootstrap(self, text: str) -> bool:
        """Make this the first token, of an admin. False if there was ever another."""
        if not is_admin_token(text):
            raise KeyringError("that is no administrator's token")
        by = By(GATEWAY, "the first token")
        token = self._token(BOOTSTRAP, Role.ADMIN, text, by.actor, None)
        return await self._tokens.add(token, by.deed("create", token.created_at), only_as_first=True)

    async def record_sign_in(self, token: AdminToken, address: str) -> None:
        """Put a sign-in into the audit trail."""
        by = By(token.name, origin=address)
        await self._trail.append_event(
            by.deed("sign_in", self._now()), Touched(subject=Subject("admin_token", token.id))
        )

    async def record_failed_sign_in(self, address: str) -> None:
        """Put a sign-in that failed into the audit trail. Whose it was is not known."""
        by = By(NOBODY, origin=address)
        await self._trail.append_event(
            by.deed("fail_sign_in", self._now()), Touched(subject=Subject("address", address))
        )

    def mint(self) -> str:
        """A token that opens nothing yet."""
        return mint_admin_token(self._random(_TOKEN_RANDOM_BYTES))

    def _token(self, name: str, role: Role, text: str, made_by: str, expires_at_ms: int | None) -> AdminToken:
        return AdminToken(
            id=mint_id(TOKEN_ID_PREFIX, self._random(_ID_RANDOM_BYTES)),
            name=name,
            role=role,
            digest=_digest(text),
            created_at=self._now(),
            created_by=made_by,
            expires_at=None if expires_at_ms is None else UnixMs(expires_at_ms),
        )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
