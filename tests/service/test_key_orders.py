from typing import Any

import pytest

from guard.model.keys import Bounds, KeyAlgorithm, KeyUse
from guard.model.names import UnixMs
from guard.service.key_orders import KeyOrder, KeyringError, network, refuse_bad_order, secret_content

NOW = UnixMs(1_800_000_000_000)


def order(**changes: Any) -> KeyOrder:
    return KeyOrder(**{"account": "acme", **changes})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"id": "OLD:key/1@x", "account": "desk-7/eu", "scopes": ("read", "trade.place"), "tier": "gold-2"},
        {"label": "Märkte", "expires_at_ms": NOW + 1},
        {"bounds": Bounds((KeyUse.READS,), {"symbol": ("BTC-USD", "€")})},
    ],
)
def test_order_in_good_form_is_not_refused(changes: dict[str, Any]) -> None:
    refuse_bad_order(order(**changes), NOW)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"id": ""}, "a key id has"),
        ({"id": "-k"}, "a key id has"),
        ({"id": "a b"}, "a key id has"),
        ({"id": "k" * 129}, "a key id has"),
        ({"account": ""}, "an account has"),
        ({"account": "a\nGuard-Scopes: admin"}, "an account has"),
        ({"account": "a" * 129}, "an account has"),
        ({"scopes": ("read", "Trade")}, "'Trade' is no scope"),
        ({"scopes": ("read trade",)}, "is no scope"),
        ({"tier": "Gold!"}, "is no tier"),
        ({"bounds": Bounds(only={"Symbol": ("x",)})}, "'Symbol' is no resource"),
        ({"bounds": Bounds(only={"symbol": ()})}, "symbol needs values of"),
        ({"bounds": Bounds(only={"symbol": ("",)})}, "symbol needs values of"),
        ({"bounds": Bounds(only={"symbol": ("x" * 129,)})}, "symbol needs values of"),
        ({"bounds": Bounds(only={"symbol": ("a\nb",)})}, "symbol needs values of"),
        ({"bounds": Bounds(only={"s": tuple(map(str, range(1001)))})}, "at most 16 resources, of 1000 values"),
        ({"bounds": Bounds(only={f"s{n}": ("x",) for n in range(17)})}, "at most 16 resources"),
        ({"label": "x" * 129}, "a label has"),
        ({"label": "a\x1b[31m"}, "a label has"),
        ({"expires_at_ms": NOW}, "would have expired already"),
    ],
)
def test_order_in_bad_form_is_refused_with_the_remedy(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(KeyringError, match=why):
        refuse_bad_order(order(**changes), NOW)


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("10.0.0.0/8", "10.0.0.0/8"), ("192.0.2.7", "192.0.2.7/32"), ("2001:DB8::/32", "2001:db8::/32")],
)
def test_network_is_kept_in_canonical_form(text: str, canonical: str) -> None:
    assert network(text) == canonical


def test_network_with_bits_beyond_its_prefix_is_refused_with_what_was_meant() -> None:
    with pytest.raises(KeyringError, match=r"did you mean 10\.0\.0\.0/8"):
        network("10.1.2.3/8")


@pytest.mark.parametrize("text", ["", "everywhere", "10.0.0.0/33"])
def test_what_is_no_network_is_refused(text: str) -> None:
    with pytest.raises(KeyringError, match="is no network"):
        network(text)


def test_shared_secret_may_be_any_string_and_is_its_utf8() -> None:
    assert secret_content(KeyAlgorithm.HMAC_SHA256, "p\u00e4ss wörd.1") == "p\u00e4ss wörd.1".encode()


@pytest.mark.parametrize("secret", [None, "", "x" * 1025])
def test_secret_that_is_missing_or_too_long_is_refused(secret: str | None) -> None:
    with pytest.raises(KeyringError, match="needs its secret"):
        secret_content(KeyAlgorithm.HMAC_SHA256, secret)


@pytest.mark.parametrize("secret", ["a.b", "a b", "ä", "x" * 513, "a\n"])
def test_api_key_secret_that_could_not_be_sent_is_refused(secret: str) -> None:
    with pytest.raises(KeyringError, match=r"sent as id\.secret") as raised:
        secret_content(KeyAlgorithm.API_KEY, secret)
    assert secret not in str(raised.value) or len(secret) < 4


def test_api_key_secret_may_be_any_visible_characters_but_a_dot() -> None:
    assert secret_content(KeyAlgorithm.API_KEY, "!-/~A9") == b"!-/~A9"


def test_repr_of_an_order_shows_no_secret() -> None:
    assert "canary" not in repr(order(secret="canary", id="k"))
