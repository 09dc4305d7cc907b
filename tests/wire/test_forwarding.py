import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.facts import Field
from guard.model.names import Address
from guard.wire.forwarding import answer_fields, request_fields
from guard.wire.hop_by_hop import HOP_BY_HOP
from guard.wire.owned_fields import (
    DROPPED_NAMES,
    DROPPED_PREFIXES,
    OWNED_NAMES,
    OWNED_PREFIXES,
    TO_BACKEND,
    TO_CLIENT,
    is_owned,
)
from tests.build import facts

HOST: Field = (b"host", b"gateway.test")
REGISTRY = sorted(OWNED_NAMES | {prefix + b"-x" for prefix in OWNED_PREFIXES} | set(TO_BACKEND) | set(TO_CLIENT))
DROPPED = sorted(DROPPED_NAMES | {prefix + b"-x" for prefix in DROPPED_PREFIXES})
ADDED = [
    (b"via", b"1.1 guard"),
    (b"forwarded", b"for=192.0.2.1;proto=http;host=gateway.test"),
    (b"x-forwarded-for", b"192.0.2.1"),
    (b"x-forwarded-proto", b"http"),
    (b"x-forwarded-host", b"gateway.test"),
]
IDENTITY: tuple[Field, ...] = ((b"guard-account", b"acme"), (b"guard-request-id", b"req_test"))


def forwarded(
    *fields: Field, secrets: frozenset[bytes] = frozenset(), drop: frozenset[bytes] = frozenset()
) -> list[Field]:
    message = facts(fields=(HOST, *fields))
    return request_fields(message, identity=IDENTITY, secrets=secrets, drop=drop, address=Address("192.0.2.1"))


def spellings(name: bytes) -> list[bytes]:
    return [name, name.replace(b"-", b"_"), name.replace(b"-", b".")]


def test_end_to_end_fields_pass_unchanged_and_in_order_and_identity_comes_last() -> None:
    own = [(b"cookie", b"a=1"), (b"x-mine", b""), (b"cookie", b"b=2"), (b"content-digest", b"sha-256=:x:")]
    assert forwarded(*own) == [HOST, *own, *ADDED, *IDENTITY]


@pytest.mark.parametrize("name", REGISTRY)
def test_no_inbound_copy_of_an_owned_field_reaches_the_backend(name: bytes) -> None:
    spoofed = [(spelling, b"spoofed") for spelling in spellings(name)]
    assert forwarded(*spoofed) == [HOST, *ADDED, *IDENTITY]


@pytest.mark.parametrize("name", DROPPED)
def test_no_field_that_a_backend_might_believe_reaches_it(name: bytes) -> None:
    spoofed = [(spelling, b"spoofed") for spelling in spellings(name)]
    assert forwarded(*spoofed) == [HOST, *ADDED, *IDENTITY]


@pytest.mark.parametrize(
    "name",
    [b"x-consumer-id", b"x-http-method", b"x-http-method-override", b"x-method-override", b"x-original-url", b"proxy"],
)
def test_consumer_method_and_url_overrides_are_among_them(name: bytes) -> None:
    assert (name, b"v") not in forwarded((name, b"v"))


@pytest.mark.parametrize("name", [*sorted(HOP_BY_HOP - {b"connection"}), b"expect", b"content-length"])
def test_hop_by_hop_fields_expect_and_framing_are_not_passed(name: bytes) -> None:
    assert forwarded((name, b"v")) == [HOST, *ADDED, *IDENTITY]


@pytest.mark.parametrize("value", [b"close, x-mine", b"X-Mine", b"x-mine\t,\tclose", b"te,x-mine,host,guard-account"])
def test_fields_that_connection_lists_are_not_passed_but_host_and_ours_are(value: bytes) -> None:
    assert forwarded((b"connection", value), (b"x-mine", b"v"), (b"x-other", b"v")) == [
        HOST,
        (b"x-other", b"v"),
        *ADDED,
        *IDENTITY,
    ]


def test_identity_arrives_whatever_connection_lists() -> None:
    everything = b", ".join(REGISTRY)
    assert forwarded((b"connection", everything)) == [HOST, *ADDED, *IDENTITY]


