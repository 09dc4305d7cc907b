from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.facts import Transport
from guard.model.keys import KeyAlgorithm
from guard.model.policy import Window
from guard.signing.profile import ProfileFault, compile_profile
from guard.signing.scheme import Guarantee
from tests.build import profile, scheme
from tests.signing.dialects import FRAMES, KEYED, MESSAGES, compiled

_API_KEY = profile("api-key")
_BINANCE = profile("binance")


def _fault(written: dict[str, Any], **changes: Any) -> tuple[tuple[str | int, ...], str]:
    with pytest.raises(ProfileFault) as fault:
        compile_profile("dialect", {**written, **changes}, {})
    return fault.value.path, fault.value.message


def test_guard_v1_binds_everything_and_verifies_at_the_head() -> None:
    ours = scheme("guard-v1")
    assert ours.transport is Transport.HTTP
    assert ours.guarantee is Guarantee.EXACT
    assert ours.unbound == frozenset()
    assert (ours.needs_body, ours.has_nonce, ours.has_time, ours.has_content_digest) == (False, True, True, True)
    assert (ours.window_default, ours.window_past_ms_max) == (Window(5000, 1000), 60_000)
    assert ours.algorithms == {KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.ED25519}
    assert ours.credential_fields == {
        b"guard-key",
        b"guard-signature",
        b"guard-timestamp",
        b"guard-expires",
        b"guard-nonce",
        b"content-digest",
    }
    assert ours.secret_fields == frozenset()


def test_binance_is_one_profile_for_three_kinds_of_key() -> None:
    theirs = scheme("binance")
    assert theirs.guarantee is Guarantee.WINDOW
    assert theirs.unbound == {"method", "path", "authority", "key"}
    assert (theirs.needs_body, theirs.has_nonce, theirs.has_time) == (True, False, True)
    assert (theirs.window_default, theirs.window_past_ms_max) == (Window(5000, 1000), 60_000)
    assert theirs.algorithms == {KeyAlgorithm.HMAC_SHA256, KeyAlgorithm.ED25519, KeyAlgorithm.RSA}
    assert theirs.credential_fields == {b"x-mbx-apikey"}


def test_an_api_key_is_a_secret_that_signs_nothing() -> None:
    bare = scheme("api-key")
    assert bare.guarantee is Guarantee.NONE
    assert bare.unbound == {"method", "path", "query", "body", "authority"}
    assert bare.secret_fields == bare.credential_fields == {b"guard-api-key"}
    assert (bare.needs_body, bare.has_nonce, bare.has_time) == (False, False, False)


def test_a_policy_may_name_another_field_for_api_keys() -> None:
    named = compiled(_API_KEY, take={"credential": ["header:X-API-Key"]})
    assert named.secret_fields == {b"x-api-key"}


def test_a_bearer_token_is_never_forwarded() -> None:
    take = {**KEYED["take"], "token": ["header:Authorization|bearer"]}
    bearer = compiled(KEYED, take=take, unbound=["token"])
    assert bearer.secret_fields == {b"authorization"}


@pytest.mark.parametrize("dialect", [KEYED, MESSAGES, FRAMES])
def test_each_transport_has_schemes(dialect: dict[str, Any]) -> None:
    assert compiled(dialect).transport == dialect["transport"]


def test_a_user_may_extend_a_shipped_scheme() -> None:
    child = {"extends": "binance", "algorithms": {"rsa": {"encoding": "base64"}}, "time": {"past_ms": 10_000}}
    scheme_ = compile_profile("own", child, {"binance": _BINANCE})
    assert scheme_.window_default == Window(10_000, 1000)
    assert scheme_.unbound == scheme("binance").unbound


@pytest.mark.parametrize(
    "unbound", [[], ["method", "path", "authority"], ["method", "path", "authority", "key", "body"]]
)
def test_a_profile_must_admit_exactly_what_it_does_not_sign(unbound: list[str]) -> None:
    path, message = _fault(_BINANCE, unbound=unbound)
    assert path == ("unbound",)
    assert "[authority, key, method, path]" in message


@pytest.mark.parametrize(
    "part", ["{method}", "{authority}", "{target}", "{content_digest}", "{key}", "{timestamp}", "{nonce}", "{expires}"]
)
def test_leaving_any_part_out_of_the_base_of_guard_v1_is_noticed(part: str) -> None:
    ours = profile("guard-v1")
    assert _fault(ours, base=ours["base"].replace(part, ""))[0] == ("unbound",)


