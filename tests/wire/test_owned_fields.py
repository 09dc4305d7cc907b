import pytest

from guard.wire.owned_fields import (
    DROPPED_NAMES,
    DROPPED_PREFIXES,
    OWNED_NAMES,
    OWNED_PREFIXES,
    TO_BACKEND,
    TO_CLIENT,
    fold,
    is_alias,
    is_owned,
)

REGISTRY = sorted(OWNED_NAMES | {prefix + b"-x" for prefix in OWNED_PREFIXES} | set(TO_BACKEND) | set(TO_CLIENT))


@pytest.mark.parametrize("name", REGISTRY)
def test_each_name_of_the_registry_is_owned_in_every_spelling(name: bytes) -> None:
    spellings = [name.upper(), name.title(), name.replace(b"-", b"_"), name.replace(b"-", b".")]
    assert all(map(is_owned, [name, *spellings]))


@pytest.mark.parametrize("name", [name for name in REGISTRY if b"-" in name])
def test_each_name_of_the_registry_has_aliases_but_case_makes_none(name: bytes) -> None:
    assert is_alias(name.replace(b"-", b"_"))
    assert is_alias(name.replace(b"-", b".", 1).upper())
    assert not is_alias(name)
    assert not is_alias(name.upper())


@pytest.mark.parametrize("name", [*TO_BACKEND, *TO_CLIENT])
def test_whatever_guard_writes_is_owned_by_guard(name: bytes) -> None:
    assert is_owned(name)


@pytest.mark.parametrize(
    "name",
    [
        b"host",
        b"x-api-key",
        b"x-mbx-apikey",
        b"authorization",
        b"content-digest",
        b"accept",
        b"guardian",
        b"x-guard-key",
    ],
)
def test_names_of_others_are_not_owned(name: bytes) -> None:
    assert not is_owned(name)
    assert not is_alias(name.replace(b"-", b"_"))


@pytest.mark.parametrize(
    "name", [b"x-real-ip", b"ratelimit", b"ratelimit-limit", b"ratelimit-policy", b"x-forwarded-for", b"forwarded"]
)
def test_the_names_that_the_contract_lists_are_owned(name: bytes) -> None:
    assert is_owned(name)


def test_folding_turns_case_and_each_punctuation_of_a_token_into_one_spelling() -> None:
    assert fold(b"X_Api.Key") == b"x-api-key"
    assert fold(b"!#$%&'*+-.^_`|~") == b"-" * 15


def test_dropped_names_are_canonical_and_nobody_owns_them() -> None:
    assert all(name == fold(name) for name in (*DROPPED_NAMES, *DROPPED_PREFIXES, *OWNED_NAMES, *OWNED_PREFIXES))
    assert not any(map(is_owned, DROPPED_NAMES))
