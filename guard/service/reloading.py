"""Other rules in the place of those in force: load → check → tests → build → swap, one at a time, and all or nothing.

Whatever goes wrong before the swap leaves the last good rules in force, and is remembered to be shown: a gateway whose
files are not what it runs says so until they are. The swap itself is two assignments without an await between them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid
from guard.policy.schemes import rewritten_schemes
from guard.policy.widening import kept_narrow
from guard.service.key_steps import By
from guard.service.policies import Rulebook, Rules, moved, restored

RECORD_MS: Final = 5000
"""How long writing a reload down may take: what is judged meanwhile is judged by the rules before."""


class Outcome(StrEnum):
    """What became of a reload: other rules are in force; it brought the same; nothing changed, because it waits for a
    second person, or was refused.
    """

    SWAPPED = "swapped"
    UNCHANGED = "unchanged"
    WAITING = "waiting"
    REFUSED = "refused"


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """Who wants other rules, and where: `everywhere` has all nodes take them; `ordered` follows one that did."""

    by: By
    everywhere: bool = False
    ordered: bool = False


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One reload. `digest` names what was in force after it; `why` says what refused rules that are in order, and
    `release` what they wait for.
    """

    outcome: Outcome
    at: UnixMs
    by: By
    digest: str
    diagnostics: tuple[Diagnostic, ...] = ()
    why: str = ""
    release: str = ""


class _Waiting(msgspec.Struct, frozen=True):
    found: Rulebook
    demand: Demand
    release: str


class CannotTake(Exception):  # noqa: N818  # a policy that does not fit here, not an error of ours
    """These policies are in order, and cannot be in force here. The text says why, and what to do."""


Prepare: TypeAlias = Callable[[Rulebook], Callable[[], object]]
"""Builds what rules need, and gives what puts it in place. Raises CannotTake, and then nothing has changed."""


Record: TypeAlias = Callable[[Rulebook, Demand], Awaitable[int]]
"""Writes down what is about to be in force, and by whom, and gives that version's number in history. Raises CannotTake
if it cannot, and then it will not be.
"""


Awaited: TypeAlias = Callable[[Rulebook, Rulebook, By], Awaitable[str]]
"""The release that this change waits for; empty if for none. Raises CannotTake if that is unknown."""


async def for_nobody(_: Rulebook, __: Rulebook, ___: By) -> str:
    """No change waits here."""
    return ""


