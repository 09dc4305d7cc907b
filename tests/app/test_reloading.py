"""SIGHUP and changed files have the policies read again; each attempt is counted and logged."""

import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from guard.app.gateway import open_gateway
from guard.app.reloading import began, reloading_by
from guard.edges.asgi import Gateway
from guard.model.keys import Secret
from guard.model.names import UnixMs
from guard.model.policy_versions import Narrowing
from guard.policy.load import fingerprint
from guard.policy.widening import narrowings
from guard.service.key_steps import By
from guard.service.policies import Rulebook, Rules
from guard.service.reloading import Demand, Outcome
from guard.settings import Settings
from guard.signing.audit_key import AuditKey
from guard.signing.policy_signature import sign_policies
from guard.state.database import DatabaseError
from guard.state.policy_history import Contents
from tests.app.test_gateway import POLICY, _status, rules
from tests.build import facts
from tests.edges.gateway import scope
from tests.service.ring import Ring, opened_ring
from tests.service.test_policy_consent import book
from tests.upstream.asking import until

OTHER = POLICY.replace("/v1/", "/v2/")


async def _answers(gateway: Gateway, path: bytes) -> int:
    return await _status(gateway, scope(facts("GET", path)))


def _settings(folder: Path, watch_ms: int = 0) -> Settings:
    return Settings(home=folder / "home", policies=folder / "policies", decision_log="none", policies_watch_ms=watch_ms)


async def test_sighup_has_the_files_read_again_and_messages_are_judged_by_what_they_say_now(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running):
        before = chosen.policies.digest
        assert await _answers(running.gateway, b"/v1/x") == 401
        (settings.policies / "exchange.yaml").write_text(OTHER)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: chosen.policies.digest != before)
        assert await _answers(running.gateway, b"/v1/x") == 404
        assert await _answers(running.gateway, b"/v2/x") == 401
        tally = running.meter.tally()
        assert tally.counts["guard_policy_reload_total", "swapped"] == 1
        assert tally.gauges[("guard_policy_last_reload_successful",)] == 1
        assert tally.gauges["guard_policy_info", chosen.policies.digest] == 1


async def test_changed_files_are_noticed_and_a_fault_in_them_leaves_the_last_good_ones(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path, watch_ms=5), rules(tmp_path / "policies")
    before = chosen.policies.digest
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        with capture_logs() as logs:
            (settings.policies / "exchange.yaml").write_text(POLICY.replace("scope", "scoop"))
            await until(lambda: reloading.stale is not None)
        [refused] = [line for line in logs if line["event"] == "policy.refused"]
        assert refused["faults"][0].startswith(f"{settings.policies / 'exchange.yaml'}:7:23: error[P101]")
        assert refused["why"] == "policy files have changed"
        assert chosen.policies.digest == before
        assert running.meter.tally().gauges[("guard_policy_last_reload_successful",)] == 0
        (settings.policies / "exchange.yaml").write_text(OTHER)
        await until(lambda: reloading.stale is None)
        assert chosen.policies.digest != before


async def test_a_list_beside_a_policy_is_followed_and_a_bad_line_in_it_leaves_the_last_good_one(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path, watch_ms=5), rules(tmp_path / "policies")
    deny = settings.policies / "deny.txt"
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        deny.write_text("198.51.100.0/24\n")
        (settings.policies / "exchange.yaml").write_text(f"{POLICY}client_ip: {{deny: file:deny.txt}}\n")
        await until(lambda: chosen.policies.services[0].client_ip.deny == ("198.51.100.0/24",))
        assert await _answers(running.gateway, b"/v1/x") == 401
        deny.write_text("192.0.2.0/24\n")
        await until(lambda: chosen.policies.services[0].client_ip.deny == ("192.0.2.0/24",))
        assert await _answers(running.gateway, b"/v1/x") == 403
        deny.write_text("nobody\n")
        await until(lambda: reloading.stale is not None)
        assert await _answers(running.gateway, b"/v1/x") == 403


async def test_policies_of_another_program_and_a_backend_that_cannot_be_made_are_refused(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        (settings.policies / "exchange.yaml").write_text(POLICY.replace("http://127.0.0.1:9", "app"))
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: reloading.stale is not None)
        assert "`upstream: app` is for GuardMiddleware" in reloading.degraded[0]


