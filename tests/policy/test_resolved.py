"""A policy with everything filled in is a policy that means the same."""

from pathlib import Path

import msgspec
import pytest

from guard.policy.document import Document
from guard.policy.lints.whole import Whole, whole
from guard.policy.load import Loaded, load_text
from guard.policy.resolved import all_resolved, resolved
from guard.policy.shape import shape
from guard.policy.yaml_source import read_document
from tests.policy_text import HEAD, policy, routes

ROOT = Path(__file__).parents[2]


def _whole(text: str) -> Whole:
    document = read_document(text.encode(), "policies/p.yaml", "p.yaml")
    assert isinstance(document, Document)
    loaded = load_text({"p.yaml": text})
    assert isinstance(loaded, Loaded), loaded
    (service,) = loaded.policies.services
    return whole(document, shape(document).policy, service)


def _lines(text: str) -> dict[str, str]:
    """Each value and origin by its key, the first of each."""
    rows = [line.strip().partition(": ") for line in resolved(_whole(text)).splitlines()]
    return {key: " ".join(rest.split()) for key, _, rest in reversed(rows)}


def _meaning(text: str) -> dict[str, object]:
    """Every route as it is compiled, but for the places of its rules."""
    found = {}
    for name, route in routes(text).items():
        value = msgspec.to_builtins(route, order="deterministic")  # sets have no order of their own
        for one in (value, value["auth"] or {}, value["networks"] or {}):
            one.pop("rule", None)
        tiered = [limit for limits in value["limits_by_tier"].values() for limit in limits]
        for limit in (*value["limits_address"], *value["limits_principal"], *tiered):
            limit["rule"] = limit["rule"]["mode"]
        found[name] = value
    return found


@pytest.mark.parametrize("name", ["example.yaml", "exchange.yaml"])
def test_what_is_printed_means_the_same(name: str) -> None:
    text = (ROOT / "policies" / name).read_text()
    assert _meaning(resolved(_whole(text))) == _meaning(text)


def test_what_is_printed_leaves_nothing_to_be_filled_in() -> None:
    once = resolved(_whole((ROOT / "policies/exchange.yaml").read_text()))
    assert "# default" in once
    assert "# default" not in resolved(_whole(once))


def test_a_value_that_is_written_has_its_line() -> None:
    found = _lines(policy("mode: shadow", "limits:\n  k:\n    per: [key]\n    rate: 300/10s"))
    assert found["mode"] == "shadow # policies/p.yaml:4"
    assert found["rate"] == "300/10s # policies/p.yaml:8"


def test_what_is_left_out_is_filled_in() -> None:
    found = _lines(policy("limits: {k: {per: [key], rate: 300/10s}}"))
    assert found["burst"] == "300 # default: one period's worth"
    assert found["expose"] == "true # default: if it counts keys or accounts"
    assert found["response"] == "5s # default"
    assert found["max_body"] == "1MiB # default"
    assert found["scheme"] == "guard-v1 # default"
    assert found["limits"] == "local 50% # default"


def test_a_scalar_that_stands_for_a_mapping_is_taken_apart() -> None:
    found = _lines(policy("auth: {window: 7s}", "store: {on_failure: {replay: deny}}"))
    assert found["past"] == "7s # policies/p.yaml:4"
    assert found["critical"] == "deny # policies/p.yaml:5"
    assert found["url"] == '"http://127.0.0.1:8081" # policies/p.yaml:3'


def test_a_route_says_what_it_takes_from_its_service() -> None:
    text = policy("auth: {schemes: [guard-v1], algorithms: [ed25519]}", routes="routes:\n  POST /x: {timeout: 3s}\n")
    found = _lines(text)
    assert found["timeout"] == "3s # policies/p.yaml:6"
    assert found["schemes"] == '["guard-v1"] # policies/p.yaml:4'
    assert found["algorithms"] == '["ed25519"] # policies/p.yaml:4'
    assert found["reads"] == "false # default: by the method POST"


def test_no_value_of_the_environment_is_printed() -> None:
    text = HEAD.replace("http://127.0.0.1:8081", "${BACKEND}") + "routes:\n  GET /x: {}\n"
    document = read_document(text.encode(), "p.yaml", "p.yaml")
    assert isinstance(document, Document)
    loaded = load_text({"p.yaml": text}, environment={"BACKEND": "http://secret.internal:1"})
    assert isinstance(loaded, Loaded)
    printed = resolved(whole(document, shape(document).policy, loaded.policies.services[0]))
    assert 'url: "${BACKEND}"' in printed
    assert "secret" not in printed


def test_every_policy_of_a_directory_is_printed_and_no_scheme_or_test() -> None:
    one, two = policy("match: {hosts: [a.test]}"), policy("match: {hosts: [b.test]}").replace("exchange", "spot")
    tests = "service: spot\ntests:\n  - {send: GET /v1/time, expect: allow}\n"
    loaded = load_text(
        {"one.yaml": one, "two.yaml": two, "two.test.yaml": tests, "a.scheme.yaml": "scheme: a\nextends: binance\n"}
    )
    assert isinstance(loaded, Loaded), loaded
    printed = all_resolved(loaded)
    assert [line for line in printed.splitlines() if line.startswith("#")] == ["# one.yaml", "# two.yaml"]
