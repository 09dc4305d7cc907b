"""Over random policies and traffic: no limit admits more than its burst and what came back since, whatever is held,
settled, refunded or kept in reserve, and no critical request starves while its reserve holds.
"""

import asyncio
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from guard.model.names import UnixMs
from guard.model.policy import Bucket, Limit
from guard.model.questions import Charge, Debit, Granted
from guard.state.memory import MemoryLimits
from tests.build import rule
from tests.contract.limit_store import BORN


class Request(NamedTuple):
    """One request: how much later, critical or not, of which tier, for how much, and what it was found to cost."""

    later_ms: int
    critical: bool
    tier: int
    cost: int
    found: int | None


class Setting(NamedTuple):
    """One limit: what it holds, what comes back, and what is kept in reserve; and the same for a tier."""

    capacity: int
    refill: int
    period_ms: int
    reserve: int


SETTINGS = st.tuples(
    st.integers(2, 30), st.integers(1, 9), st.sampled_from((100, 1_000, 7_000)), st.integers(0, 12)
).map(lambda drawn: Setting(drawn[0], drawn[1], drawn[2], min(drawn[3], drawn[0] - 1)))
REQUESTS = st.lists(
    st.builds(
        Request,
        st.sampled_from((0, 0, 0, 1, 40, 300, 2_000)),
        st.sampled_from((False, False, False, True)),
        st.sampled_from((0, 0, 1)),
        st.integers(1, 6),
        st.none() | st.integers(0, 12),
    ),
    max_size=80,
)


class Traffic:
    """What one limit, in two tiers that count apart, was asked and has admitted."""

    def __init__(self, settings_of: tuple[Setting, Setting]) -> None:
        self.store = MemoryLimits(BORN, filled_since=UnixMs(0))
        self.settings = settings_of
        self.limits = tuple(
            Limit(
                name="x",
                rule=rule("limits.x"),
                meter=Bucket(each.capacity, each.refill, each.period_ms),
                per=("key",),
                reserve=each.reserve,
                tier="maker" if number else None,
            )
            for number, each in enumerate(settings_of)
        )
        self.now = int(BORN)
        self.spent: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])

    async def send(self, number: int, request: Request) -> None:
        self.now += request.later_ms
        limit = self.limits[request.tier]
        spare = 0 if request.critical else limit.reserve
        debit = Debit(("exchange", "x", str(request.tier)), limit, request.cost, spare=spare)
        charge = Charge(id=f"c{number}", now=UnixMs(self.now), debits=(debit,))
        fits = request.cost + spare <= self.left(request.tier)
        answer = await self.store.charge(charge)
        assert isinstance(answer, Granted) == fits, request
        if not fits:
            return
        spent = self.spent[request.tier]
        spent.append((self.now, request.cost))
        self.assert_within_definition(request.tier)
        if request.found is not None and request.found > request.cost:  # what is given back is the contract's
            await self.store.settle(charge, (request.found,))
            spent[-1] = (self.now, request.found)

    def assert_within_definition(self, tier: int) -> None:
        """At this admission, and since each one before it: burst, and what came back meanwhile."""
        setting, total = self.settings[tier], 0
        for begun, cost in reversed(self.spent[tier]):
            total += cost
            assert (
                total * setting.period_ms <= setting.capacity * setting.period_ms + (self.now - begun) * setting.refill
            )

    def left(self, tier: int) -> int:
        """Whole tokens that there must be, by the definition alone: counted from the start, in exact units."""
        setting = self.settings[tier]
        level, at = setting.capacity * setting.period_ms, int(BORN)
        full = level
        for now, cost in (*self.spent[tier], (self.now, 0)):
            level = min(level + (now - at) * setting.refill, full) - cost * setting.period_ms
            at = now
        return level // setting.period_ms


@settings(max_examples=300, deadline=None)
@given(st.tuples(SETTINGS, SETTINGS), REQUESTS)
def test_no_limit_admits_more_than_it_is_defined_to_and_its_reserve_is_there_for_critical_requests(
    settings_of: tuple[Setting, Setting], requests: list[Request]
) -> None:
    async def history() -> None:
        traffic = Traffic(settings_of)
        for number, request in enumerate(requests):
            await traffic.send(number, request)

    asyncio.run(history())
