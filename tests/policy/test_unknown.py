from guard.policy.schema import PolicyFile
from guard.policy.unknown import field_comes_later, value_comes_later


def test_a_field_comes_later_whatever_its_limit_or_route_is_called() -> None:
    assert field_comes_later(("limits", "anything", "on_failure"))
    assert field_comes_later(("routes", "GET /x", "upgrade"))
    assert not field_comes_later(("limits", "on_failure"))
    assert not field_comes_later(("limits", "x", "y", "on_failure"))
    assert not field_comes_later(())


def test_only_the_values_that_will_exist_come_later() -> None:
    assert value_comes_later(("limits", "x", "per", 0), "country")
    assert not value_comes_later(("owner",), "country")
    assert not value_comes_later((), "country")


def test_nothing_that_exists_comes_later() -> None:
    assert not [name for name in PolicyFile.model_fields if field_comes_later((name,))]
