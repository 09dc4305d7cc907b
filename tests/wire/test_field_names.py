import pytest

from guard.model.facts import Field
from guard.wire.field_names import connection_lists, field_names, has_alias, names_defect
from tests.build import facts

NAMES = frozenset({b"x-api-key", b"x_odd_name", b"authorization"})


def message(*fields: Field) -> object:
    return names_defect(facts(fields=fields), NAMES)


@pytest.mark.parametrize(
    "alias", [b"x_api_key", b"x.api.key", b"x-api_key", b"x~api~key", b"x-odd-name", b"x.odd.name"]
)
def test_another_spelling_of_a_credential_is_refused(alias: bytes) -> None:
    fields = ((b"host", b"gateway.test"), (alias, b"v"))
    assert has_alias(field_names(fields), NAMES)
    defect = names_defect(facts(fields=fields), NAMES)
    assert defect is not None
    assert defect.code == "request.malformed"
    assert "spelling" in defect.detail


@pytest.mark.parametrize(
    "value",
    [b"close, x-api-key", b"X-API-KEY", b"close,\tX-Api-Key\t", b"x_api_key", b"x-odd-name", b"te, Authorization"],
)
def test_a_credential_that_connection_lists_is_refused(value: bytes) -> None:
    fields = ((b"connection", value), (b"x-api-key", b"v"))
    assert connection_lists(facts(fields=fields), NAMES)
    defect = names_defect(facts(fields=fields), NAMES)
    assert defect is not None
    assert defect.code == "request.malformed"
    assert "Connection" in defect.detail


def test_credentials_in_their_own_spelling_pass() -> None:
    fields = ((b"x-api-key", b"v"), (b"x_odd_name", b"v"), (b"connection", b"close, x-other"), (b"x_other", b"v"))
    assert message(*fields) is None
    assert not has_alias(field_names(fields), NAMES)
    assert not connection_lists(facts(fields=fields), NAMES)


def test_a_service_without_credentials_has_no_aliases() -> None:
    fields = ((b"x_api_key", b"v"), (b"connection", b"x-api-key"))
    assert names_defect(facts(fields=fields), frozenset()) is None