async def test_scopes_under_dual_control_follow_a_reload(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        (settings.policies / "exchange.yaml").write_text(POLICY + "dual_control: {scopes: [read]}\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: reloading.last is not None)
        assert await running.vault.releases.scopes() == {"read"}


async def test_a_reload_that_cannot_be_recorded_takes_no_scope_from_dual_control(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    file = settings.policies / "exchange.yaml"
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        file.write_text(POLICY + "dual_control: {scopes: [read]}\n")
        await reloading.reload(By("alice", "strict"))

        async def broken(*_: object, **__: object) -> None:
            raise DatabaseError("disk full")

        monkeypatch.setattr("guard.state.policy_history._write", broken)
        file.write_text(POLICY)
        assert (await reloading.reload(By("alice", "lax"))).outcome is Outcome.REFUSED
        assert await running.vault.releases.scopes() == {"read"}


async def test_a_database_that_cannot_be_written_keeps_the_rules_as_they_are(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    before = chosen.policies.digest
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        (settings.policies / "exchange.yaml").write_text(OTHER)
        await running.vault.close()
        (tmp_path / "home" / "guard.db").rename(tmp_path / "home" / "away.db")
        (tmp_path / "home" / "guard.db").mkdir()
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: reloading.last is not None)
        assert "cannot record it" in reloading.degraded[0]
        assert chosen.policies.digest == before


async def test_signals_are_the_servers_behind_whom_an_application_is_wrapped(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    heard: list[int] = []
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard.append, 1)
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running, at_sighup=False):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: heard == [1])
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    structlog.reset_defaults()


async def test_each_version_is_kept_with_who_when_why_and_what_it_changed_and_with_its_contents(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path), rules(tmp_path / "policies")
    before = chosen.current
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running):
        (settings.policies / "exchange.yaml").write_text(OTHER)
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: chosen.current is not before)
        second, first = await running.vault.policies.all()
        assert (first.digest, second.digest) == (before.policies.digest, chosen.policies.digest)
        assert (second.actor, second.why) == ("guard serve", "SIGHUP")
        assert second.summary == "weakens 1, tightens 1, renames 0, neutral 0"
        assert await running.vault.policies.files(first.digest) == before.files


async def test_a_reload_without_a_valid_signature_is_refused_and_a_new_signature_is_a_change(tmp_path: Path) -> None:
    settings, chosen = _settings(tmp_path, watch_ms=5), rules(tmp_path / "policies")
    key, signers = AuditKey(Secret(b"k" * 32)), tmp_path / "signers.pem"
    signers.write_text(key.public_pem())
    settings = settings.model_copy(update={"policy_signers_file": signers})
    before = chosen.policies.digest
    async with open_gateway(settings, chosen) as running, reloading_by(settings, running) as reloading:
        (settings.policies / "exchange.yaml").write_text(OTHER)
        await until(lambda: reloading.stale is not None)
        assert "(P193)" in reloading.degraded[0]
        assert chosen.policies.digest == before
        (settings.policies / "policies.sig").write_bytes(sign_policies({"exchange.yaml": OTHER.encode()}, key, 1))
        await until(lambda: reloading.stale is None)
        assert chosen.policies.digest != before
        back = await reloading.restore({"exchange.yaml": POLICY.encode()}, Demand(by=By("alice")))
        assert [one.code for one in back.diagnostics if one.severity == "error"] == ["P193"]


SHARED = Settings(state_url="redis://127.0.0.1:1", body_ms_max=10_000)


async def _windows_after_a_start(ring: Ring, found: Rulebook, settings: Settings = SHARED) -> dict[str, Narrowing]:
    rules = Rules(found)
    await began(ring.vault, rules, ring.now, settings)
    return narrowings(rules.policies)


async def test_a_node_that_starts_on_shared_state_holds_back_what_is_not_remembered_for_its_windows(
    tmp_path: Path,
) -> None:
    """Signed up to 10 s body, 1 s store and 1 s clock lead after the start, and older than was remembered."""
    async with opened_ring(tmp_path) as ring:
        assert await _windows_after_a_start(ring, book("5s")) == {}
        held = {"guard-v1": Narrowing(UnixMs(ring.now + 12_000), 5000)}
        assert await _windows_after_a_start(ring, book("9s")) == held
        ring.now = UnixMs(ring.now + 3000)
        assert await _windows_after_a_start(ring, book("9s")) == held
        assert await _windows_after_a_start(ring, book("8s")) == {
            "guard-v1": Narrowing(UnixMs(ring.now + 12_000), 5000)
        }
        unreadable = Contents("0000000", {"a.yaml": b"version: 9"})
        await ring.vault.policies.began(unreadable, By("x").deed("start", ring.now))
        assert await _windows_after_a_start(ring, book("9s")) == {"guard-v1": Narrowing(UnixMs(ring.now + 11_000), 0)}


async def test_a_node_that_starts_takes_no_version_for_its_own_that_only_shares_its_digest(tmp_path: Path) -> None:
    async with opened_ring(tmp_path) as ring:
        narrow, wide = book("5s"), book("9s")
        ground = Contents(fingerprint(wide.files)[:7].ljust(64, "0"), narrow.files)
        await ring.vault.policies.began(ground, By("x").deed("start", ring.now))
        held = {"guard-v1": Narrowing(UnixMs(ring.now + 12_000), 5000)}
        assert await _windows_after_a_start(ring, wide) == held


async def test_policies_that_hold_something_back_have_their_backends_before_they_are_in_force(tmp_path: Path) -> None:
    """A backend is found by its service, and these services are new ones."""
    async with opened_ring(tmp_path) as ring:
        await _windows_after_a_start(ring, book("5s"))
        rules = Rules(book("9s"))
        first, adopted = rules.base, []

        def prepare(rulebook: Rulebook) -> Callable[[], None]:
            return lambda: adopted.append((rulebook.policies, rules.base is first))

        await began(ring.vault, rules, ring.now, SHARED, prepare)
        assert rules.base is not first
        assert adopted == [(rules.base.policies, True)]


async def test_state_in_memory_begins_anew_with_its_process_and_nothing_is_held_back(tmp_path: Path) -> None:
    async with opened_ring(tmp_path) as ring:
        assert await _windows_after_a_start(ring, book("5s"), Settings()) == {}
        assert await _windows_after_a_start(ring, book("9s"), Settings()) == {}
