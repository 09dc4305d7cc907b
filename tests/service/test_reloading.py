"""Other rules, all or nothing; and whoever was forgotten stays forgotten."""

import asyncio
from collections.abc import Callable
from functools import partial

import msgspec
import pytest

from guard.model.decision import Deny
from guard.model.facts import Facts
from guard.model.names import RequestId, UnixMs
from guard.model.policy import Bucket, PolicySet
from guard.policy.diagnostic import Diagnostic
from guard.policy.load import Invalid
from guard.service import reloading as reloading_module
from guard.service.judge import Judge
from guard.service.key_steps import By
from guard.service.policies import Rulebook, Rules
from guard.service.reloading import Attempt, CannotTake, Demand, Outcome, Reloading
from guard.state.memory import MemoryLimits
from tests.build import NOW, auth, limit, policies, record, route, service, signed
from tests.directory import Keys
from tests.line import SCHEMES
from tests.reloads import unwritten

BY = By("ops", "a change")
FAULT = Diagnostic(code="P101", message="unknown field `cots`", file="a.yaml", line=14, column=19)


def book(name: str, found: PolicySet | None = None) -> Rulebook:
    """Rules that their name tells from others."""
    chosen = msgspec.structs.replace(found or policies(), digest=name)
    return Rulebook(policies=chosen, schemes=SCHEMES, files={"a.yaml": name.encode()})


class Desk:
    """A reloading whose files say what `found` is, with all that it did."""

    def __init__(self, found: Rulebook | Invalid) -> None:
        self.rules = Rules(book("first"))
        self.found = found
        self.did: list[str] = []
        self.told: list[Attempt] = []
        self.refuses: Exception | None = None
        self.release = ""
        self.reloading = Reloading(
            *(self.rules, lambda: self.found, self._prepare, self._record),
            now=lambda: NOW,
            awaited=self._awaited,
            restored=lambda files: book(files["a.yaml"].decode()),
            told=self.told.append,
        )

    def _prepare(self, rulebook: Rulebook) -> Callable[[], object]:
        self.did.append(f"prepare {rulebook.policies.digest}")
        if self.refuses is not None:
            raise self.refuses
        return lambda: self.did.append(f"adopt {rulebook.policies.digest} over {self.rules.policies.digest}")

    async def _awaited(self, *_: object) -> str:
        return self.release

    async def _record(self, rulebook: Rulebook, demand: Demand) -> int:
        self.did.append(f"record {rulebook.policies.digest} by {demand.by.actor}")
        await asyncio.sleep(0)
        return 1


async def test_files_in_order_are_built_then_recorded_then_in_force() -> None:
    desk = Desk(book("second"))
    attempt = await desk.reloading.reload(BY)
    assert desk.did == ["prepare second", "record second by ops", "adopt second over first"]
    assert desk.rules.policies.digest == "second"
    assert (attempt.outcome, attempt.digest, attempt.by) == (Outcome.SWAPPED, "second", BY)
    assert desk.told == [attempt]
    assert desk.reloading.stale is None
    assert desk.reloading.degraded == ()


async def test_a_change_that_waits_is_made_when_it_is_confirmed_and_not_before() -> None:
    desk = Desk(book("second"))
    desk.release = "rel_1"
    attempt = await desk.reloading.reload(BY)
    assert (attempt.outcome, desk.reloading.waits_for, desk.rules.policies.digest) == (
        Outcome.WAITING,
        "rel_1",
        "first",
    )
    assert desk.did == ["prepare second"]
    desk.release = ""
    await desk.reloading.again("rel_1", By("ops, confirmed by sec", "a change"))
    assert (desk.reloading.waits_for, desk.rules.policies.digest) == ("", "second")


async def test_a_version_that_was_ordered_is_followed_unless_what_is_in_force_came_after_it() -> None:
    desk = Desk(book("second"))
    await desk.reloading.reload(BY)
    ordered = Demand(by=BY, ordered=True)
    for number, name, expected in ((1, "late", "second"), (2, "third", "third"), (3, "third", "third")):
        await desk.reloading.follow(number, {"a.yaml": name.encode()}, ordered)
        assert desk.rules.policies.digest == expected
    assert len(desk.told) == 2, "what is in force already was not put there again"


async def test_files_with_a_fault_change_nothing_and_the_fault_is_shown_until_it_is_gone() -> None:
    desk = Desk(Invalid((FAULT,)))
    attempt = await desk.reloading.reload(BY)
    assert (attempt.outcome, attempt.digest, attempt.diagnostics) == (Outcome.REFUSED, "first", (FAULT,))
    assert desk.did == []
    assert desk.reloading.stale is attempt
    assert desk.reloading.degraded == (
        "policy: stale, a reload was refused: 1 errors, the first at a.yaml:14:19 (P101)",
    )
    desk.found = desk.rules.current
    assert (await desk.reloading.reload(BY)).outcome is Outcome.UNCHANGED
    assert desk.reloading.stale is None


