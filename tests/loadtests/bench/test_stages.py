"""Where the microseconds go, worked out by hand."""

from loadtests.bench.gateway import Spent
from loadtests.bench.load import Load, Sent
from loadtests.bench.stages import shares
from loadtests.bench.timed import STAGES, Timing


def test_what_no_stage_accounts_for_is_told() -> None:
    """200 µs a request, 50 in the kernel; one stage runs twice for 30 µs each, the others never."""
    sent = Sent(rps=1.0, answered=10_000, refused=0, p50_ms=1.0, p99_ms=1.0)
    timings = {stage: Timing(0, 0.0) for stage, _ in STAGES} | {"judge: verify": Timing(2000, 30_000.0)}
    lines = shares([Load(sent, Spent(1.5, 0.5))], timings, requests=1000).splitlines()
    assert "| judge: verify | 2.0 | 60.0 | 30% |" in lines
    assert lines[-3:] == [
        "| the event loop, and what no stage accounts for |  | 140.0 | 70% |",
        "| **in all** |  | **200.0** |  |",
        "| of it in the kernel |  | 50.0 | 25% |",
    ]
