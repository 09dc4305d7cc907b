"""What all parts of a policy file share: strict, frozen, and nothing unknown."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """What all parts of a policy share: strict, frozen, and nothing unknown."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)


def many(description: str, *, least: int = 1) -> Any:
    """A list in YAML, a tuple here."""
    return Field(default=(), strict=False, min_length=least, max_length=200, description=description)
