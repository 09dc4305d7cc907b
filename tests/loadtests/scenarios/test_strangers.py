"""Forged signatures and unknown keys."""

import base64
import hmac

from tests.loadtests.locustfile import Answer, Sent, user

INVALID = Answer(401, guard_reason="auth.invalid", guard_sent="no")


def verifies(sent: Sent, secret: str) -> bool:
    """Under guard-v1, as docs/signing.md has it."""
    field = sent.fields
    lines = ("guard-v1", field["Guard-Key"], field["Guard-Timestamp"], "", field["Guard-Nonce"], sent.method)
    base = "\n".join((*lines, "127.0.0.1:8080", sent.target, field["Content-Digest"]))
    digest = hmac.digest(secret.encode(), base.encode(), "sha256")
    return base64.b64encode(digest).decode() == field["Guard-Signature"]


def test_the_honest_trader_s_signature_verifies() -> None:
    with user("strangers", "HonestTrader") as (trader, client, tally):
        trader.order()
    assert verifies(client.sent[0], trader.key.secret)
    assert tally.names["order"].legit


def test_a_forgery_names_the_honest_trader_s_key_and_does_not_verify() -> None:
    with user("strangers", "Forger", lambda _: INVALID) as (forger, client, tally):
        forger.forge()
        (sent,) = client.sent
    assert sent.fields["Guard-Key"] == forger.key.id
    assert not verifies(sent, forger.key.secret)
    assert (tally.names["forged signature"].unexpected, INVALID.failed) == (0, "")


def test_a_stranger_makes_up_another_key_each_time() -> None:
    with user("strangers", "Stranger", lambda _: INVALID) as (stranger, client, tally):
        stranger.guess()
        stranger.guess()
    named = {sent.fields["Guard-Key"] for sent in client.sent}
    assert len(named) == 2
    assert stranger.key.id not in named
    assert tally.names["unknown key"].unexpected == 0


def test_a_forgery_that_is_served_is_a_failure() -> None:
    with user("strangers", "Forger") as (forger, client, _):
        forger.forge()
    assert client.answers[0].failed == "200, expected 401 auth.invalid"
