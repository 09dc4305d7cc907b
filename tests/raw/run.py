"""The raw HTTP attacks of ../shared/rawhttp and the public corpora of parsers and paths, against `guard serve` on free
ports of 127.0.0.1. Run by `make raw`; not one of pytest's tests, since it needs data that a clone does not have. What
guard does otherwise than a row asks, on purpose, stands with its reason in deviations.toml beside this file.
"""

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.ports import free_port
from tests.printed import say, say_table
from tests.raw import paths
from tests.system.recording_backend import recording_backend

ROOT = Path(__file__).resolve().parent.parent.parent
RAW = Path(os.environ.get("GUARD_RAWHTTP", ROOT.parent / "shared/rawhttp"))
PUBLIC = Path(os.environ.get("GUARD_PUBLIC_VECTORS", ROOT.parent / "shared/vectors/public"))
CORPORA, PATHS = PUBLIC / "http1", PUBLIC / "paths"
DEVIATIONS = Path(__file__).parent / "deviations.toml"
START_S = 20.0
STOP_S = 15.0

_HEAD = """version: 1
service: raw
upstream: {url: "${BACKEND_URL}", max_body: 1MiB}
auth: {scheme: api-key, api_key: {field: X-API-Key}, accept_replayable: true}
"""
CASES_POLICY = (
    _HEAD
    + """match: {hosts: [gateway.test]}
routes:
  ANY /open/{rest...}: {auth: none}
  ANY /private/{rest...}: {}
  ANY /ws/{rest...}: {}
"""
)
CORPUS_POLICY = (
    _HEAD
    + """routes:
  ANY /: {auth: none}
  ANY /{rest...}: {auth: none}
  ANY /private/{rest...}: {}
"""
)
"""The corpora's rows have paths and authorities of all kinds: what is asked there is what a message is, not whose."""

PATHS_POLICY = _HEAD + paths.POLICY_ROUTES

_EXPECTED = re.compile(r" not in \[[0-9, ]+\]$")
"""The runner's list of all statuses that would have done, at the end of what it says."""


class Gateway(NamedTuple):
    """A gateway that is ready, the port that its backend is to listen on, and the credentials that it accepts."""

    port: int
    origin_port: int
    credentials: tuple[str, str]


class Measured(NamedTuple):
    """What one file of cases came to: by every case's name, `ok` or what was wrong with it, and what is meant to be."""

    file: str
    outcomes: Mapping[str, str]
    deviations: Mapping[str, str]
    seconds: float

    @property
    def failed(self) -> dict[str, str]:
        """Cases that went wrong, and deviations that are none any more."""
        return {
            name: told if told != "ok" else "passes, so deviations.toml is wrong about it"
            for name, told in self.outcomes.items()
            if told != self.deviations.get(name, "ok")
        }

    @property
    def row(self) -> tuple[str, ...]:
        """File, cases, passed, failed, deviations, time."""
        passed = sum(told == "ok" for told in self.outcomes.values())
        deviating = sum(self.deviations.get(name) == told for name, told in self.outcomes.items())
        counts = (len(self.outcomes), passed, len(self.outcomes) - passed - deviating, deviating)
        return (self.file, *(str(count) for count in counts), f"{self.seconds:.0f} s")


def main() -> int:
    """Exit code 0 if every row passed, is a known deviation, or was skipped because its file is not there."""
    wanted = _arguments()
    missing = [path for path in (RAW / "raw_runner.py", RAW / "cases.json", CORPORA, PATHS) if not path.exists()]
    if missing:
        say(f"skipped: there is no {', '.join(str(path) for path in missing)} (GUARD_RAWHTTP, GUARD_PUBLIC_VECTORS)")
        return 0
    measured = []
    for file in wanted.file or ("cases", *sorted(path.stem for path in CORPORA.glob("*.json")), *paths.FILES):
        with tempfile.TemporaryDirectory(prefix="guard-raw-") as folder:
            measured.append(_measure(file, wanted, Path(folder)))
    _print_table(measured)
    if wanted.out:
        wanted.out.write_text(json.dumps({one.file: dict(one.outcomes) for one in measured}, indent=1))
    return int(any(one.failed for one in measured))


