"""The admin API over a vault of its own, asked through ASGI without any server."""

import hashlib
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from guard.edges.admin.api import AdminApi
from guard.edges.admin.desk import Desk
from guard.edges.admin.gate import SignInDesk
from guard.edges.admin.throttle import Throttle
from guard.edges.health import Health, Readiness
from guard.model.admins import Role
from guard.model.facts import Field
from guard.model.keys import Secret
from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.policy.load import Invalid
from guard.service.admins import Admins
from guard.service.banning import Banning
from guard.service.halting import Halting
from guard.service.key_steps import By
from guard.service.keyring import Keyring
from guard.service.overriding import Overriding
from guard.service.releases import Releases
from guard.service.revoking import Revoking
from guard.signing.audit_key import AuditKey
from guard.state.sealing import SealingKey
from guard.state.vault import Vault
from tests.reloads import standing
from tests.service.ring import without_nodes

START = UnixMs(1_800_000_000_000)
HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
SETUP = By("setup", "a test")
AUDIT_KEY = AuditKey(Secret(bytes(32)))


class Told(msgspec.Struct, frozen=True):
    """One answer."""

    status: int
    fields: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def code(self) -> str:
        return str(self.json["code"])


class Office:
    """`tokens` has one of each role, by its name; its holder's name is the role's."""

    def __init__(self, vault: Vault, policies: PolicySet, throttle: Throttle) -> None:
        self.now = START
        self.vault = vault
        self.tokens: dict[str, str] = {}
        self.is_ready = True
        self.policy_found: Invalid | None = None
        numbers = itertools.count()

        def random(length: int) -> bytes:
            return hashlib.shake_128(b"%d" % next(numbers)).digest(length)

        def now() -> UnixMs:
            return self.now

        enforcement = without_nodes(vault)
        self.keyring = Keyring(vault, now=now, random=random, enforcement=enforcement)
        self.admins = Admins(vault, now=now, random=random)
        self.releases = Releases(vault, now=now)
        reloading = standing(policies, at=START, read=lambda: self.policy_found)
        desk = Desk(
            vault=vault,
            keyring=self.keyring,
            admins=self.admins,
            releases=self.releases,
            banning=Banning(vault, now=now, enforcement=enforcement),
            halting=Halting(vault, now=now, random=random, enforcement=enforcement),
            revoking=Revoking(vault, now=now),
            overriding=Overriding(
                vault, lambda: reloading.rules.base.policies, now=now, random=random, enforcement=enforcement
            ),
            reloading=reloading,
            sign_trail=lambda: vault.trail.sign(AUDIT_KEY, self.now),
            nodes=lambda: vault.nodes.all(self.now),
        )
        self.api = AdminApi(
            desk,
            SignInDesk(self.admins, throttle, now),
            throttle,
            Health(lambda: Readiness(policy="3f2a91c", reasons=() if self.is_ready else ("keys",)), lambda: b"metrics"),
            hosts=HOSTS,
            version="1",
        )

    def later(self, ms: int) -> None:
        """So much time goes by."""
        self.now = UnixMs(self.now + ms)

    async def hire(self, name: str, role: Role) -> str:
        """A token for somebody."""
        self.tokens[name] = (await self.admins.create(name, role, SETUP)).text
        return self.tokens[name]

    async def ask(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        by: str | None = "admin",
        fields: tuple[Field, ...] = (),
        raw: bytes | None = None,
        host: bytes = b"127.0.0.1:8090",
        client: tuple[str, int] | None = ("127.0.0.1", 50_000),
    ) -> Told:
        """One request: `body` as JSON, or `raw` as it is. `by` names whose token; None: nobody's."""
        content = raw if raw is not None else b"" if body is None else json.dumps(body).encode()
        sent: list[Field] = [(b"host", host), *fields]
        if body is not None:
            sent.append((b"content-type", b"application/json"))
        if by is not None:
            sent.append((b"authorization", f"Bearer {self.tokens[by]}".encode()))
        return await self.ask_raw(method, target, tuple(sent), content, client=client)

    async def ask_raw(
        self,
        method: str,
        target: str,
        fields: tuple[Field, ...],
        content: bytes = b"",
        *,
        client: tuple[str, int] | None = ("127.0.0.1", 50_000),
    ) -> Told:
        """One request with exactly these fields."""
        path, _, query = target.encode().partition(b"?")
        scope = {
            "type": "http",
            "method": method,
            "scheme": "http",
            "path": path.decode(),
            "raw_path": path,
            "query_string": query,
            "headers": list(fields),
            "client": client,
        }
        messages: list[Any] = []
        parts = [content[at : at + 65_536] for at in range(0, len(content), 65_536)] or [b""]

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: Any) -> None:
            messages.append(message)

        await self.api(scope, receive, send)
        start, rest = messages[0], b"".join(message["body"] for message in messages[1:])
        return Told(start["status"], {name.decode(): value.decode() for name, value in start["headers"]}, rest)


@asynccontextmanager
async def opened_office(
    folder: Path, *, policies: PolicySet | None = None, throttle: Throttle | None = None
) -> AsyncIterator[Office]:
    """An office with a token of each role."""
    vault = await Vault.open(f"sqlite:///{folder}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    office = Office(vault, policies or PolicySet(services=(), digest="3f2a91c"), throttle or Throttle(calls=100_000))
    try:
        for role in Role:
            await office.hire(role.value, role)
        yield office
    finally:
        await vault.close()
