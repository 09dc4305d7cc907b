"""What is started is stopped."""

import os
import signal
import sys
from pathlib import Path

import pytest

from loadtests.bench.gateway import wait_until
from loadtests.crowd import running
from loadtests.crowd.keys import LoadKey
from loadtests.crowd.running import end, gateway, started

_GRANDCHILD = "import subprocess, sys; print(subprocess.Popen(['sleep', '60']).pid, flush=True); "


def _lives(pid: int) -> bool:
    """Not gone, and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_ctrl_c_reaches_only_the_runner(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = started(["sleep", "60"], {**os.environ}, log=log.fileno())
    try:
        assert os.getpgid(process.pid) == process.pid != os.getpgid(0)
    finally:
        end(process)
    assert process.returncode == -signal.SIGTERM


def test_one_that_does_not_obey_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "STOP_S", 0.2)
    deaf = (
        _GRANDCHILD
        + "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
    )
    with (tmp_path / "log").open("wb") as log:
        process = started([sys.executable, "-c", deaf], {**os.environ}, log=log.fileno())
    wait_until(lambda: "deaf" in (tmp_path / "log").read_text(), 5.0)
    end(process)
    child = int((tmp_path / "log").read_text().split()[0])
    assert process.returncode == -signal.SIGKILL
    wait_until(lambda: not _lives(child), 2.0)


@pytest.mark.system
def test_a_policy_that_guard_refuses_is_told_and_its_log_says_why(tmp_path: Path) -> None:
    (tmp_path / "wrong.yaml").write_text("version: 1\nservice: s\n")
    (tmp_path / "home").mkdir()
    with (
        pytest.raises(RuntimeError, match="guard has ended with code 3"),
        gateway(tmp_path / "wrong.yaml", [LoadKey("k", "s" * 32, "a")], home=tmp_path / "home", log=tmp_path / "log"),
    ):
        pass
    assert "wrong.yaml" in (tmp_path / "log").read_text()


def test_what_outlives_its_parent_is_ended_too(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as log:
        process = started([sys.executable, "-c", _GRANDCHILD], {**os.environ}, log=log.fileno())
    process.wait()
    child = int((tmp_path / "log").read_text())
    assert _lives(child)
    end(process)
    wait_until(lambda: not _lives(child), 2.0)