@pytest.mark.parametrize(
    ("dialect", "changes", "path"),
    [
        (KEYED, {"take": {**KEYED["take"], "key": ["form:key"]}}, ("take", "key", 0)),
        (KEYED, {"take": {**KEYED["take"], "key": ["header:K", "json:/key"]}}, ("take", "key", 1)),
        (KEYED, {"take": {**KEYED["take"], "path": ["header:P"]}}, ("take", "path")),
        (KEYED, {"take": {**KEYED["take"], "Key": ["header:P"]}}, ("take", "Key")),
        (KEYED, {"take": {**KEYED["take"], "passphrase": ["header:P"]}}, ("take", "passphrase")),
        (KEYED, {"take": {**KEYED["take"], "nonce": []}}, ("take", "nonce")),
        (KEYED, {"take": {**KEYED["take"], "nonce": ["ws:/nonce"]}}, ("take", "nonce", 0)),
        (KEYED, {"take": {**KEYED["take"], "content_digest": ["header:Digest"]}}, ("take", "content_digest", 0)),
        (KEYED, {"take": {"key": ["header:K"]}}, ("take",)),
        (KEYED, {"take": {"signature": ["header:K"]}}, ("take",)),
        (KEYED, {"take": {**KEYED["take"], "credential": ["header:K"]}}, ("take",)),
        (KEYED, {"take": {**KEYED["take"], "key": ["header:K"], "signature": ["header:k"]}}, ("take",)),
        (KEYED, {"take": {"key": ["header:K"], "signature": ["header:S"], "window": ["header:W"]}}, ("take",)),
        (KEYED, {"time": None}, ("time",)),
        (KEYED, {"base": None}, ("base",)),
        (KEYED, {"base": "{sha1(body)}"}, ("base",)),
        (KEYED, {"base": "{signature}"}, ("base",)),
        (KEYED, {"base": "{nobody}"}, ("base",)),
        (KEYED, {"optional": ["key"]}, ("optional", 0)),
        (KEYED, {"optional": ["nonce", "timestamp"]}, ("optional", 1)),
        (KEYED, {"optional": ["nobody"]}, ("optional", 0)),
        (KEYED, {"optional": ["nonce"]}, ("guarantee",)),
        (KEYED, {"formats": {"nobody": "a"}}, ("formats", "nobody")),
        (KEYED, {"formats": {"nonce": "(a+)+"}}, ("formats", "nonce")),
        (KEYED, {"formats": {"timestamp": "[0-9]{13}"}}, ("formats",)),
        (KEYED, {"decode": {"nobody": "percent"}}, ("decode", "nobody")),
        (KEYED, {"shape": {"query_names": "(a"}}, ("shape", "query_names")),
        (KEYED, {"base": KEYED["base"] + "{raw_query}{body}"}, ("shape",)),
        (
            KEYED,
            {"algorithms": {"ed25519": {"encoding": "hex", "signature": "hmac-sha256"}}},
            ("algorithms", "ed25519", "signature"),
        ),
        (KEYED, {"algorithms": {"ed25519": {"encoding": "raw"}}}, ("algorithms", "ed25519", "encoding")),
        (
            KEYED,
            {"algorithms": {"ed25519": {"encoding": "hex", "secret": "base64"}}},
            ("algorithms", "ed25519", "secret"),
        ),
        (KEYED, {"algorithms": {"api-key": {"encoding": "raw"}}}, ("algorithms", "api-key")),
        (KEYED, {"algorithms": {}}, ("algorithms",)),
        (KEYED, {"time": {**KEYED["time"], "past_ms": 0}}, ("time",)),
        (KEYED, {"time": {**KEYED["time"], "past_ms": 60_001}}, ("time",)),
        (KEYED, {"time": {**KEYED["time"], "future_ms": -1}}, ("time",)),
        (_API_KEY, {"algorithms": {"api-key": {"encoding": "hex"}}}, ("algorithms", "api-key", "encoding")),
        (_API_KEY, {"algorithms": {"hmac-sha256": {"encoding": "hex"}}}, ("take",)),
        (_API_KEY, {"base": "{path}"}, ("base",)),
        (_API_KEY, {"guarantee": "window"}, ("guarantee",)),
        (_API_KEY, {"guarantee": "exact"}, ("guarantee",)),
        (_BINANCE, {"guarantee": "exact"}, ("guarantee",)),
        (_BINANCE, {"shape": {"get_body": "refuse"}}, ("shape",)),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused_where_it_stands(
    dialect: dict[str, Any], changes: dict[str, Any], path: tuple[str | int, ...]
) -> None:
    assert _fault(dialect, **changes)[0] == path


def test_a_time_that_is_not_signed_is_worth_nothing() -> None:
    """BYPASSES.md A25: freshness that is read from a field beside the signature."""
    take = {**profile("binance")["take"], "timestamp": ["header:X-Date"]}
    unbound = ["method", "path", "authority", "key", "timestamp"]
    assert _fault(_BINANCE, take=take, unbound=unbound)[0] == ("guarantee",)
    assert compiled(_BINANCE, take=take, unbound=unbound, guarantee="none").guarantee is Guarantee.NONE


def test_bytes_cannot_move_where_neither_kind_of_request_has_both_parts() -> None:
    shape = {"get_body": "refuse", "post_query": "refuse"}
    assert compiled(_BINANCE, shape=shape).shape.post_query


def test_an_hmac_may_be_of_another_size_than_its_key_says() -> None:
    algorithms = {"hmac-sha512": {"encoding": "hex", "signature": "hmac-sha384"}}
    assert compiled(KEYED, algorithms=algorithms).forms[KeyAlgorithm.HMAC_SHA512].algorithm == "hmac-sha384"


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@given(st.sampled_from(sorted(KEYED)), _VALUES)
def test_any_data_compiles_or_is_refused(key: str, value: object) -> None:
    try:
        compiled(KEYED, **{key: value})
    except ProfileFault:
        return
