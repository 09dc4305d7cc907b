"""A key does no more than it is kept to."""

import pytest
from msgspec import structs

from guard.model.facts import Facts
from guard.model.keys import Bounds, KeyAlgorithm, KeyRecord, KeyUse, Secret
from guard.model.names import KeyId
from guard.model.policy import PolicySet
from guard.model.resources import ANY, InBody, InQuery, Resources
from guard.signing.specimens import specimen
from guard.signing.writing import Request, Signer
from tests.build import NOW, auth, facts, policies, record, route, scheme, service, signed
from tests.line import code, decided

REFUSED = {"authz.bounds", "auth.malformed", "auth.bad_signature", "auth.bad_digest", "request.malformed"}
READS, CANCELS = (KeyUse.READS,), (KeyUse.CANCELS,)


def _rules() -> PolicySet:
    return policies(
        service(
            route("POST", "/v1/orders"),
            route("GET", "/v1/orders", scope="read"),
            route("DELETE", "/v1/orders", critical=True),
        )
    )


@pytest.mark.parametrize(
    ("uses", "order", "read", "cancel"),
    [
        ((), "allow", "allow", "allow"),
        (READS, "authz.bounds", "allow", "authz.bounds"),
        (CANCELS, "authz.bounds", "authz.bounds", "allow"),
        ((*READS, *CANCELS), "authz.bounds", "allow", "allow"),
    ],
)
def test_a_key_is_for_the_uses_that_it_is_kept_to_and_for_all_if_none_is_named(
    uses: tuple[KeyUse, ...], order: str, read: str, cancel: str
) -> None:
    key = record(bounds=Bounds(uses=uses))
    outcomes = [code(decided(signed(verb), rules=_rules(), key=key, body=b"")) for verb in ("POST", "GET", "DELETE")]
    assert outcomes == [order, read, cancel]


def test_a_key_that_is_kept_to_a_resource_does_nothing_where_the_route_does_not_say_which_it_is_about() -> None:
    key = record(bounds=Bounds(only={"symbol": ("BTC-USD",)}))
    assert code(decided(signed(), rules=_rules(), key=key, body=b"")) == "authz.bounds"
    assert code(decided(signed("GET"), rules=_rules(), key=key, body=b"")) == "authz.bounds"


def _about_symbols() -> PolicySet:
    told: Resources = {"symbol": (InQuery("symbol"), InBody(("symbol",)))}
    return policies(
        service(
            route("POST", "/v1/orders", auth=auth("guard-v1", "binance", "api-key"), resources=told),
            route("GET", "/v1/account", resources={"symbol": ANY}),
        )
    )


def test_a_key_that_is_kept_to_a_resource_acts_on_what_it_is_kept_to() -> None:
    key = record(bounds=Bounds(only={"symbol": ("BTC-USD",)}))
    outcomes = [
        code(decided(signed(query=query), rules=_about_symbols(), key=key, body=b""))
        for query in (b"symbol=BTC-USD", b"symbol=ETH-USD", None)
    ]
    assert outcomes == ["allow", "authz.bounds", "authz.bounds"]


def test_a_route_that_is_not_about_a_resource_is_for_every_key() -> None:
    message = signed("GET", b"/v1/account", query=b"symbol=ETH-USD")
    key = record(bounds=Bounds(only={"symbol": ("BTC-USD",)}))
    assert code(decided(message, rules=_about_symbols(), key=key, body=b"")) == "allow"
    both = record(bounds=Bounds(only={"side": ("buy",), "symbol": ("BTC-USD",)}))
    assert code(decided(message, rules=_about_symbols(), key=both, body=b"")) == "authz.bounds"


def test_a_key_that_is_kept_to_nothing_may_say_anything() -> None:
    message = signed(query=b"symbol=ETH-USD&symbol=;")
    assert code(decided(message, rules=_about_symbols(), key=record(), body=b"")) == "allow"
    assert code(decided(message, rules=_about_symbols(), key=record(bounds=Bounds()), body=b"")) == "allow"


@pytest.mark.parametrize("name", ["guard-v1", "binance", "api-key"])
@pytest.mark.parametrize(
    ("query", "body", "outcome"),
    [
        (b"symbol=BTC-USD", b"", "allow"),
        (None, b"symbol=BTC-USD", "allow"),
        (b"symbol=ETH-USD", b"", "authz.bounds"),
        (None, b"symbol=ETH-USD", "authz.bounds"),
        (None, b"symbol=BTC-USD;symbol=ETH-USD", "authz.bounds"),
        (None, b"x=1", "authz.bounds"),
    ],
)
def test_no_scheme_lets_a_key_say_one_value_and_do_another(
    name: str, query: bytes | None, body: bytes, outcome: str
) -> None:
    key, message, whole = _by(name, query, body)
    assert code(decided(message, rules=_about_symbols(), key=key, body=whole)) == outcome
    smuggled = structs.replace(message, query=(message.query or b"") + b"&symbol=ETH-USD")
    assert code(decided(smuggled, rules=_about_symbols(), key=key, body=whole)) in REFUSED
    altered = structs.replace(message, body=whole + b"&symbol=ETH-USD")
    assert code(decided(altered, rules=_about_symbols(), key=key, body=whole + b"&symbol=ETH-USD")) in REFUSED


def _by(name: str, query: bytes | None, body: bytes) -> tuple[KeyRecord, Facts, bytes]:
    """A message of each scheme, signed by a key that is kept to BTC-USD."""
    kind = KeyAlgorithm.API_KEY if name == "api-key" else KeyAlgorithm.HMAC_SHA256
    made = specimen("t1", kind)
    key = record(
        id=KeyId("t1"),
        algorithm=kind,
        material=Secret(made.material),
        bounds=Bounds(only={"symbol": ("BTC-USD",)}),
    )
    request = Request(
        method="POST",
        path=b"/v1/orders",
        query=query,
        authority=b"gateway.test",
        fields=((b"content-type", b"application/x-www-form-urlencoded"),) if body else (),
        body=body,
    )
    sent = Signer(scheme=scheme(name), key_id=KeyId("t1"), key=made).sign(request, NOW, 1, None)
    fields = tuple((field.lower(), value) for field, value in sent.fields)
    return key, facts(query=sent.query, fields=fields, body=sent.body), sent.body


def test_only_the_holder_of_the_key_is_told_what_it_is_kept_to() -> None:
    key = record(bounds=Bounds(uses=READS))
    assert code(decided(signed(secret=b"not the secret at all"), rules=_rules(), key=key)) == "auth.bad_signature"
