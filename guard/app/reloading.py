"""What makes a gateway read its policies again: SIGHUP, files that have changed, and the admin API; all do the same.

A gateway in one process builds what other policies need itself; a supervisor hands them on to its workers, so that all
of them run the same contents, whatever the files say by then.
"""

import asyncio
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import msgspec
import structlog

from guard.app import onward
from guard.app.gateway import Running
from guard.app.onward import Misplaced
from guard.app.orders import following_orders
from guard.app.watching import watch
from guard.model.names import UnixMs
from guard.model.policy import PolicySet
from guard.model.policy_versions import Narrowing
from guard.policy.diagnostic import concise
from guard.policy.diff import summary
from guard.policy.load import Invalid, fingerprint
from guard.policy.schemes import rewritten_schemes
from guard.policy.widening import kept_narrow, narrowed_by, narrowings
from guard.service.admins import GATEWAY
from guard.service.dual_control import under_dual_control
from guard.service.key_steps import By
from guard.service.policies import Rulebook, Rules, read_rulebook, restored, rulebook_of
from guard.service.policy_consent import PolicyConsent, changes_between
from guard.service.reloading import (
    Attempt,
    Awaited,
    CannotTake,
    Demand,
    Outcome,
    Prepare,
    Record,
    Reloading,
    for_nobody,
)
from guard.settings import Settings
from guard.state.faults import StateError
from guard.state.policy_history import Contents
from guard.state.vault import Vault
from guard.telemetry.meter import Meter

STORE_MS = 1000
"""How long the store may take beside reading a body: no deadline of it is longer."""

_log = structlog.get_logger()


def reloading_of(
    settings: Settings,
    rules: Rules,
    prepare: onward.Prepare,
    record: Record,
    *,
    meter: Meter,
    now: Callable[[], UnixMs],
    read: Callable[[], Rulebook | Invalid] | None = None,
    consent: PolicyConsent | None = None,
) -> Reloading:
    """Reloading for a process that serves, or for its supervisor. `read` is where rules come from, if not the files."""
    meter.policy_reloaded(None, good=True)
    return Reloading(
        rules,
        read or (lambda: read_rulebook(settings.policies, settings.policy_signers_file)),
        _prepared(prepare),
        _recorded(record),
        now=now,
        under_way_ms=settings.body_ms_max + STORE_MS,
        awaited=for_nobody if consent is None else _awaited(consent),
        restored=lambda files: restored(files, settings.policy_signers_file),
        told=_telling(meter),
    )


@asynccontextmanager
async def reloading_by(
    settings: Settings,
    running: Running,
    *,
    read: Callable[[], Rulebook | Invalid] | None = None,
    at_sighup: bool = True,
) -> AsyncIterator[Reloading]:
    """A gateway in one process that reloads as `obeying` says, for the time of the block."""
    vault, rules, now = running.vault, running.rules, running.now
    record, consent = recording(vault, rules, now), PolicyConsent(vault, now=now, random=secrets.token_bytes)
    reloading = reloading_of(
        settings, rules, running.prepare, record, meter=running.meter, now=now, read=read, consent=consent
    )
    await began(vault, rules, now(), settings, running.prepare)
    async with (
        following_orders(reloading, vault, consent),
        obeying(settings, reloading, at_sighup=at_sighup),
    ):
        yield reloading


async def began(
    vault: Vault, rules: Rules, now: UnixMs, settings: Settings, prepare: onward.Prepare = lambda _: lambda: None
) -> None:
    """Write down what is in force from the start on, and hold back what must not be replayed.

    What shared state remembers is what the policies before had it remember; state in memory begins anew.
    """
    if settings.shares_state and (held := await _held(vault, rules.base, now, settings)):
        narrowed = holding_back(rules.base, held)
        prepare(narrowed)()
        rules.put(narrowed)
    await vault.policies.began(_contents(rules.base), By(GATEWAY, "start").deed("start", now))


