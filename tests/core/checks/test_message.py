"""A message that two programs may read in two ways goes nowhere."""

from guard.model.facts import Defect
from tests.build import facts, policies, route, service, signed
from tests.line import code, decided


def test_a_defect_that_the_edge_found_ends_the_line_before_routing() -> None:
    defective = facts(path=b"/nowhere", defects=(Defect("request.bad_path", "dot segments"),))
    assert code(decided(defective)) == "request.bad_path"


def test_an_alias_of_a_credential_field_is_refused() -> None:
    for alias in (b"guard_key", b"guard.signature", b"Guard_Nonce".lower()):
        assert code(decided(signed(fields=((alias, b"x"),)), body=b"")) == "request.malformed"


def test_an_alias_of_a_venue_credential_is_refused_on_the_service_that_accepts_the_venue() -> None:
    rules = policies(service(route(auth=None, scope=None), credentials=frozenset({b"x-mbx-apikey"})))
    assert code(decided(facts(fields=((b"x_mbx_apikey", b"k"),)), rules=rules)) == "request.malformed"
    assert code(decided(facts(fields=((b"x_mbx_other", b"k"),)), rules=rules)) == "allow"


def test_a_connection_field_that_drops_a_credential_is_refused() -> None:
    rules = policies(service(route(auth=None, scope=None), credentials=frozenset({b"x-mbx-apikey"})))
    listing = facts(fields=((b"connection", b"close, X-MBX-APIKEY"), (b"x-mbx-apikey", b"k")))
    assert code(decided(listing, rules=rules)) == "request.malformed"


def test_a_body_that_announces_more_than_the_route_takes_is_refused_unread() -> None:
    assert code(decided(signed(body=b"x" * 1025))) == "request.too_large"
    assert code(decided(signed(body=b"x" * 1024), body=b"x" * 1024)) == "allow"