def test_secrets_and_the_policys_own_names_are_not_passed_in_any_spelling() -> None:
    sent = [(name, b"v") for name in (*spellings(b"x-api-key"), *spellings(b"x-internal"), b"x-mine")]
    passed = forwarded(*sent, secrets=frozenset({b"x-api-key"}), drop=frozenset({b"x_internal"}))
    assert passed == [HOST, (b"x-mine", b"v"), *ADDED, *IDENTITY]


def test_via_is_added_to_what_others_wrote() -> None:
    assert forwarded((b"via", b"1.0 edge")) == [HOST, (b"via", b"1.0 edge"), *ADDED, *IDENTITY]


@pytest.mark.parametrize(
    ("address", "authority", "secure", "expected"),
    [
        ("192.0.2.1", b"gateway.test", False, b"for=192.0.2.1;proto=http;host=gateway.test"),
        ("192.0.2.1", b"gateway.test:8443", True, b'for=192.0.2.1;proto=https;host="gateway.test:8443"'),
        ("2001:db8::1", b"[::1]:80", False, b'for="[2001:db8::1]";proto=http;host="[::1]:80"'),
        ("192.0.2.1", b"", False, b'for=192.0.2.1;proto=http;host=""'),
        ("192.0.2.1", b'a"\\', False, b'for=192.0.2.1;proto=http;host="a\\"\\\\"'),
    ],
)
def test_the_forwarding_fields_say_what_guard_knows(
    address: str, authority: bytes, *, secure: bool, expected: bytes
) -> None:
    message = facts(authority=authority, secure=secure, fields=((b"forwarded", b"for=1.1.1.1"), (b"host", authority)))
    passed = request_fields(message, identity=(), secrets=frozenset(), drop=frozenset(), address=Address(address))
    assert passed[2:] == [
        (b"forwarded", expected),
        (b"x-forwarded-for", address.encode()),
        (b"x-forwarded-proto", b"https" if secure else b"http"),
        (b"x-forwarded-host", authority),
    ]


def test_answers_keep_the_backends_end_to_end_fields_and_get_ours() -> None:
    backend = [(b"Content-Type", b"text/plain"), (b"Server", b"demo"), (b"Set-Cookie", b"a"), (b"set-cookie", b"b")]
    ours = ((b"guard-request-id", b"req_test"), (b"guard-sent", b"yes"))
    assert answer_fields([*backend, (b"content-length", b"5")], ours=ours) == [
        (b"content-type", b"text/plain"),
        (b"server", b"demo"),
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
        (b"content-length", b"5"),
        *ours,
    ]


@pytest.mark.parametrize("name", REGISTRY)
def test_a_backend_cannot_speak_for_guard(name: bytes) -> None:
    spoofed = [(spelling, b"spoofed") for spelling in (*spellings(name), name.upper(), name.title())]
    assert answer_fields(spoofed, ours=()) == []


@pytest.mark.parametrize("name", sorted(HOP_BY_HOP - {b"connection"}))
def test_answers_lose_hop_by_hop_fields(name: bytes) -> None:
    listed = [(b"Connection", b"close, X-Mine"), (b"X-MINE", b"v"), (name.title(), b"v"), (b"date", b"now")]
    assert answer_fields(listed, ours=()) == [(b"date", b"now")]


NAMES = st.sampled_from([*REGISTRY, *DROPPED, b"x-api-key", b"cookie", b"accept", b"Connection", b"te"])
ANY_SPELLING = st.builds(lambda name, mark: name.replace(b"-", mark), NAMES, st.sampled_from([b"-", b"_", b".", b"~"]))


@given(st.lists(st.tuples(ANY_SPELLING, st.sampled_from([b"spoofed", b"close", b"guard-account, x-forwarded-for"]))))
def test_whatever_is_sent_only_guard_writes_what_guard_owns(fields: list[Field]) -> None:
    passed = forwarded(*fields, secrets=frozenset({b"x-api-key"}))
    assert [field for field in passed if is_owned(field[0])] == [*ADDED[1:], *IDENTITY]
    assert passed[-2:] == list(IDENTITY)
    assert not any(b"api" in name for name, _ in passed)
