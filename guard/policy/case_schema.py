"""The shape of policy tests, inline under `tests` or in a `*.test.yaml`: who sends what, and what is to come of it.

A test with one step may be written as that step.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from guard.policy.part import Part
from guard.policy.values import (
    Address,
    Algorithm,
    Duration,
    FieldName,
    KeyName,
    Name,
    Network,
    Scope,
    Skew,
    StepRequest,
    Text,
    scalar_as,
)

CASES_MAX: Final = 1_000
STEPS_MAX: Final = 100
TIMES_MAX: Final = 10_000

_WHOLE: Final = frozenset({"decision", "reason", "status", "cost", "remaining", "header", "shadow"})


class FixturePart(Part):
    """Who sends it. The key is made up for the test: it signs, and is in no key database."""

    key: KeyName = Field(default="t1", description="The key's id; another is another key. Default t1.")
    account: KeyName | None = Field(default=None, description="Whose key it is. Default: an account of its own.")
    scopes: tuple[Scope, ...] = Field(default=(), strict=False, max_length=64, description="What it may do.")
    tier: Name | None = Field(default=None, description="The tier of its limits.")
    ip: Address = Field(default="203.0.113.7", description="The address that it comes from. Default 203.0.113.7.")
    scheme: Name | None = Field(default=None, description="How it signs. Default: the first that the route accepts.")
    algorithm: Algorithm | None = Field(
        default=None, description="Its kind. Default: the first that the first route accepts."
    )
    networks: tuple[Network, ...] = Field(
        default=(), strict=False, max_length=64, description="Where alone it may be used."
    )
    uses: tuple[Literal["reads", "cancels"], ...] = Field(
        default=(), strict=False, max_length=2, description="It is kept to routes that read, or to critical ones."
    )
    only: dict[Name, Annotated[tuple[Text, ...], Field(strict=False, max_length=64)]] = Field(
        default={}, max_length=16, description="It is kept to these values of a resource."
    )
    expired: bool = Field(default=False, description="Its time is over.")
    revoked: bool = Field(default=False, description="It was revoked.")
    unknown: bool = Field(default=False, description="Nobody ever made it.")


class ExpectPart(Part):
    """What is to come of it: a decision or reason, how many there are of each, or everything about one."""

    counts: dict[str, Annotated[int, Field(ge=0, le=TIMES_MAX)]] = Field(default={}, max_length=50)
    decision: Literal["allow", "deny"] | None = None
    reason: Text | None = None
    status: int | None = Field(default=None, ge=100, le=599)
    cost: int | None = Field(default=None, ge=0)
    remaining: dict[Name, Annotated[int, Field(ge=0)]] = Field(default={})
    header: dict[FieldName, str] = Field(default={})
    shadow: tuple[Text, ...] | None = Field(default=None, strict=False)


def _spelled_out(value: object) -> object:
    """`allow` or a reason stands for a whole expectation; so does a mapping from such words to numbers."""
    if isinstance(value, str):
        return {"decision": "allow"} if value == "allow" else {"reason": value}
    if isinstance(value, Mapping) and value and not _WHOLE & set(value):
        return {"counts": value}
    return value


Expect = Annotated[
    ExpectPart,
    BeforeValidator(_spelled_out),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string", "examples": ["allow", "authz.scope", "limit.key", "auth.replayed"]},
                {
                    "type": "object",
                    "additionalProperties": False,
                    "minProperties": 1,
                    "properties": {
                        "decision": {"enum": ["allow", "deny"]},
                        "reason": {"type": "string"},
                        "status": {"type": "integer"},
                        "cost": {"type": "integer"},
                        "remaining": {"type": "object", "additionalProperties": {"type": "integer"}},
                        "header": {"type": "object", "additionalProperties": {"type": "string"}},
                        "shadow": {"type": "array", "items": {"type": "string"}},
                    },
                },
                {
                    "type": "object",
                    "minProperties": 1,
                    "propertyNames": {"pattern": r"^(allow|[a-z]+\.[a-z0-9_-]+)$"},
                    "additionalProperties": {"type": "integer"},
                    "examples": [{"allow": 40, "limit.key": 1}],
                },
            ]
        }
    ),
]


class AnswerPart(Part):
    """What the backend answers, where it is asked."""

    status: int = Field(default=200, ge=200, le=599, description="Its status. Default 200.")
    headers: dict[FieldName, Text] = Field(default={}, max_length=50, description="Its fields.")


Answer = Annotated[AnswerPart, scalar_as("status")]


class StepPart(Part):
    """One request, or the same several times, or only time that passes."""

    send: StepRequest | None = Field(default=None, description="METHOD and target, with its query.")
    replay: Name | None = Field(default=None, description="Send the bytes again that a step saved under this name.")
    save: Name | None = Field(default=None, description="Keep the bytes that were sent, for `replay`.")
    as_: FixturePart | None = Field(default=None, alias="as", description="Who sends it.")
    body: Any = Field(default=None, description="Text as it is, anything else as JSON.")
    headers: dict[FieldName, Text] = Field(default={}, max_length=50, description="More fields.")
    skew: Skew | None = Field(default=None, description="How far the sender's clock is off: `-10s` is behind.")
    unsigned: bool = Field(default=False, description="Send it without credentials.")
    tamper: Literal["body", "path", "signature"] | None = Field(
        default=None, description="Let this be another than was signed."
    )
    answer: Answer = Field(
        default=AnswerPart(), description="What the backend answers at once, if it is asked: a status, or more."
    )
    times: int = Field(default=1, ge=1, le=TIMES_MAX, description="How often it is sent, all at one moment.")
    wait: Duration | None = Field(default=None, description="Time that passes before.")
    store: Literal["down"] | None = Field(default=None, description="The shared store does not answer meanwhile.")
    expect: Expect | None = Field(
        default=None, description="`allow`, a reason, numbers of each, or more about one. Left out: anything."
    )


class OneCasePart(StepPart):
    """A test: its steps, one after the other, beginning with fresh buckets on 2030-01-01. Or it is one step."""

    name: Text | None = Field(default=None, description="What it shows.")
    steps: tuple[StepPart, ...] | None = Field(
        default=None, strict=False, min_length=1, max_length=STEPS_MAX, description="What happens, in order."
    )
    todo: bool = Field(default=False, description="Report it, and let it fail.")


Tests = Annotated[
    tuple[OneCasePart, ...],
    Field(strict=False, max_length=CASES_MAX, description="What must come of which requests. They run at each load."),
]


class CasesFile(Part):
    """A `*.test.yaml`: more tests of one service."""

    service: Name = Field(description="The service that is tested.")
    tests: Tests
