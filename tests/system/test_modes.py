"""A rule's mode that is overridden beside a running server is in force within a second, and ends by itself."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.gateway import NOBODY_URL, POLICIES, RunningGateway, eventually, running_gateway
from tests.system.recording_backend import RecordingBackend

pytestmark = pytest.mark.system

_WHY = ("--why", "a secret reason", "--json")


@pytest.fixture
def own(tmp_path: Path, backend: RecordingBackend, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunningGateway]:
    monkeypatch.setenv("GUARD_POLICIES", str(POLICIES))
    monkeypatch.setenv("BACKEND_URL", backend.url)
    monkeypatch.setenv("NOBODY_URL", NOBODY_URL)
    with running_gateway(tmp_path / "home", backend) as running:
        yield running


def _overridden(own: RunningGateway, *words: str) -> str:
    """The id of an override that is in force everywhere, which it is within a second."""
    told: dict[str, Any] = json.loads(own.guard("mode", *words, *_WHY))
    assert (told["nodes"]["in_force"], told["nodes"]["nodes"]) == (True, 1)
    assert told["nodes"]["after_ms"] <= 1400  # a second, and what a busy machine adds: `make faults` measures it
    return str(told["overrides"][0]["id"])


def _asked(own: RunningGateway) -> int:
    return own.ask(own.signed("GET", "/slow/1", host=b"limited.test")).status


def _exhausted(own: RunningGateway) -> None:
    """The limit `slow` has room for one request a second, and two at most."""
    eventually(lambda: _asked(own) == 429)


def _unlimited(own: RunningGateway) -> None:
    """Five in a row pass; a busy machine may poll its database late, and refuse one."""
    eventually(lambda: [_asked(own) for _ in range(5)] == [200] * 5, 2.0)


def test_a_limit_in_shadow_for_a_while_denies_nobody_and_then_denies_again_by_itself(own: RunningGateway) -> None:
    _exhausted(own)
    made = _overridden(own, "limits.slow", "shadow", "--for", "3s", "--service", "limited")
    _unlimited(own)
    ready = own.readyz()
    assert ready.status == 200
    assert json.loads(ready.body)["degraded"] == [f"mode: limits.slow is in shadow in limited by override {made}"]
    assert b"secret reason" not in ready.body
    eventually(lambda: [_asked(own) for _ in range(3)][-1] == 429, 6.0)
    assert json.loads(own.readyz().body)["degraded"] == []
    shadowed = [line for line in own.decisions() if line.get("shadow") == ["limit.slow"]]
    assert {line["decision"] for line in shadowed} == {"allow"}


def test_what_is_lifted_is_as_in_the_file_again_and_an_override_outlives_a_restart(
    own: RunningGateway,
) -> None:
    made = _overridden(own, "limits", "off", "--for", "1h")
    _unlimited(own)
    own.stop()
    own.start()
    _unlimited(own)
    _overridden(own, "lift", made)
    _exhausted(own)
