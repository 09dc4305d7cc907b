"""The shape of `_shared.yaml`: what services of its directory may pull by name. See `schema.py`."""

from typing import Literal

from pydantic import Field

from guard.policy.abuse_schema import Ladder, SignalPart
from guard.policy.cost_schema import TierLimit
from guard.policy.part import Part
from guard.policy.schema import LimitPart
from guard.policy.values import Name, SignalName, Text


class SharedFile(Part):
    """What services of this directory may pull by name, with `use`. It does nothing by itself."""

    version: Literal[1] = Field(description="The version of the language.")
    why: Text | None = Field(default=None, description="What this is for.")
    owner: Text | None = Field(default=None, description="Whom to ask.")
    limits: dict[Name, LimitPart] = Field(
        default={}, max_length=100, description="Limits by name: `limits: {use: [NAME]}`."
    )
    tiers: dict[Name, dict[Name, TierLimit]] = Field(
        default={}, max_length=50, description="Tiers by name: `tiers: {use: [NAME]}`."
    )
    signals: dict[SignalName, SignalPart] = Field(
        default={}, max_length=100, description="Signals of abuse by name: `abuse: {use: [NAME]}`."
    )
    ladder: dict[Name, Ladder] = Field(
        default={}, max_length=20, description="Ladders by name: `abuse: {ladder: {use: NAME}}`."
    )
