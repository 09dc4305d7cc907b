"""The bounds are those that docs and ARCHITECTURE.md name."""

from guard.server.limits import Limits


def test_the_defaults_bound_everything() -> None:
    limits = Limits()
    assert (limits.head_bytes_max, limits.fields_max, limits.target_bytes_max) == (65536, 100, 16384)
    assert (limits.head_ms, limits.body_progress_ms, limits.idle_ms, limits.write_stall_ms) == (
        *(10_000, 10_000),
        *(75_000, 20_000),
    )