class Reloading:
    """See the module. `read` is called in a thread; `told` hears of each attempt.

    `version` is the number in history of what was last put in force here; 0: nothing was.
    A message that was judged by the rules before may be under way for `under_way_ms` until it is remembered.
    """

    def __init__(
        self,
        rules: Rules,
        read: Callable[[], Rulebook | Invalid],
        prepare: Prepare,
        record: Record,
        *,
        now: Callable[[], UnixMs],
        under_way_ms: int = 0,
        awaited: Awaited = for_nobody,
        restored: Callable[[Mapping[str, bytes]], Rulebook | Invalid] = restored,
        told: Callable[[Attempt], object] = lambda _: None,
    ) -> None:
        self.rules = rules
        self.loaded_at = now()
        self.last: Attempt | None = None
        self.version = 0
        self._read = read
        self._prepare = prepare
        self._record = record
        self._now = now
        self._under_way_ms = under_way_ms
        self._awaited = awaited
        self._restored = restored
        self._told = told
        self._waiting: _Waiting | None = None
        self._one_at_a_time = asyncio.Lock()

    @property
    def stale(self) -> Attempt | None:
        """The last reload, if it was refused or waits: then the files are not what is in force."""
        last = self.last
        return last if last is not None and last.outcome in (Outcome.REFUSED, Outcome.WAITING) else None

    @property
    def waits_for(self) -> str:
        """The release that the last reload waits for; empty if for none."""
        return "" if self._waiting is None else self._waiting.release

    @property
    def degraded(self) -> tuple[str, ...]:
        """What an operator must know."""
        if self.stale is None:
            return ()
        if self.stale.outcome is Outcome.WAITING:
            return (f"policy: a change waits for a second person: `guard releases confirm {self.stale.release}`",)
        return (f"policy: stale, a reload was refused: {self.stale.why or _told_first(self.stale)}",)

    async def reload(self, by: By) -> Attempt:
        """Read the files, and put in force what they say, if it is in order. Never raises for what is in them."""
        return await self.take(self._read, Demand(by=by))

    async def take(self, read: Callable[[], Rulebook | Invalid], demand: Demand) -> Attempt:
        """The same for what `read`, called in a thread, finds elsewhere."""
        async with self._one_at_a_time:
            return await self._put(await asyncio.to_thread(read), demand)

    async def restore(self, files: Mapping[str, bytes], demand: Demand) -> Attempt:
        """The same for contents that were in force before, here or on another node."""
        return await self.take(lambda: self._restored(moved(files, self.rules.base.files)), demand)

    async def follow(self, version: int, files: Mapping[str, bytes], demand: Demand) -> None:
        """The same for a version that was ordered, unless what is in force was put there after it, or is the same."""
        async with self._one_at_a_time:
            before = self.rules.base.files
            if version > self.version and files != before:  # knockout: an_older_order_undoes_nothing
                await self._put(await asyncio.to_thread(self._restored, moved(files, before)), demand)

    async def again(self, release: str, by: By | None) -> None:
        """Make the change that waits for this release, exactly as it was read then, by these two; or, if it was not
        confirmed, have it wait no more.
        """
        async with self._one_at_a_time:
            waiting = self._waiting
            if waiting is None or waiting.release != release:
                return
            if by is not None:
                await self._put(waiting.found, msgspec.structs.replace(waiting.demand, by=by))
            else:
                self._ended(Outcome.REFUSED, waiting.demand.by, why=f"{release} was not confirmed")

    async def _put(self, found: Rulebook | Invalid, demand: Demand) -> Attempt:
        by = demand.by
        if isinstance(found, Invalid):
            return self._ended(Outcome.REFUSED, by, diagnostics=found.diagnostics)
        before = self.rules.base
        narrowed, version = self._narrowed(found, before), self.version
        try:
            adopt = self._prepare(narrowed)
            async with asyncio.timeout(RECORD_MS / 1000):
                release = "" if demand.ordered else await self._awaited(before, found, by)
                if release:  # knockout: a_change_that_waits_is_not_made
                    return self._ended(Outcome.WAITING, by, waiting=_Waiting(found, demand, release))
                if found.files != before.files or demand.everywhere:
                    version = await self._record(narrowed, demand)
        except CannotTake as cannot:
            return self._ended(Outcome.REFUSED, by, diagnostics=found.warnings, why=str(cannot))
        except TimeoutError:
            return self._ended(Outcome.REFUSED, by, diagnostics=found.warnings, why="the database did not answer")
        adopt()
        self.rules.put(narrowed)
        self.version = version
        if found.files == before.files:
            return self._ended(Outcome.UNCHANGED, by, diagnostics=found.warnings)
        self.loaded_at = self._now()
        return self._ended(Outcome.SWAPPED, by, diagnostics=found.warnings)

    def _narrowed(self, found: Rulebook, before: Rulebook) -> Rulebook:
        """Nothing that was accepted before becomes acceptable once more (`policy/widening.py`)."""
        changed = rewritten_schemes(before.files, found.files)
        policies: PolicySet = kept_narrow(
            found.policies, before.policies, self._now(), under_way_ms=self._under_way_ms + RECORD_MS, changed=changed
        )
        return found if policies is found.policies else msgspec.structs.replace(found, policies=policies)

    def _ended(
        self,
        outcome: Outcome,
        by: By,
        *,
        diagnostics: tuple[Diagnostic, ...] = (),
        why: str = "",
        waiting: _Waiting | None = None,
    ) -> Attempt:
        self._waiting = waiting
        self.last = Attempt(
            outcome=outcome,
            at=self._now(),
            by=by,
            digest=self.rules.policies.digest,
            diagnostics=diagnostics,
            why=why,
            release="" if waiting is None else waiting.release,
        )
        self._told(self.last)
        return self.last


def _told_first(attempt: Attempt) -> str:
    """Where the first fault is. What it says is for those who may see policies."""
    errors = [one for one in attempt.diagnostics if one.severity == "error"]
    first = errors[0]
    return f"{len(errors)} errors, the first at {first.file}:{first.line}:{first.column} ({first.code})"
