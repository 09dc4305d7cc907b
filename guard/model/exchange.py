"""Whether a request that was let through has reached the backend: what every answer says in `Guard-Sent`."""

from enum import StrEnum


class Sent(StrEnum):
    """no: not one byte was sent. unknown: some were, and what became of them cannot be told.

    yes: it was answered, or handed to the application that guard is wrapped around.
    """

    NO = "no"
    UNKNOWN = "unknown"
    YES = "yes"
