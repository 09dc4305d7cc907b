"""One set of credentials, of a scheme that the route accepts, well-formed."""

from guard.model.decision import Deny
from guard.model.keys import KeyAlgorithm, Secret
from tests.build import NOW, auth, facts, policies, record, route, service, signed
from tests.line import code, decided

_BOTH = policies(service(route(auth=auth("guard-v1", "binance"), scope=None)))


def test_no_credentials_on_a_route_that_needs_them_says_which_schemes_it_accepts() -> None:
    denied = decided(facts())
    assert isinstance(denied, Deny)
    assert denied.code == "auth.missing"
    assert "guard-v1" in denied.detail


def test_credentials_of_a_scheme_that_the_route_does_not_accept_count_for_nothing() -> None:
    only_binance = policies(service(route(auth=auth("binance"), scope=None)))
    assert code(decided(signed(), rules=only_binance)) == "auth.missing"


def test_two_credentials_in_two_places_are_refused() -> None:
    both = signed(query=b"timestamp=1900000000000&signature=" + b"0" * 64, fields=((b"x-mbx-apikey", b"k"),))
    assert code(decided(both, rules=_BOTH, body=b"")) == "request.malformed"


def test_a_field_that_is_sent_twice_is_refused_even_if_equal() -> None:
    message = signed()
    twice = facts(fields=(*message.fields, next(f for f in message.fields if f[0] == b"guard-timestamp")))
    assert code(decided(twice, body=b"")) == "request.malformed"


def test_credentials_of_the_wrong_form_are_malformed() -> None:
    message = signed(nonce="too-short")
    assert code(decided(message, body=b"")) == "auth.malformed"


def test_a_signature_that_travels_in_the_body_is_claimed_when_the_body_is_there() -> None:
    rules = policies(service(route(auth=auth("binance"), scope=None, template="/api/v3/order")))
    head = facts(
        path=b"/api/v3/order",
        fields=((b"x-mbx-apikey", b"gk_test"), (b"content-type", b"application/x-www-form-urlencoded")),
        body=None,
    )
    unsigned = f"symbol=BTCUSDT&timestamp={NOW}".encode()
    assert code(decided(head, rules=rules, body=unsigned)) == "auth.malformed"
    # printf %s 'symbol=BTCUSDT&timestamp=1900000000000' | openssl dgst -sha256 -hmac "$SECRET"
    signature = b"24a3375a9a1c87749a2b0d812c8a4aaf028a7938df08ed2a418699485e98869e"
    assert code(decided(head, rules=rules, body=unsigned + b"&signature=" + signature)) == "allow"
    assert code(decided(head, rules=rules, body=unsigned + b"&signature=" + b"0" * 64)) == "auth.bad_signature"


def test_a_credential_that_comes_twice_in_a_body_is_ambiguous() -> None:
    rules = policies(service(route(auth=auth("binance"), scope=None)))
    fields = ((b"x-mbx-apikey", b"gk_test"), (b"content-type", b"application/x-www-form-urlencoded"))
    head = facts(fields=fields, body=None)
    twice = f"timestamp={NOW}&timestamp={NOW}&signature={'0' * 64}".encode()
    assert code(decided(head, rules=rules, body=twice)) == "request.malformed"


def test_what_a_body_lacks_of_its_credentials_is_told() -> None:
    rules = policies(service(route(auth=auth("binance"), scope=None)))
    fields = ((b"x-mbx-apikey", b"gk_test"), (b"content-type", b"application/x-www-form-urlencoded"))
    denied = decided(facts(fields=fields, body=None), rules=rules, body=f"timestamp={NOW}".encode())
    assert isinstance(denied, Deny)
    assert denied.code == "auth.malformed"
    assert "signature" in denied.detail


def test_the_key_says_which_algorithm_counts() -> None:
    hmac_only = auth(algorithms=frozenset({KeyAlgorithm.ED25519}))
    rules = policies(service(route(auth=hmac_only, scope=None)))
    assert code(decided(signed(), rules=rules)) == "auth.algorithm"
    ed25519 = record(algorithm=KeyAlgorithm.ED25519, material=Secret(b"\x01" * 32))
    assert code(decided(signed(), key=ed25519)) == "auth.bad_signature"