async def test_what_cannot_be_built_here_changes_nothing_and_is_not_recorded() -> None:
    desk = Desk(book("second"))
    desk.refuses = CannotTake("a.yaml: `upstream: app` is for GuardMiddleware")
    attempt = await desk.reloading.reload(BY)
    assert attempt.outcome is Outcome.REFUSED
    assert desk.did == ["prepare second"]
    assert desk.rules.policies.digest == "first"
    assert desk.reloading.degraded == (
        "policy: stale, a reload was refused: a.yaml: `upstream: app` is for GuardMiddleware",
    )


async def test_what_cannot_be_recorded_is_not_in_force(monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk(book("second"))
    monkeypatch.setattr(reloading_module, "RECORD_MS", 0)
    attempt = await desk.reloading.reload(BY)
    assert (attempt.outcome, attempt.why) == (Outcome.REFUSED, "the database did not answer")
    assert desk.rules.policies.digest == "first"


async def test_the_same_contents_are_built_again_and_are_no_change() -> None:
    """A certificate may have been replaced that they name."""
    desk = Desk(book("first"))
    attempt = await desk.reloading.reload(BY)
    assert attempt.outcome is Outcome.UNCHANGED
    assert desk.did == ["prepare first", "adopt first over first"]


async def test_two_reloads_at_once_are_one_after_the_other() -> None:
    desk = Desk(book("second"))
    await asyncio.gather(*(desk.reloading.take(partial(book, name), Demand(by=BY)) for name in ("second", "third")))
    assert desk.did[2::3] == ["adopt second over first", "adopt third over second"]


def _judged_by(rules: Rules, now: Callable[[], UnixMs]) -> Judge:
    return Judge(rules, Keys(record()), MemoryLimits(UnixMs(NOW - 1_000_000)), now)


def _order(number: int, at: UnixMs = NOW, *, nonce: int = -1) -> Facts:
    """Another message for each number; another order, unless it has the nonce of an earlier one."""
    written = f"{number if nonce < 0 else nonce:022d}"
    return signed(nonce=written, at=at, request_id=RequestId(f"req_{number}"))


async def _code(judge: Judge, message: Facts) -> str:
    async def read(_: object) -> object:
        raise AssertionError("the body is at hand")

    outcome = (await judge.judge(message, read)).outcome  # type: ignore[arg-type]
    return outcome.code if isinstance(outcome, Deny) else "allow"


async def test_a_wider_window_does_not_reopen_what_was_forgotten_under_the_narrower_one() -> None:
    now = NOW
    narrow = book("narrow", policies(service(route(auth=auth(past_ms=5000)))))
    wide = book("wide", policies(service(route(auth=auth(past_ms=60_000)))))
    rules = Rules(narrow)
    judge = _judged_by(rules, lambda: now)
    reloading = Reloading(rules, lambda: wide, lambda _: lambda: None, unwritten, now=lambda: now)
    assert await _code(judge, _order(1)) == "allow"
    now = UnixMs(NOW + 5001)
    assert (await reloading.reload(BY)).outcome is Outcome.SWAPPED
    assert await _code(judge, _order(2, nonce=1)) == "auth.stale"
    now = UnixMs(NOW + 30_000)
    later = UnixMs(NOW + 15_000)
    assert await _code(judge, _order(3, later)) == "allow"
    assert await _code(judge, _order(4, later, nonce=3)) == "auth.replayed"


@pytest.mark.parametrize(
    ("taken", "capacity", "left"),
    [(7, 12, 3), (3, 4, 4), (10, 1000, 0)],  # a larger burst fills no bucket; a smaller one clamps what is in it
)
async def test_buckets_survive_a_reload_that_edits_their_rate_and_burst(taken: int, capacity: int, left: int) -> None:
    def limited(capacity: int, refill: int) -> Rulebook:
        changed = msgspec.structs.replace(limit("key"), meter=Bucket(capacity, refill, 1000))
        return book(f"{capacity}/{refill}", policies(service(route(limits_principal=(changed,)))))

    rules = Rules(limited(10, 1))
    judge = _judged_by(rules, lambda: NOW)
    reloading = Reloading(rules, lambda: limited(capacity, 2), lambda _: lambda: None, unwritten, now=lambda: NOW)
    for number in range(taken):
        assert await _code(judge, _order(number)) == "allow"
    await reloading.reload(BY)
    passed = [await _code(judge, _order(number)) for number in range(20, 30)]
    assert passed == ["allow"] * left + ["limit.key"] * (10 - left)
