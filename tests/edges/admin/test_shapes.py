"""A secret is in no repr, and no shape of a request takes what it does not name."""

import msgspec
import pytest

from guard.edges.admin import shapes
from guard.model.admins import Role

TOKEN = {
    "id": "gt_1",
    "name": "a",
    "role": "viewer",
    "created_at_ms": 1,
    "created_by": "b",
    "expires_at_ms": None,
    "revoked_at_ms": None,
    "last_used_at_ms": None,
}


def test_no_repr_tells_a_secret() -> None:
    issued = msgspec.convert({"token": TOKEN, "secret": "ga_canary"}, shapes.TokenIssued)
    assert issued.token.role is Role.VIEWER
    assert "canary" not in repr(issued)
    key: dict[str, object] = {
        "id": "gk_1",
        "account": "a",
        "scopes": [],
        "algorithm": "ed25519",
        "state": "active",
        "tier": None,
    }
    key |= {"networks": [], "label": "", "lineage": "gk_1", "rotated_from": None, "created_at_ms": 1}
    key |= {"expires_at_ms": None, "dies_at_ms": None, "last_used_at_ms": None, "revision": 1}
    made = msgspec.convert({"key": key, "secret": "gs_canary", "release": None}, shapes.KeyIssued)
    assert "canary" not in repr(made)
    taken = msgspec.convert({"keys": [{"id": "A", "account": "a", "secret": "canary"}]}, shapes.ImportKeys)
    assert taken.keys[0].secret == "canary"
    assert "canary" not in repr(taken)


@pytest.mark.parametrize("shape", [shapes.CreateKey, shapes.ImportKeys, shapes.RotateKey, shapes.CreateToken])
def test_a_request_takes_nothing_it_does_not_name(shape: type) -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `x`"):
        msgspec.convert({"x": 1, "account": "a", "keys": [], "name": "a", "role": "viewer"} | {}, shape)
