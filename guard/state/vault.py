"""Everything that must outlive a restart, opened as one: the database, the key that seals its secrets, and what stands
in it by subject. It has no behaviour of its own.
"""

from guard.state.admin_tokens import AdminTokenTable
from guard.state.audit import AuditTrail
from guard.state.ban_table import BanTable
from guard.state.database import Database
from guard.state.halt_table import HaltTable
from guard.state.key_seals import KeySeals
from guard.state.key_table import KeyTable
from guard.state.nodes import NodeTable
from guard.state.override_table import OverrideTable
from guard.state.policy_history import PolicyHistory
from guard.state.releases import ReleaseTable
from guard.state.sealing import SealingKey


class Vault:
    """All tables share one database, and every secret in it is sealed under `sealing`."""

    def __init__(self, database: Database, sealing: SealingKey) -> None:
        self.database = database
        self.sealing = sealing
        self.keys = KeyTable(database, sealing)
        self.halts = HaltTable(database)
        self.bans = BanTable(database)
        self.overrides = OverrideTable(database)
        self.seals = KeySeals(database, sealing)
        self.trail = AuditTrail(database)
        self.tokens = AdminTokenTable(database)
        self.releases = ReleaseTable(database)
        self.nodes = NodeTable(database)
        self.policies = PolicyHistory(database)

    @classmethod
    async def open(cls, url: str, sealing: SealingKey) -> "Vault":
        """Open, make or migrate the database. Raises DatabaseError, or SealingError if this is not its sealing key."""
        vault = cls(await Database.open(url), sealing)
        try:
            await vault.seals.prove()
        except BaseException:
            await vault.close()
            raise
        return vault

    async def close(self) -> None:
        """Close every connection."""
        await self.database.close()
