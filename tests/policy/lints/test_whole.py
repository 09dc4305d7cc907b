"""A service as the lints see it."""

from guard.policy.document import Document
from guard.policy.lints.whole import Whole, whole
from guard.policy.shape import shape
from guard.policy.yaml_source import read_document
from tests.policy_text import policy, service

TEXT = policy(
    "limits: {all: {per: [key], rate: 9/s}, some: {per: [ip], rate: 9/s, routes: [POST /a], mode: shadow}, "
    "none: {per: [ip], rate: 9/s, mode: off}}",
    routes="routes:\n  POST /a: {}\n  GET /{x}: {}\n  ANY /{rest...}: {auth: none}\n  GET /a/b: {}\n",
)


def _seen() -> Whole:
    document = read_document(TEXT.encode(), "p0.yaml", "p0.yaml")
    assert isinstance(document, Document)
    return whole(document, shape(document).policy, service(TEXT))


def test_every_route_is_found_in_the_order_of_the_file() -> None:
    assert list(_seen().routes) == ["POST /a", "GET /{x}", "ANY /{rest...}", "GET /a/b"]


def test_charges_are_those_of_limits_that_are_not_off() -> None:
    assert {name: list(charged) for name, charged in _seen().charges.items()} == {
        "all": ["POST /a", "GET /{x}", "ANY /{rest...}", "GET /a/b"],
        "some": ["POST /a"],
        "none": [],
    }
