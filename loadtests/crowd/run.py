"""One scenario from start to verdict. Whatever it started has ended when it returns, also after Ctrl-C."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

import msgspec

from guard.model.policy import Service
from guard.policy.diagnostic import render
from guard.policy.load import Invalid
from guard.service.policies import read_rulebook
from loadtests.bench.gateway import free_port
from loadtests.crowd.allowance import over_admission
from loadtests.crowd.catalogue import ROOT, Scenario
from loadtests.crowd.hosts import keys_of_file
from loadtests.crowd.keys import Keys, every, minted
from loadtests.crowd.plan import VARIABLE, Plan, write_plan
from loadtests.crowd.progress import Progress
from loadtests.crowd.report import result_json, verdict_page
from loadtests.crowd.running import Gateway, end, gateway, started
from loadtests.crowd.shapes import users_max
from loadtests.crowd.tally import Tally, merged
from loadtests.crowd.verdict import Verdict, judge
from loadtests.crowd.wanted import Wanted

_LOOK_S = 0.2
_OVERTIME_S = 60
_STOP_TIMEOUT_S = 5


def run(wanted: Wanted) -> Verdict:
    """Runs it, and leaves reports in `out/SCENARIO`. Raises KeyboardInterrupt when it is told to stop, RuntimeError if
    no gateway can be started, Refusal for keys that cannot be used.
    """
    services = _services(wanted.scenario)
    directory = wanted.out / wanted.scenario.name
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    with ExitStack() as stack:
        stack.enter_context(_interrupted_by_sigterm())
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-loadtest-")))
        plan = _plan(wanted, home)
        write_plan(home / "plan.json", plan)
        running = _gateway(wanted, plan.keys, stack, home, directory)
        url = wanted.host or (running.url if running else "")
        errors = _locust(wanted, url, home / "plan.json", directory, running)
        tally = merged(msgspec.json.decode(file.read_bytes(), type=Tally) for file in sorted(Path(plan.seen).iterdir()))
    accounts = {key.id: key.account for key in every(plan.keys)}
    over = over_admission(services, tally.admitted, accounts)
    duration_s = max(1, wanted.duration_ms // 1000)
    verdict = judge(wanted.slo, tally, over=over, duration_s=duration_s, errors=errors)
    conditions = {
        "scenario": wanted.scenario.name,
        "seconds": duration_s,
        "users": wanted.users,
        "processes": wanted.processes,
        "cpus": os.cpu_count(),
        "at": time.strftime("%F %R"),
    }
    (directory / "verdict.md").write_text(verdict_page(verdict, tally, conditions))
    (directory / "result.json").write_text(result_json(verdict, tally, conditions, over))
    return verdict


def _plan(wanted: Wanted, home: Path) -> Plan:
    stages = wanted.scenario.shape(wanted.users, wanted.duration_ms)
    users, roles, seen = users_max(stages), wanted.scenario.roles, home / "seen"
    seen.mkdir()
    if wanted.keys_file is None:
        keys = minted(roles, users=users, workers=wanted.processes)
    else:
        keys = keys_of_file(wanted.keys_file, roles, users=users, workers=wanted.processes)
    return Plan(wanted.scenario.name, stages, dict(keys), str(seen))


def _gateway(wanted: Wanted, keys: Keys, stack: ExitStack, home: Path, directory: Path) -> Gateway | None:
    """Ours, if the load is not for another one."""
    if wanted.host is not None:
        return None
    (home / "guard").mkdir()
    ours = gateway(wanted.scenario.policy_file, every(keys), home=home / "guard", log=directory / "gateway.log")
    return stack.enter_context(ours)


def _locust(wanted: Wanted, url: str, plan: Path, directory: Path, gateway: Gateway | None) -> tuple[str, ...]:
    """Runs Locust without its web interface; what went wrong with it. Unexpected answers are the verdict's business."""
    port = free_port()
    command = [sys.executable, "-m", "locust", "-f", str(wanted.scenario.locustfile), "--headless", "--host", url]
    command += ["--csv", str(directory / "locust"), "--html", str(directory / "report.html"), "--only-summary"]
    command += ["--exit-code-on-error", "0", "--stop-timeout", str(_STOP_TIMEOUT_S)]
    if wanted.processes > 1:
        command += ["--processes", str(wanted.processes), "--master-bind-host", "127.0.0.1"]
        command += ["--master-bind-port", str(port), "--master-port", str(port), "--expect-workers-max-wait", "20"]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LOCUST_", "GUARD_"))}
    environment = {**kept, VARIABLE: str(plan), "PYTHONPATH": str(ROOT.parent)}
    with (directory / "locust.log").open("wb") as log:
        process = started(command, environment, log=log.fileno(), cwd=plan.parent)
        try:
            return _watch(wanted, process, directory, gateway)
        finally:
            end(process)


def _watch(
    wanted: Wanted, process: "subprocess.Popen[bytes]", directory: Path, gateway: Gateway | None
) -> tuple[str, ...]:
    """Until Locust has ended, or will not end, or has nobody to ask any more."""
    duration_s, began = wanted.duration_ms // 1000, time.monotonic()
    progress = Progress(wanted.scenario.name, duration_s, directory / "locust_stats.csv")
    try:
        while process.poll() is None:
            elapsed_s = int(time.monotonic() - began)
            progress.show(elapsed_s)
            if gateway is not None and gateway.process.poll() is not None:
                return (f"the gateway has ended with code {gateway.process.returncode}: see gateway.log",)
            if elapsed_s > duration_s + _OVERTIME_S:
                return (f"Locust has not ended {_OVERTIME_S} s after its time: see locust.log",)
            time.sleep(_LOOK_S)
    finally:
        progress.end()
    return () if process.returncode == 0 else (f"Locust has ended with code {process.returncode}: see locust.log",)


def _services(scenario: Scenario) -> tuple[Service, ...]:
    """The numbers of the scenario's policy. Raises RuntimeError if it is not valid."""
    os.environ.setdefault("BENCH_BACKEND", "http://127.0.0.1:9")  # where it forwards to does not matter here
    rules = read_rulebook(scenario.policy_file)
    if isinstance(rules, Invalid):
        raise RuntimeError(  # noqa: TRY004  # the policy is wrong, not a type
            "\n".join(render(diagnostic) for diagnostic in rules.diagnostics)
        )
    return rules.policies.services


@contextmanager
def _interrupted_by_sigterm() -> Iterator[None]:
    """SIGTERM does what Ctrl-C does, so that nothing is left running."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
