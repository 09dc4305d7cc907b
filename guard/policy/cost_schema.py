"""The shape of what a policy says of costs, and of the tiers of keys. See `schema.py`."""

from typing import Annotated

from pydantic import ConfigDict, Field

from guard.policy.part import Part
from guard.policy.values import (
    FieldName,
    ParameterName,
    PointerValue,
    QuotaValue,
    RateValue,
    SlotCount,
    StepValue,
    Tokens,
    scalar_as,
)


class CostPart(Part):
    """What a request costs: by the items of its body, by a number in its query or body, or by what its answer says."""

    model_config = ConfigDict(
        json_schema_extra={
            "oneOf": [
                {"required": ["items", "max"]},
                {"required": ["query", "default", "steps"]},
                {"required": ["field", "default", "steps"]},
                {"required": ["response_header", "hold", "max"]},
                {"required": ["hold", "on_success"], "not": {"required": ["response_header"]}},
            ]
        }
    )

    items: PointerValue | None = Field(default=None, description="Where the array stands in a JSON body (RFC 6901).")
    each: Tokens = Field(default=1, description="With `items`: tokens for each `per` items begun. Default 1.")
    base: int = Field(default=0, ge=0, le=1_000_000, description="With `items`: tokens beside them. Default 0.")
    per: Tokens = Field(default=1, description="With `items`: how many items `each` pays for. Default 1.")
    max_: Tokens | None = Field(
        default=None, alias="max", description="With `items`: so many at most. With `response_header`: what counts."
    )
    query: ParameterName | None = Field(default=None, description="The parameter of the query that says a number.")
    field: PointerValue | None = Field(default=None, description="Where the number stands in a JSON body, or a form.")
    default: Tokens | None = Field(default=None, description="Tokens where the number is not given.")
    steps: dict[StepValue, Tokens] = Field(
        default={}, min_length=1, max_length=50, description="Tokens up to each number; above the last is refused."
    )
    response_header: FieldName | None = Field(
        default=None, description="The field of the answer that says the cost.", examples=["Guard-Cost"]
    )
    hold: Tokens | None = Field(default=None, description="Tokens until the answer tells.")
    on_success: int | None = Field(default=None, ge=0, description="Tokens in the end if the answer is 2xx.")


Cost = Annotated[CostPart, scalar_as("hold")]


class TierLimitPart(Part):
    """What holds for keys of a tier, in place of what the limit says: the same kind of it."""

    rate: RateValue | None = Field(default=None, description="In place of the limit's rate.")
    burst: Tokens | None = Field(default=None, description="Default: one period's worth of `rate`.")
    quota: QuotaValue | None = Field(default=None, description="In place of the limit's quota.")
    concurrent: SlotCount | None = Field(default=None, description="In place of the limit's `concurrent`.")


TierLimit = Annotated[TierLimitPart, scalar_as("rate")]
