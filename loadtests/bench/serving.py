"""guard alone in the foreground, set up for the benchmark: scheme, policy, 1,000 keys, a home of its own.

This process replaces itself by `guard serve`, so that whoever started it has guard's process id.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import yaml

HERE = Path(__file__).parent
RUN = HERE / ".run"
KEYS = 1000
BACKEND = "http://127.0.0.1:9100"
PROFILES = ("base", "real", "desk")
PARTS = ("log", "fields", "limits")
_NO_LOG = "none"


def secret(number: int) -> str:
    """The secret of the key of this number, as `../shared/bench/compare.py --write-keys` has it."""
    return f"secret-secret-secret-secret-{number}"


def account(number: int) -> str:
    """Ten keys belong to one account."""
    return f"account{number // 10}"


def main() -> None:
    """Set up a fresh home, and become guard. Refusals are guard's own, but for a port that is taken: code 1."""
    arguments = _arguments()
    if _taken(arguments.port):
        sys.exit(f"error: port {arguments.port} of 127.0.0.1 is taken: choose another --port, or stop what uses it")
    home = RUN / str(arguments.port)
    shutil.rmtree(home, ignore_errors=True)
    policies = home / "policies"
    shutil.copytree(HERE / "policies" / arguments.profile, policies)
    leave_out(policies / "bench.yaml", arguments.without)
    environment = {
        **environment_of(home, policies, arguments.port, arguments.backend),
        "GUARD_STATE_URL": arguments.state,
        "GUARD_STORE_MS_MAX": "250",
        "GUARD_DECISION_LOG": decision_log(home, arguments.profile, arguments.without),
    }
    if arguments.health_port:
        environment["GUARD_HEALTH_LISTEN"] = f"127.0.0.1:{arguments.health_port}"
    keys = [{"id": f"key{n}", "account": account(n), "secret": secret(n)} for n in range(KEYS)]
    try:
        import_keys(keys, home, environment)
    except subprocess.CalledProcessError as failed:
        shutil.rmtree(home)
        sys.exit(failed.returncode)
    program = ["loadtests.bench.timed", arguments.timed] if arguments.timed else ["guard"]
    os.execve(sys.executable, [sys.executable, "-m", *program, "serve"], environment)


def environment_of(home: Path, policies: Path, port: int, backend_url: str) -> dict[str, str]:
    """The settings of a gateway under load, and none of the settings of whoever starts it."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("GUARD_")},
        "BENCH_BACKEND": backend_url,
        "GUARD_HOME": str(home),
        "GUARD_POLICIES": str(policies),
        "GUARD_LISTEN": f"127.0.0.1:{port}",
        "GUARD_DECISION_LOG": _NO_LOG,
        "GUARD_LOG_LEVEL": "warning",
        "GUARD_ADMIN_LISTEN": "none",
    }


def import_keys(keys: Iterable[Mapping[str, object]], home: Path, environment: Mapping[str, str]) -> None:
    """Keys in the form of `guard keys import`, into the database of a home. Raises CalledProcessError."""
    file = home / "keys.jsonl"
    file.write_text("".join(json.dumps(key) + "\n" for key in keys))
    file.chmod(0o600)
    command = [sys.executable, "-m", "guard", "keys", "import", str(file), "--scopes", "trade"]
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)


def leave_out(policy: Path, parts: Sequence[str]) -> None:
    """Rewrite a policy without its RateLimit fields or its limits, to see what they cost."""
    document = yaml.safe_load(policy.read_text())
    limits = document["limits"]
    if "limits" in parts:
        document["limits"] = {name: limit for name, limit in limits.items() if "routes" in limit}
    if "fields" in parts:
        for limit in limits.values():
            limit["expose"] = False
    if parts:
        policy.write_text(yaml.safe_dump(document, sort_keys=False))


def decision_log(home: Path, profile: str, without: Sequence[str]) -> str:
    """Where decisions go: nowhere, but in the profile `real`."""
    return str(home / "decisions.jsonl") if profile == "real" and "log" not in without else _NO_LOG


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="loadtests/bench/serve", description=__doc__)
    parser.add_argument("--port", type=int, required=True, help="where to listen on 127.0.0.1")
    parser.add_argument("--state", default="memory://", metavar="URL", help="where nonces and buckets are")
    parser.add_argument("--profile", choices=PROFILES, default="base")
    parser.add_argument("--without", choices=PARTS, action="append", default=[], help="leave a part of `real` out")
    parser.add_argument("--backend", default=BACKEND, metavar="URL")
    parser.add_argument("--health-port", type=int, help="where to answer /readyz on 127.0.0.1")
    parser.add_argument("--timed", metavar="FILE", help="time the stages, and write the figures here (timed.py)")
    return parser.parse_args()


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


if __name__ == "__main__":
    main()
