"""The scripts, as they are shipped."""

import hashlib
import re

import pytest

from guard.state.redis.scripts import ALL, Script


@pytest.mark.parametrize("script", ALL)
def test_a_script_is_known_by_the_digest_of_what_is_sent(script: Script) -> None:
    assert script.sha == hashlib.sha1(script.source, usedforsecurity=False).hexdigest().encode()


_KEYS = {
    *(b"KEYS[1]", b"KEYS[2]", b"KEYS[index]", b"KEYS[claim_index]", b"KEYS[debit.leases]", b"KEYS[crowd]"),
    *(b"key", b"crowd", b"unpack(KEYS)"),
}


@pytest.mark.parametrize("script", ALL)
def test_a_script_names_no_key_but_through_its_declared_keys(script: Script) -> None:
    called = re.findall(rb"redis\.p?call\('(\w+)'(?:, (unpack\(KEYS\)|[\w.\[\]]+))?", script.source)
    assert len(called) > 3
    assert {first for name, first in called if name != b"TIME"} <= _KEYS


def test_scripts_are_different() -> None:
    assert len({script.sha for script in ALL}) == 6
