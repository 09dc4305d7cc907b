"""What a face of the exchange is: a dialect as a table of routes over pure functions of one call.

The identity in a call is what the gateway said in `Guard-Account`. The demo believes it, because only the gateway
reaches it: never expose a backend that trusts these fields.
"""

from collections.abc import Callable, Mapping

import msgspec

from guard.demo.exchange import Exchange, Refusal
from guard.model.names import UnixMs


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One request as a face sees it. `account` is empty if nobody is signed in; `path` holds the template's values."""

    account: str
    path: Mapping[str, str]
    query: str
    body: bytes
    now: UnixMs


class Answer(msgspec.Struct, frozen=True):
    """A status and what becomes the JSON body."""

    status: int
    content: object


class Endpoint(msgspec.Struct, frozen=True):
    """One row of a face: method, path template, what it does, and whether it needs an account."""

    method: str
    template: str
    act: Callable[[Exchange, Call], object | Refusal]
    private: bool = False


class Face(msgspec.Struct, frozen=True, kw_only=True):
    """A dialect: everything under `prefix`, and how it says No."""

    prefix: str
    endpoints: tuple[Endpoint, ...]
    refuse: Callable[[Refusal], Answer]