async def _held(vault: Vault, current: Rulebook, now: UnixMs, settings: Settings) -> Mapping[str, Narrowing]:
    last = await vault.policies.last()
    if last is None:
        return {}
    if last.fingerprint == fingerprint(current.files):
        return last.held
    before = rulebook_of(last.files)
    old = PolicySet(services=(), digest="")  # of what cannot be read any more nothing is surely remembered
    if not isinstance(before, Invalid):
        old = narrowed_by(before.policies, last.held)
    under_way_ms = settings.body_ms_max + STORE_MS
    changed = rewritten_schemes(last.files, current.files)
    return narrowings(kept_narrow(current.policies, old, now, under_way_ms=under_way_ms, changed=changed))


def holding_back(rulebook: Rulebook, held: Mapping[str, Narrowing]) -> Rulebook:
    """The same rules, with what others hold back held back here too."""
    return msgspec.structs.replace(rulebook, policies=narrowed_by(rulebook.policies, held))


def recording(vault: Vault, rules: Rules, now: Callable[[], UnixMs]) -> Record:
    """Writes into the key database what is about to be in force, and what it needs there."""

    async def record(rulebook: Rulebook, demand: Demand) -> int:
        before, by = rules.base, demand.by
        deed = by.deed("rollback" if demand.everywhere else "reload", now())
        said = summary(changes_between(before, rulebook))
        scopes = under_dual_control(rulebook.policies.dual_control, by, now())
        return await vault.policies.add(
            _contents(before), _contents(rulebook), said, deed, ordered=demand.everywhere, also=scopes
        )

    return record


def _contents(rulebook: Rulebook) -> Contents:
    return Contents(fingerprint(rulebook.files), rulebook.files, narrowings(rulebook.policies))


@asynccontextmanager
async def obeying(settings: Settings, reloading: Reloading, *, at_sighup: bool = True) -> AsyncIterator[None]:
    """Reload when the files change, unless settings say otherwise, and at SIGHUP, for the time of the block."""
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[object]] = set()

    def reload(why: str) -> None:
        task: asyncio.Task[object] = loop.create_task(reloading.reload(By(GATEWAY, why)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if settings.policies_watch_ms:
        files = reloading.rules.base.files
        changed = lambda: reloading.reload(By(GATEWAY, "policy files have changed"))  # noqa: E731  # said where it is used
        tasks.add(loop.create_task(watch(settings.policies, settings.policies_watch_ms / 1000, changed, read=files)))
    if at_sighup:
        loop.add_signal_handler(signal.SIGHUP, reload, "SIGHUP")
    try:
        yield
    finally:
        if at_sighup:
            loop.remove_signal_handler(signal.SIGHUP)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _prepared(prepare: onward.Prepare) -> Prepare:
    def prepared(rulebook: Rulebook) -> Callable[[], object]:
        try:
            return prepare(rulebook)
        except (Misplaced, StateError, OSError, ValueError) as error:
            raise CannotTake(str(error)) from error

    return prepared


def _recorded(record: Record) -> Record:
    async def recorded(rulebook: Rulebook, demand: Demand) -> int:
        try:
            return await record(rulebook, demand)
        except StateError as error:
            raise CannotTake(f"the key database cannot record it: {error}") from error

    return recorded


def _awaited(consent: PolicyConsent) -> Awaited:
    async def awaited(before: Rulebook, after: Rulebook, by: By) -> str:
        try:
            release = await consent.awaited(before, after, by)
        except StateError as error:
            raise CannotTake(f"the key database cannot say who confirmed it: {error}") from error
        return "" if release is None else release.id

    return awaited


def _telling(meter: Meter) -> Callable[[Attempt], None]:
    """Each attempt is counted, and logged with all that is wrong."""

    def told(attempt: Attempt) -> None:
        refused = attempt.outcome is Outcome.REFUSED
        waits = attempt.outcome is Outcome.WAITING
        meter.policy_reloaded(attempt.outcome.value, good=not (refused or waits))
        said = {"policy": attempt.digest, "by": attempt.by.actor, "why": attempt.by.why}
        if waits:
            _log.warning("policy.waits", release=attempt.release, **said)
            return
        if not refused:
            _log.info("policy.reloaded", outcome=attempt.outcome.value, **said)
            return
        _log.error("policy.refused", error=attempt.why, faults=[concise(one) for one in attempt.diagnostics], **said)

    return told
