"""The shape of `upstream` in a policy file: where the backend is, how it is reached and watched."""

from typing import Literal

from pydantic import ConfigDict, Field

from guard.policy.part import Part
from guard.policy.values import Duration, Host, Origin, Percent, RequestPath, Size, Text


class TimeoutPart(Part):
    """How long each step towards the backend may take."""

    connect: Duration = Field(default=1_000, description="For a connection. Default 1s.")
    response: Duration = Field(
        default=5_000, description="From the last byte sent to the answer's status line. Default 5s."
    )
    total: Duration = Field(
        default=10_000, description="For the whole exchange; a route's `timeout` replaces it. Default 10s."
    )


class TlsPart(Part):
    """What TLS to the backend needs beside the defaults. Files are in PEM; paths begin at the policy's folder."""

    ca: Text | None = Field(
        default=None, description="Who signs the backend's certificates. Default: public authorities."
    )
    certificate: Text | None = Field(default=None, description="Our own certificate, with its chain.")
    key: Text | None = Field(default=None, description="The private key of `certificate`, not encrypted.")
    server_name: Host | None = Field(
        default=None, description="The name in the backend's certificate. Default: the URL's host."
    )


class HealthPart(Part):
    """A question that each endpoint is asked again and again. 2xx and 3xx say that it is well."""

    path: RequestPath = Field(description="What is asked for, with GET.")
    every: Duration = Field(default=2_000, description="How often. Default 2s.")
    timeout: Duration = Field(default=1_000, description="How long an answer may take in all. Default 1s.")
    healthy: int = Field(default=2, ge=1, le=20, description="Good answers in a row that bring it back. Default 2.")
    unhealthy: int = Field(default=3, ge=1, le=20, description="Bad ones that take it away. Default 3.")


class BreakerPart(Part):
    """When so much fails that nothing is sent for a while, and nothing charged."""

    failures: Percent = Field(default=50, description="The share of exchanges that fail. Default 50%.")
    min_: int = Field(default=20, alias="min", ge=1, le=100_000, description="Of so many at least. Default 20.")
    window: Duration = Field(default=10_000, description="Within this time. Default 10s.")
    open_: Duration = Field(default=5_000, alias="open", description="For so long nothing is sent. Default 5s.")


class UpstreamPart(Part):
    """The backend."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["url"]}, {"required": ["urls"]}]})

    url: Origin | None = Field(
        default=None,
        description="An http or https origin, `app` behind GuardMiddleware, or `${NAME}` for one in the environment.",
    )
    urls: tuple[Origin, ...] = Field(
        default=(), strict=False, min_length=1, max_length=64, description="Several origins, any of which will do."
    )
    timeout: TimeoutPart = Field(default=TimeoutPart(), description="How long we wait for the backend.")
    max_body: Size = Field(default=1 << 20, description="The largest body that a request may have. Default 1MiB.")
    connections: int = Field(
        default=128, ge=1, le=10_000, description="Connections to each origin at most. Default 128."
    )
    waiting: int = Field(default=1_024, ge=0, le=100_000, description="Requests that may wait for one. Default 1024.")
    tls: TlsPart | None = Field(default=None, description="What TLS needs beside the defaults.")
    health: HealthPart | None = Field(default=None, description="A question that each origin is asked of itself.")
    breaker: BreakerPart | None = Field(default=None, description="When nothing is sent for a while.")
    assertion: Literal["ed25519"] | None = Field(
        default=None, description="Each request carries Guard-Assertion: who sent it, signed with this algorithm."
    )
