"""Real clients' requests, captured byte by byte, walk through the shipped profiles; changed copies of them do not."""

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nacl.signing import SigningKey

from guard.model.claims import Claim, ClaimFault
from guard.model.facts import Facts
from guard.model.keys import KeyAlgorithm, KeyRecord, Secret
from guard.model.names import KeyId, UnixMs
from guard.signing.coverage import uncovered
from guard.signing.credentials import carries, make_claim
from guard.signing.key_material import public_key_from
from guard.signing.profile import compile_profile
from guard.signing.verifying import body_matches, signature_verifies
from guard.wire.field_names import field_names
from tests.build import facts, record, scheme

_VENUES = Path(__file__).parent.parent / "vectors" / "venues"
_CAPTURES: dict[str, Any] = json.loads((_VENUES / "binance.json").read_text())
_KNOWN: list[dict[str, Any]] = json.loads((_VENUES / "binance_known_answers.json").read_text())["tests"]
_REQUESTS: list[dict[str, Any]] = _CAPTURES["rest"]
_BINANCE = scheme("binance")
_KINDS = {
    "binance_hmac": KeyAlgorithm.HMAC_SHA256,
    "binance_rsa": KeyAlgorithm.RSA,
    "binance_ed25519": KeyAlgorithm.ED25519,
}


def _received(capture: dict[str, Any]) -> Facts:
    """The request as an edge decodes it from the captured bytes."""
    head, _, body = base64.b64decode(capture["raw_b64"]).partition(b"\r\n\r\n")
    request_line, *lines = head.split(b"\r\n")
    method, target, _ = request_line.split(b" ")
    path, mark, query = target.partition(b"?")
    fields = tuple((name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines))
    return facts(
        method.decode(),
        path,
        query=query if mark else None,
        authority=dict(fields)[b"host"],
        fields=fields,
        body=body,
        received_at=UnixMs(capture["received_ms"]),
    )


def _holder(capture: dict[str, Any]) -> KeyRecord:
    kind = _KINDS[capture["scheme"]]
    if kind is KeyAlgorithm.HMAC_SHA256:
        material = capture["secret"].encode()
    else:
        name = capture["verify_with"].removeprefix("public_keys.")
        material = public_key_from(_CAPTURES["meta"]["public_keys"][name].encode(), kind)
    return record(id=KeyId(capture["apiKey"]), algorithm=kind, material=Secret(material))


def _accepted(message: Facts, holder: KeyRecord) -> bool:
    """Whether the whole room lets the message through: a claim, the shape, the signature, the body."""
    claim = make_claim(_BINANCE, message)
    if isinstance(claim, ClaimFault) or uncovered(_BINANCE, message) is not None:
        return False
    return signature_verifies(_BINANCE, message, claim, holder) and body_matches(_BINANCE, message)


def _changed(message: Facts, **changes: Any) -> Facts:
    fields = changes.get("fields", message.fields)
    return msgspec.structs.replace(message, **changes, names=field_names(fields))


@pytest.mark.parametrize("capture", _REQUESTS, ids=lambda c: f"{c['case']}-{c['client']}-{c['call'][:28]}")
class TestEachCapture:
    def test_is_accepted_with_the_key_and_time_it_was_made_with(self, capture: dict[str, Any]) -> None:
        message = _received(capture)
        claim = make_claim(_BINANCE, message)
        assert carries(_BINANCE, message)
        assert isinstance(claim, Claim)
        assert claim.key_id == capture["apiKey"]
        assert claim.signed_at is not None
        assert 0 <= capture["received_ms"] - claim.signed_at < 200
        assert claim.window_ms == 10_000
        assert uncovered(_BINANCE, message) is None
        assert signature_verifies(_BINANCE, message, claim, _holder(capture))

    def test_is_refused_under_another_key_of_the_same_kind(self, capture: dict[str, Any]) -> None:
        holder = _holder(capture)
        if holder.algorithm is KeyAlgorithm.HMAC_SHA256:
            stranger = record(id=holder.id, material=Secret(b"another secret"))
        else:
            stranger = record(id=holder.id, algorithm=holder.algorithm, material=Secret(b""))
        assert not _accepted(_received(capture), stranger)

    def test_is_refused_with_any_bit_of_what_is_signed_flipped(self, capture: dict[str, Any]) -> None:
        message, holder = _received(capture), _holder(capture)
        part = "body" if message.body else "query"
        content = message.body or message.query or b""
        for at in range(0, len(content), 7):
            flipped = content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]
            assert not _accepted(_changed(message, **{part: flipped}), holder)

    def test_is_refused_with_a_parameter_more_or_less(self, capture: dict[str, Any]) -> None:
        message, holder = _received(capture), _holder(capture)
        part = "body" if message.body else "query"
        content = message.body or message.query or b""
        for other in (content + b"&x=1", b"x=1&" + content, content.partition(b"&")[2], content + b"&"):
            assert not _accepted(_changed(message, **{part: other}), holder)

    def test_is_refused_when_bytes_move_between_query_and_body(self, capture: dict[str, Any]) -> None:
        message, holder = _received(capture), _holder(capture)
        content = message.body or message.query or b""
        form = ((b"content-type", b"application/x-www-form-urlencoded"), *message.fields)
        for at in range(1, len(content)):
            moved = _changed(message, verb="POST", query=content[:at], body=content[at:], fields=form)
            assert not _accepted(moved, holder)

    def test_is_refused_with_its_signature_written_twice(self, capture: dict[str, Any]) -> None:
        message, holder = _received(capture), _holder(capture)
        part = "body" if message.body else "query"
        content = message.body or message.query or b""
        signature = content[content.index(b"signature=") :]
        for other in (content + b"&" + signature, content + b"&%73" + signature[1:], content + b"&signature="):
            assert not _accepted(_changed(message, **{part: other}), holder)

    def test_is_refused_with_its_key_written_twice(self, capture: dict[str, Any]) -> None:
        message = _received(capture)
        twice = _changed(message, fields=(*message.fields, (b"x-mbx-apikey", capture["apiKey"].encode())))
        assert make_claim(_BINANCE, twice) == ClaimFault("request.malformed", "A credential occurs twice.")

    def test_is_late_until_its_body_is_there(self, capture: dict[str, Any]) -> None:
        message = _received(capture)
        claim = make_claim(_BINANCE, _changed(message, body=None))
        assert isinstance(claim, Claim)
        assert claim.key_id == capture["apiKey"]
        assert claim.late is bool(message.body)
        assert (claim.signature == b"") is bool(message.body)
        assert not signature_verifies(_BINANCE, _changed(message, body=None), claim, _holder(capture))


