"""When a limit is charged follows from what it counts."""

import pytest

from tests.build import limit


@pytest.mark.parametrize(
    ("per", "before_auth"),
    [
        (("ip",), True),
        (("ip", "route"), True),
        (("key",), False),
        (("account", "ip"), False),
        (("key", "ip"), False),
        (("service",), False),
        (("route",), False),
    ],
)
def test_only_limits_of_the_address_are_charged_before_anything_is_proved(
    per: tuple[str, ...], *, before_auth: bool
) -> None:
    assert limit(per=per).before_auth is before_auth
