"""`guard backtest` over a log of a million lines, of more keys than it tells apart: in bounded memory, and at least 200
times faster than a log of 100 requests a second was written.

The log comes through a pipe, which holds 64 KiB, so the program cannot be further than what was written; its memory
after a tenth of the lines and after all of them tells whether it keeps them.
"""

import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from tests.soak.verdict import Check, Say, Verdict, at_least, at_most
from tests.soak.watched import MIB, Watched

NAME = "long_backtest"

_LINES_A_SECOND = 100
_FASTER = 200
_GROWN_BYTES_MAX = 96 * MIB
"""For 100,000 keys in the tables, and the meters of those that are not full again."""

_POLICY = """\
version: 1
service: exchange
upstream: http://127.0.0.1:1
limits:
  ip: {per: [ip], rate: 50/s, burst: 100}
  key: {per: [key], rate: 1/10s, burst: 2}
routes:
  GET /v1/orders/{id}: {scope: read}
  POST /v1/orders: {scope: trade}
"""
_LINE = (
    '{"ts":"%s","id":"req_%022d","service":"exchange","policy":"3f2a91c","method":"POST","route":"POST /v1/orders",'
    '"status":200,"decision":"allow","reason":null,"shadow":[],"cost":1,"key":"gk_%09d…7f","account":"acme-%d",'
    '"ip":"10.%d.%d.%d","scheme":"guard-v1","skew_ms":12,"score":null,"guard_us":210,"upstream_us":1840,"bytes_in":211}\n'
)


class Size(msgspec.Struct, frozen=True):
    """How many lines. A sixth as many keys come three times and no more, and are denied once."""

    lines: int


FULL = Size(lines=1_000_000)
SMALL = Size(lines=30_000)


def run(size: Size, say: Say) -> Verdict:
    """Write a line after the other, and look at the reader."""
    with tempfile.TemporaryDirectory(prefix="guard-backtest-") as folder:
        policy = Path(folder) / "exchange.yaml"
        policy.write_text(_POLICY)
        command = [sys.executable, "-m", "guard", "backtest", str(policy), "--log", "-", "--json"]
        begun = time.monotonic()
        with subprocess.Popen(  # noqa: S603  # our own program
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        ) as reader:
            assert reader.stdin is not None
            assert reader.stdout is not None
            watched = Watched(reader.pid)
            tenth_bytes = 0
            for number in range(size.lines):
                reader.stdin.write(_line(number).encode())
                if number == size.lines // 10:
                    tenth_bytes = watched.held_bytes_max
                if number % 100_000 == 0:
                    say(f"{number:,} lines, {watched.held_bytes_max / MIB:.0f} MiB")
            reader.stdin.flush()
            cpu_s, peak_bytes = watched.cpu_s, watched.held_bytes_max
            reader.stdin.close()
            told = msgspec.json.decode(reader.stdout.read())
        lasted_s = time.monotonic() - begun
    say(f"{size.lines / lasted_s:,.0f} lines a second, {cpu_s:.1f} s of CPU, at most {peak_bytes / MIB:.0f} MiB")
    return Verdict(NAME, tuple(_checks(size, told, cpu_s, peak_bytes - tenth_bytes)))


def _line(number: int) -> str:
    at = datetime(2026, 11, 18, tzinfo=UTC) + timedelta(seconds=number / _LINES_A_SECOND)
    key = 1000 + number // 6 if number % 2 else number % 100  # half of all comes from few
    written = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return _LINE % (written, number, key, key % 5000, key >> 16, key >> 8 & 255, key & 255)


def _checks(size: Size, told: dict[str, object], cpu_s: float, grown_bytes: int) -> list[Check]:
    denied = told["newly_denied"]
    assert isinstance(denied, int)
    return [
        Check("lines judged: all", f"{told['lines']:,}", told["lines"] == size.lines),
        Check("newly denied: some, and not all", f"{denied:,}", 0 < denied < size.lines),
        at_most(
            "memory after the first tenth of the lines", round(grown_bytes / MIB, 1), _GROWN_BYTES_MAX / MIB, " MiB"
        ),
        at_least(
            "times faster than real time, by CPU", round(size.lines / _LINES_A_SECOND / cpu_s), _FASTER, timed=True
        ),
    ]
