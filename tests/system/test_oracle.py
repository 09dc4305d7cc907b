"""Nobody learns which keys exist (BYPASSES.md A33; THREATS.md K1): one answer for all that is not proved."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from guard.core.lifecycle import KeyCommand
from tests.system.gateway import BY, RunningGateway
from tests.system.key_holder import Key, changed, minted, signed_fields
from tests.system.raw_http import Response, message

pytestmark = pytest.mark.system

_ROOT = Path(__file__).parent.parent.parent
_TIMES = 60
_COMMANDS = {
    "suspended": KeyCommand.SUSPEND,
    "revoked": KeyCommand.DEACTIVATE,
    "compromised": KeyCommand.REPORT_COMPROMISED,
    "destroyed": KeyCommand.DESTROY,
}


@pytest.fixture(scope="module")
def ended(gateway: RunningGateway) -> dict[str, Key]:
    """A key in each state that is not active; the running server knows."""
    keys = {word: minted(word) for word in _COMMANDS}
    gateway.import_keys(*keys.values())
    for word, command in _COMMANDS.items():
        key_id = keys[word].id
        gateway.keyring(lambda keyring, key_id=key_id, command=command: keyring.command(key_id, command, BY))  # type: ignore[misc]
    gateway.wait_until_followed()
    return keys


def _forged(key: Key) -> bytes:
    fields = signed_fields(key, "POST", "/v1/orders", b"{}")
    return message("POST", "/v1/orders", changed(fields, b"Guard-Signature", b"A" * 43 + b"="), b"{}")


def _told(response: Response) -> tuple[object, ...]:
    """All that a client can see, but for the request id."""
    problem = json.loads(response.body)
    request_id = problem.pop("request_id").encode()
    assert response.value(b"guard-request-id") == request_id
    shown = tuple((name, value) for name, value in response.fields if name not in (b"guard-request-id", b"date"))
    return response.status, shown, json.dumps(problem, sort_keys=True), len(response.body)


def test_a33_unknown_and_forged_and_revoked_get_one_answer(gateway: RunningGateway, ended: dict[str, Key]) -> None:
    """A33, K1: status, body and fields in their order, 60 times each. A revoked key is revoked only to its holder."""
    kinds = {"forged": gateway.keys["trader"], "other algorithm": gateway.keys["ed25519"], **ended}
    with gateway.nothing_forwarded():
        told = {word: {_told(gateway.ask(_forged(key))) for _ in range(_TIMES)} for word, key in kinds.items()}
        told["unknown"] = {_told(gateway.ask(_forged(minted("nobody")))) for _ in range(_TIMES)}
    assert {word: len(answers) for word, answers in told.items()} == dict.fromkeys(told, 1)
    assert len(set().union(*told.values())) == 1
    assert next(iter(told["unknown"]))[0] == 401


def test_a33_a_key_reported_compromised_is_invalid_even_to_whoever_holds_it(
    gateway: RunningGateway, ended: dict[str, Key]
) -> None:
    for word, code in (
        ("suspended", "auth.suspended_key"),
        ("revoked", "auth.revoked_key"),
        ("compromised", "auth.invalid"),
        ("destroyed", "auth.invalid"),
    ):
        content = message("POST", "/v1/orders", signed_fields(ended[word], "POST", "/v1/orders", b"{}"), b"{}")
        gateway.assert_refused(content, 401, code)


def test_a33_bare_keys_of_nobody_and_wrong_secrets_get_one_answer(gateway: RunningGateway) -> None:
    told = set()
    with gateway.nothing_forwarded():
        for credential in (b"nobody.secret", gateway.keys["bare"].id.encode() + b".secret", b"a.b.c.d"):
            fields = [(b"Host", b"gateway.test"), (b"Guard-Api-Key", credential)]
            told |= {_told(gateway.ask(message("GET", "/v1/prices", fields))) for _ in range(_TIMES)}
    assert len(told) == 1


def test_a33_scope_network_and_route_are_told_to_the_holder_only(gateway: RunningGateway) -> None:
    """A forged signature of a key that may not do it is no more than a forged signature."""
    for name, target in (("reader", "/v1/orders"), ("nowhere", "/v1/orders"), ("trader", "/v1/withdrawals")):
        fields = signed_fields(gateway.keys[name], "POST", target, b"{}")
        forged = changed(fields, b"Guard-Signature", b"A" * 43 + b"=")
        gateway.assert_refused(message("POST", target, forged, b"{}"), 401, "auth.invalid")
        code = "authz.ip" if name == "nowhere" else "authz.scope"
        gateway.assert_refused(message("POST", target, fields, b"{}"), 403, code)


def test_a33_no_secret_is_compared_with_an_equals_sign() -> None:
    """The whole of guard/; `tests/signing/test_algorithms.py` looks closer at the room where secrets are compared."""
    hot = ("secret", "signature", "material", "password", "pepper", "mac", "hashed", "token")
    found = [
        f"{path.relative_to(_ROOT)}:{node.lineno} {ast.unparse(node)}"
        for path in sorted((_ROOT / "guard").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Compare) and _compares(node, hot)
    ]
    assert found == []


def _compares(node: ast.Compare, hot: tuple[str, ...]) -> bool:
    if not any(isinstance(operator, ast.Eq | ast.NotEq) for operator in node.ops):
        return False
    sides = (node.left, *node.comparators)
    if any(_is_constant(side) or ast.unparse(side).startswith("len(") for side in sides):
        return False
    names = [name for side in sides for name in _last_names(side) if not name.endswith("_id")]
    return any(word in name for name in names for word in hot)


def _is_constant(side: ast.expr) -> bool:
    """What stands in the code is no secret."""
    return isinstance(side, ast.Constant) or (isinstance(side, ast.Name) and side.id.isupper())


def _last_names(side: ast.expr) -> Iterator[str]:
    """What a side of a comparison is called: the last part of its name, also of what it calls."""
    match side:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            yield name.lower()
        case ast.Call(func=called):
            yield from _last_names(called)
