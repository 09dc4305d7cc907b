"""A call knows who makes it."""

from guard.edges.admin.desk import Call
from guard.model.admins import AdminToken, Role
from guard.model.names import UnixMs
from guard.service.key_steps import By


def test_who_calls_is_the_name_of_the_token_from_its_address() -> None:
    token = AdminToken(id="gt_1", name="alice", role=Role.ADMIN, digest="", created_at=UnixMs(1), created_by="bob")
    call = Call[None, None](token=token, address="192.0.2.1", id="", query=None, body=None)
    assert call.by("why") == By("alice", "why", "192.0.2.1")
