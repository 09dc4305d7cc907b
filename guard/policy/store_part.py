"""The shape of `store` in a policy file: how long the shared store may take, and what follows if it does not answer."""

from typing import Annotated, Literal

from pydantic import Field

from guard.policy.part import Part
from guard.policy.values import Duration, LimitsOnLoss, scalar_for_all


class ReplayOnFailurePart(Part):
    """What replay protection does while the shared store does not answer."""

    default: Literal["deny", "allow", "local"] = Field(default="deny", description="Default deny: 503.")
    critical: Literal["deny", "allow", "local"] = Field(
        default="local", description="On routes with `priority: critical`. Default local: once for each process."
    )


class OnFailurePart(Part):
    """What follows, for each function, while the shared store does not answer."""

    replay: Annotated[ReplayOnFailurePart, scalar_for_all("default", "critical")] = Field(
        default=ReplayOnFailurePart(), description="`deny`, `allow` or `local`; or default and critical apart."
    )
    limits: LimitsOnLoss | None = Field(
        default=None,
        description="`deny`, `allow`, or `local N%`: what all processes together may give out. Default local 50%.",
    )
    bans: Literal["last-known"] = Field(default="last-known", description="Bans that are known hold on.")


class StorePart(Part):
    """The shared memory of nonces and limits. Where it is, is a setting and no policy."""

    timeout: Duration | None = Field(
        default=None, description="How long it may take to answer, at most what the setting GUARD_STORE_MS_MAX allows."
    )
    on_failure: OnFailurePart = Field(default=OnFailurePart(), description="What follows while it does not answer.")