@contextmanager
def gateway(home: Path, policy: str, origin_port: int) -> Iterator[Gateway]:
    """`guard serve` with this policy and two keys, for the time of the block."""
    port, health_port = free_port(), free_port()
    (home / "policies").mkdir()
    (home / "policies" / "raw.yaml").write_text(policy)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("GUARD_")}
    environment = {**inherited, "GUARD_HOME": str(home), "BACKEND_URL": f"http://127.0.0.1:{origin_port}"}
    environment["GUARD_ADMIN_LISTEN"] = "none"
    credentials = (_import_key("raw-1", environment), _import_key("raw-2", environment))
    command = [sys.executable, "-m", "guard", "serve", "--policies", str(home / "policies")]
    command += ["--listen", f"127.0.0.1:{port}", "--health-listen", f"127.0.0.1:{health_port}"]
    command += ["--decision-log", str(home / "decisions.jsonl")]
    with (home / "stderr.log").open("wb") as stderr:
        process = subprocess.Popen(command, env=environment, stderr=stderr)  # noqa: S603  # our own program
    try:
        _wait_until_ready(process, health_port, home)
        yield Gateway(port, origin_port, credentials)
        if process.poll() is not None:
            raise SystemExit(f"guard serve ended meanwhile:\n{(home / 'stderr.log').read_text()}")
    finally:
        _stop(process)


def _import_key(key_id: str, environment: Mapping[str, str]) -> str:
    """A new bare key's credential: as long as those of cases.json, so that no length in a case changes."""
    secret = secrets.token_hex(13)
    command = [sys.executable, "-m", "guard", "keys", "import", "--id", key_id, "--account", key_id]
    command += ["--scopes", "read,trade", "--algorithm", "api-key", "--secret-stdin"]
    subprocess.run(  # noqa: S603  # our own program
        command, env=environment, input=secret.encode(), capture_output=True, timeout=STOP_S, check=True
    )
    return f"{key_id}.{secret}"


def _wait_until_ready(process: subprocess.Popen[bytes], health_port: int, home: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{health_port}/readyz", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"guard serve did not become ready:\n{(home / 'stderr.log').read_text()}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _measure(file: str, wanted: argparse.Namespace, folder: Path) -> Measured:
    begun = time.monotonic()
    if file in paths.FILES:
        with recording_backend() as backend, gateway(folder, PATHS_POLICY, backend.port) as running:
            outcomes = paths.outcomes(running.port, backend, PATHS, file)
    else:
        with gateway(folder, CASES_POLICY if file == "cases" else CORPUS_POLICY, free_port()) as running:
            outcomes = _outcomes(file, running, wanted, folder)
    return Measured(file, outcomes, _deviations(file), time.monotonic() - begun)


def _outcomes(file: str, running: Gateway, wanted: argparse.Namespace, folder: Path) -> dict[str, str]:
    out = folder / "out.json"
    command = [sys.executable, str(RAW / "raw_runner.py"), "run" if file == "cases" else "corpus"]
    command += ["--port", str(running.port), "--origin-port", str(running.origin_port), "--out", str(out)]
    if file == "cases":
        command += ["--cases", str(RAW / "cases.json"), "--key1", running.credentials[0]]
        command += ["--key2", running.credentials[1]]
        command += [] if wanted.slow else ["--skip-slow"]
        command += ["--group", wanted.group] if wanted.group else []
    else:
        command += ["--file", str(_unique_names(file, folder)), "--timeout", str(wanted.timeout)]
    # Its words are cut short, so what counts is out.json; its exit code says only that something failed.
    subprocess.run(command, stdout=subprocess.DEVNULL, check=False)  # noqa: S603  # the runner named by GUARD_RAWHTTP
    if not out.exists():
        raise SystemExit(f"{RAW / 'raw_runner.py'} did not finish {file}")
    return {name: _EXPECTED.sub("", told) for name, told in json.loads(out.read_text()).items()}


def _deviations(file: str) -> dict[str, str]:
    """What the runner says of the rows that guard means to answer otherwise: these words excuse them, no others do."""
    listed = tomllib.loads(DEVIATIONS.read_text())["deviation"]
    return {name: one["outcome"] for one in listed if one["file"] == file for name in one["rows"]}


def _unique_names(file: str, folder: Path) -> Path:
    """The corpus with `#2` behind a name that stands there twice: the runner keeps one outcome a name."""
    read = json.loads((CORPORA / f"{file}.json").read_text())
    cases = read["cases"] if isinstance(read, dict) else read
    seen: Counter[str] = Counter()
    for case in cases:
        name = case["name"]
        seen[name] += 1
        case["name"] = name if seen[name] == 1 else f"{name} #{seen[name]}"
    copy = folder / f"{file}.json"
    copy.write_text(json.dumps(cases))
    return copy


def _print_table(measured: list[Measured]) -> None:
    for one in measured:
        for name, told in one.failed.items():
            say(f"{one.file}: {name}: {told}")
    say_table([("file", "cases", "passed", "failed", "deviations", "time"), *(one.row for one in measured)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--file", action="append", help="`cases`, or a corpus by its name; may be given several times")
    parser.add_argument("--group", help="only these groups of cases.json, separated by commas")
    parser.add_argument("--slow", action="store_true", help="also the cases that wait longer than ten seconds")
    parser.add_argument("--timeout", type=float, default=1.0, help="seconds to wait for an answer in the corpora")
    parser.add_argument("--out", type=Path, help="write every case's outcome to this file, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
