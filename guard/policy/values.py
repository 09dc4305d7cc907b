"""The kinds of values that a policy's fields take: how each is read, and what an editor is told of its form."""

from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from guard.model.abuse import Ratio
from guard.model.policy import Loss
from guard.model.resources import Place
from guard.policy import names, places, units
from guard.policy.names import NameFault
from guard.policy.units import Rate, UnitFault

TOKENS_MAX: Final = 10_000_000
QUOTA_MAX: Final = 50_000_000  # times a day in ms it is still an integer that any store can count with: below 2^53
SLOTS_MAX: Final = 10_000

Dimension = Literal["ip", "key", "account", "route", "group", "service"]
RuleMode = Literal["enforce", "shadow", "off"]
Requirement = Literal["key_ip_allowlist", "mtls", "idempotency_key"]
Algorithm = Literal["hmac-sha256", "hmac-sha512", "ed25519", "rsa", "ecdsa-p256", "api-key"]


def _told(read: Callable[[object], object]) -> PlainValidator:
    """The reader as pydantic calls it: its fault becomes an error that carries its code."""

    def validate(value: object) -> object:
        try:
            return read(value)
        except NameFault as fault:
            raise _error(fault.code, fault.message, fault.help_text) from None
        except UnitFault as fault:
            raise _error("P104", fault.message, fault.help_text) from None

    return PlainValidator(validate)


def _error(code: str, message: str, help_text: str = "") -> PydanticCustomError:
    return PydanticCustomError("policy", "{message}", {"code": code, "message": message, "help": help_text})


def scalar_as(field: str) -> BeforeValidator:
    """A scalar stands for a mapping with only `field`."""
    return BeforeValidator(lambda value: {field: value} if isinstance(value, str | int | float) else value)


def scalar_for_all(*fields: str) -> BeforeValidator:
    """A scalar stands for a mapping in which each of `fields` has it."""
    return BeforeValidator(
        lambda value: dict.fromkeys(fields, value) if isinstance(value, str | int | float) else value
    )


def _patterned(pattern: str, *examples: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern, "examples": list(examples)})


Name = Annotated[str, _told(names.identifier), _patterned(names.ID_PATTERN, "exchange")]
SignalName = Annotated[str, _told(names.signal), _patterned(names.SIGNAL_PATTERN, "replay")]
Scope = Annotated[str, _told(names.scope), _patterned(names.SCOPE_PATTERN, "read", "trade")]
FieldName = Annotated[str, _told(names.field_name), _patterned(names.FIELD_PATTERN, "X-API-Key")]
Host = Annotated[str, _told(names.host), WithJsonSchema({"type": "string", "examples": ["api.example.com"]})]
Network = Annotated[str, _told(names.network), WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]})]
NetworkOrList = Annotated[
    str,
    _told(names.network_or_list),
    WithJsonSchema({"type": "string", "examples": ["192.0.2.0/24", "file:deny.txt"]}),
]
NetworksOrLists = Annotated[
    tuple[NetworkOrList, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)
]
Origin = Annotated[
    str, _told(names.origin), _patterned(names.ORIGIN_PATTERN, "http://127.0.0.1:8081", "${BACKEND_URL}")
]
Duration = Annotated[int, _told(units.duration_ms), _patterned(units.DURATION_PATTERN, "250ms", "5s", "10m")]
Skew = Annotated[int, _told(units.skew_ms), _patterned(units.SKEW_PATTERN, "-10s", "+500ms")]
Size = Annotated[int, _told(units.size_bytes), _patterned(units.SIZE_PATTERN, "256KiB", "1MiB")]
LimitsOnLoss = Annotated[
    Loss, _told(units.share_on_loss), _patterned(units.ON_LOSS_PATTERN, "local 50%", "deny", "allow")
]
RatioValue = Annotated[Ratio, _told(units.ratio), _patterned(units.RATIO_PATTERN, "50:1")]
Percent = Annotated[int, _told(units.percent), _patterned(units.PERCENT_PATTERN, "50%")]
RequestPath = Annotated[str, _told(names.request_path), _patterned(names.REQUEST_PATH_PATTERN, "/healthz")]
StepRequest = Annotated[
    tuple[str, str],
    _told(names.step_request),
    _patterned(names.STEP_PATTERN, "POST /v1/orders", "GET /v1/depth?limit=5"),
]
KeyName = Annotated[str, _told(names.key_name), _patterned(names.KEY_NAME_PATTERN, "t1")]
Address = Annotated[
    str, _told(names.address), WithJsonSchema({"type": "string", "examples": ["203.0.113.7", "2001:db8::1"]})
]
RateValue = Annotated[Rate, _told(units.rate), _patterned(units.RATE_PATTERN, "20/s", "300/10s")]
QuotaValue = Annotated[Rate, _told(units.quota), _patterned(units.QUOTA_PATTERN, "200000/day", "5000/hour")]
ParameterName = Annotated[str, _told(names.parameter), _patterned(names.PARAMETER_PATTERN, "limit")]
PointerValue = Annotated[tuple[str, ...], _told(names.pointer), _patterned(names.POINTER_PATTERN, "/orders")]
StepValue = Annotated[int, _told(units.step), _patterned(units.STEP_PATTERN, "100")]
Places = Annotated[tuple[Place, ...], _told(places.places), WithJsonSchema(places.SCHEMA)]
Tokens = Annotated[int, Field(ge=1, le=TOKENS_MAX)]
SlotCount = Annotated[int, Field(ge=1, le=SLOTS_MAX)]
Text = Annotated[str, Field(min_length=1, max_length=1000)]
