"""A timed store holds the contract of the one that it times."""

from guard.model.names import UnixMs
from guard.state.memory import MemoryLimits
from guard.state.metered import MeteredLimits
from guard.state.protocols import LimitStore
from guard.telemetry.meter import Meter
from tests.contract.calendar_quota import CalendarContract
from tests.contract.limit_store import BORN, LimitStoreContract
from tests.contract.repay import RepayContract
from tests.contract.reserve import ReserveContract
from tests.contract.settle import SettleContract
from tests.contract.slots import SlotsContract


class TestMetered(LimitStoreContract, CalendarContract, SlotsContract, RepayContract, ReserveContract, SettleContract):
    async def open(self, born_at: UnixMs = BORN) -> LimitStore:
        return MeteredLimits(MemoryLimits(born_at), Meter())
