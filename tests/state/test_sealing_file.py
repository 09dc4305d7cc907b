import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.state.sealing_file import Roots, derived, read_roots, roots_of, written

ROOT = bytes(range(32))
ROOTS = Roots(b"p" * 32, b"t" * 32, (b"new" * 10 + b"xx", b"old" * 10 + b"xx"))


def encoded(key: bytes) -> bytes:
    return base64.b64encode(key)


def test_one_root_stands_for_all() -> None:
    roots = roots_of(ROOT)
    assert read_roots(encoded(ROOT) + b"\n") == read_roots(b" " + encoded(ROOT)) == roots
    assert roots.seals == (ROOT,)
    assert len({ROOT, roots.pepper, roots.log_tag}) == 3
    assert (roots.pepper, roots.log_tag) == (
        derived(ROOT, b"guard api-key pepper v1"),
        derived(ROOT, b"guard log tag v1"),
    )


def test_several_keys_are_listed_newest_first() -> None:
    assert written(ROOTS).splitlines() == [
        b"guard-sealing-key 2",
        b"pepper " + encoded(b"p" * 32),
        b"log-tag " + encoded(b"t" * 32),
        b"seals " + encoded(ROOTS.seals[0]),
        b"seals " + encoded(ROOTS.seals[1]),
    ]


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=3, max_size=9))
def test_what_is_written_is_read(keys: list[bytes]) -> None:
    roots = Roots(keys[0], keys[1], tuple(keys[2:]))
    assert read_roots(written(roots)) == roots


LINES = written(ROOTS).splitlines()


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"not base64!"],
        [encoded(bytes(31))],
        LINES[:1],
        LINES[:2],
        LINES[:3],
        LINES[1:],
        [b"guard-sealing-key 3", *LINES[1:]],
        [LINES[0], LINES[2], LINES[1], *LINES[3:]],
        [*LINES, b"x" + LINES[4]],
        [*LINES, b"seals " + encoded(bytes(33))],
        [*LINES, b"seals"],
        [*LINES[:3], b"", *LINES[3:]],
    ],
)
def test_anything_else_is_no_sealing_key(lines: list[bytes]) -> None:
    assert read_roots(b"\n".join(lines)) is None


def test_repr_shows_no_secret() -> None:
    assert repr(ROOTS) == "Roots(2)"
