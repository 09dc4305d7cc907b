"""The store in memory holds the contract."""

from guard.model.names import UnixMs
from guard.state.memory import MemoryLimits
from guard.state.protocols import LimitStore
from tests.contract.calendar_quota import CalendarContract
from tests.contract.limit_store import BORN, LimitStoreContract
from tests.contract.repay import RepayContract
from tests.contract.reserve import ReserveContract
from tests.contract.settle import SettleContract
from tests.contract.slots import SlotsContract


class TestMemory(LimitStoreContract, CalendarContract, SlotsContract, RepayContract, ReserveContract, SettleContract):
    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        return MemoryLimits(born_at)
