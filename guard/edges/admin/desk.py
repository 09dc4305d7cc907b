"""What the resources of the admin API are given: what they act on, and what one call brings."""

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec

from guard.model.admins import AdminToken
from guard.model.nodes import NodeStatus
from guard.service.admins import Admins
from guard.service.banning import Banning
from guard.service.halting import Halting
from guard.service.key_steps import By
from guard.service.keyring import Keyring
from guard.service.overriding import Overriding
from guard.service.releases import Releases
from guard.service.reloading import Reloading
from guard.service.revoking import Revoking
from guard.state.vault import Vault

Query = TypeVar("Query")
Body = TypeVar("Body")


class Desk(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the API acts on. `reloading` has the policies in force; `sign_trail` signs the end of
    the audit trail, so that an export of it proves itself whole; `nodes` are all that serve.
    """

    vault: Vault
    keyring: Keyring
    admins: Admins
    releases: Releases
    halting: Halting
    banning: Banning
    overriding: Overriding
    revoking: Revoking
    reloading: Reloading
    sign_trail: Callable[[], Awaitable[object]]
    nodes: Callable[[], Awaitable[tuple[NodeStatus, ...]]]


class Call(msgspec.Struct, Generic[Query, Body], frozen=True, kw_only=True):
    """One call that was understood, of somebody who may make it. `id` is what the path names."""

    token: AdminToken
    address: str
    id: str
    query: Query
    body: Body

    def by(self, why: str) -> By:
        """For the audit trail."""
        return By(actor=self.token.name, why=why, origin=self.address)
