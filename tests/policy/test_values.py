from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from guard.policy.values import Duration, LimitsOnLoss, Name, RateValue, Tokens, scalar_as, scalar_for_all


def fault(kind: Any, value: object) -> dict[str, object]:
    with pytest.raises(ValidationError) as raised:
        TypeAdapter(kind).validate_python(value)
    (error,) = raised.value.errors()
    return dict(error["ctx"])


def test_a_value_that_is_not_of_its_kind_has_a_code_a_message_and_a_remedy() -> None:
    assert fault(Duration, 30) == {"code": "P104", "message": "a duration needs its unit", "help": "say 30s or 30ms"}
    assert fault(Name, "Not A Name")["code"] == "P106"
    assert fault(LimitsOnLoss, "sometimes")["code"] == "P104"


def test_every_kind_of_text_tells_editors_its_form() -> None:
    assert TypeAdapter(RateValue).json_schema()["pattern"].startswith("^")


def test_tokens_are_bounded() -> None:
    adapter = TypeAdapter(Tokens)
    assert adapter.validate_python(1) == 1
    for value in (0, 10_000_001):
        with pytest.raises(ValidationError):
            adapter.validate_python(value)


class Both(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    default: str = "a"
    critical: str = "b"


def test_a_scalar_may_stand_for_one_field_or_for_several() -> None:
    one, both = (
        TypeAdapter(Annotated[Both, scalar_as("default")]),
        TypeAdapter(Annotated[Both, scalar_for_all("default", "critical")]),
    )
    assert one.validate_python("x") == Both(default="x", critical="b")
    assert both.validate_python("x") == Both(default="x", critical="x")
    assert both.validate_python({"default": "x"}) == Both(default="x", critical="b")