def test_all_kinds_of_key_and_both_clients_were_captured() -> None:
    seen = {(capture["case"], capture["client"]) for capture in _REQUESTS}
    assert seen == {(case, client) for case in _KINDS for client in ("sync(requests)", "async(aiohttp)")}


def test_digits_of_a_window_moved_into_the_body_are_refused() -> None:
    """`recvWindow=1000` and a body of `0` give the base of `recvWindow=10000` (SIGNING.md section 10.5)."""
    capture = next(c for c in _REQUESTS if c["call"] == "ex.privateGetAccount()" and c["case"] == "binance_hmac")
    message = _received(capture)
    assert message.query is not None
    start, _, signature = message.query.partition(b"&signature=")
    shifted = _changed(message, verb="POST", query=b"signature=" + signature + b"&" + start[:-1], body=start[-1:])
    fault = uncovered(_BINANCE, shifted)
    assert fault is not None
    assert fault.code == "request.malformed"
    assert not _accepted(shifted, _holder(capture))


def test_what_the_formula_leaves_open_is_admitted_in_writing() -> None:
    """Method, path and authority are free by the formula; the profile says so, and the line binds the first use."""
    capture = next(c for c in _REQUESTS if "OpenOrders" in c["call"])
    moved = _changed(_received(capture), verb="DELETE", path=b"/fapi/v1/allOpenOrders", authority=b"elsewhere")
    assert _accepted(moved, _holder(capture))
    assert {"method", "path", "authority"} <= _BINANCE.unbound
    assert _BINANCE.guarantee == "window"


@pytest.mark.parametrize("known", [k for k in _KNOWN if "payload" in k and "secret" in k], ids=lambda k: k["id"])
def test_published_examples_verify_in_the_query_and_in_the_body(known: dict[str, Any]) -> None:
    signed = f"{known['payload']}&signature={known['expected']}".encode()
    key = (b"x-mbx-apikey", known["api_key"].encode())
    holder = record(id=KeyId(known["api_key"]), material=Secret(known["secret"].encode()))
    in_query = facts(known["method"], known["path"].encode(), query=signed, fields=(key,))
    form = (key, (b"content-type", b"application/x-www-form-urlencoded"))
    in_body = facts(known["method"], known["path"].encode(), body=signed, fields=form)
    assert _accepted(in_query, holder)
    assert _accepted(in_body, holder)
    upper = signed[: -len(known["expected"])] + known["expected"].upper().encode()
    assert _accepted(_changed(in_query, query=upper), holder)


def test_the_published_fix_logon_verifies_through_the_same_engine() -> None:
    """Binance's FIX dialect is data for a later release; the engine can already read it."""
    known = next(k for k in _KNOWN if k["id"] == "binance-fix-logon-ed25519")
    profile = {
        "transport": "fix",
        "guarantee": "window",
        "take": {"key": ["fix:553"], "signature": ["fix:96"], "timestamp": ["fix:52"], "window": ["fix:25000"]},
        "optional": ["window"],
        "base": "{join(SOH,fix:35,fix:49,fix:56,fix:34,fix:52)}",
        "algorithms": {"ed25519": {"encoding": "base64"}},
        "time": {"unit": "fix_utc", "past_ms": 5000, "future_ms": 1000, "past_ms_max": 60000},
        "unbound": ["body", "key", "window"],
    }
    fix = compile_profile("binance-fix", profile, {})
    pairs = [part.partition("=") for part in known["message"].strip("|").split("|")]
    fields = tuple((tag.encode(), value.encode()) for tag, _, value in pairs)
    logon = facts("A", b"", transport=fix.transport, fields=fields)
    claim = make_claim(fix, logon)
    assert isinstance(claim, Claim)
    assert claim.signed_at == 1_719_487_045_223
    private = base64.b64decode("".join(known["private_pem"].splitlines()[1:-1]))[-32:]
    holder = record(algorithm=KeyAlgorithm.ED25519, material=Secret(bytes(SigningKey(private).verify_key)))
    assert signature_verifies(fix, logon, claim, holder)
    moved = _changed(logon, fields=tuple((t, b"OTHER" if t == b"49" else v) for t, v in fields))
    assert not signature_verifies(fix, moved, claim, holder)
