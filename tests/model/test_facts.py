"""Facts are the bytes that arrived."""

import pytest

from tests.build import facts


@pytest.mark.parametrize(
    ("query", "target"), [(None, b"/v1/orders"), (b"", b"/v1/orders?"), (b"a=1", b"/v1/orders?a=1")]
)
def test_the_target_is_put_together_as_it_came(query: bytes | None, target: bytes) -> None:
    assert facts(query=query).target == target


def test_all_values_of_a_field_are_given_in_order() -> None:
    message = facts(fields=((b"a", b"1"), (b"b", b"2"), (b"a", b"3")))
    assert message.values(b"a") == [b"1", b"3"]
    assert message.values(b"c") == []


def test_a_message_with_its_body_is_the_same_message() -> None:
    waiting = facts(body=None)
    assert waiting.with_body(b"x").body == b"x"
    assert waiting.body is None
    assert waiting.with_body(b"x").target == waiting.target
