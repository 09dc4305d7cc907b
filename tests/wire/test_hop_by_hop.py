import pytest

from guard.wire.hop_by_hop import HOP_BY_HOP, connection_members


@pytest.mark.parametrize(
    "name",
    [
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"proxy-authorization",
        b"proxy-authenticate",
        b"proxy-authentication-info",
        b"http2-settings",
    ],
)
def test_the_fields_of_one_connection_are_known(name: bytes) -> None:
    assert name in HOP_BY_HOP


@pytest.mark.parametrize("value", [b"close", b"Keep-Alive"])
def test_an_ordinary_connection_lists_no_field(value: bytes) -> None:
    assert connection_members([value]) == frozenset()


def test_without_connection_nothing_is_listed() -> None:
    assert connection_members([]) == frozenset()


def test_members_of_all_connection_fields_count_in_any_case_and_spacing() -> None:
    assert connection_members([b"close,\tX-A , ,", b"X-b"]) == {b"close", b"x-a", b"x-b"}


def test_a_single_member_other_than_close_is_listed() -> None:
    assert connection_members([b"X-Api-Key"]) == {b"x-api-key"}
