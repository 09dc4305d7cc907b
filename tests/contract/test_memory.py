"""The store in memory holds the contract."""

from guard.model.names import UnixMs
from guard.state.memory import MemoryLimits
from guard.state.protocols import LimitStore
from tests.contract.limit_store import BORN, LimitStoreContract


class TestMemory(LimitStoreContract):
    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        return MemoryLimits(born_at)
