"""What does this message cost? Read from the very bytes that were verified and will be forwarded.

Where no cost can be told, because two programs may read two numbers or none, the message is to be refused and costs
what it would at least: nobody gets guesses for nothing. Pure; it asks nobody.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from guard.core.reading import Untold, body_type, document, member, parameter
from guard.core.telling import number_told, whole_number
from guard.model.facts import Facts, Field
from guard.model.policy import Route
from guard.model.pricing import ByItems, ByMember, ByParameter, Pricing, Settlement, Steps
from guard.model.questions import Charge
from guard.signing.parameters import FORM_TYPE, JSON_TYPE
from guard.wire.documents import Pointer

_BAD_BODY: Final = "request.bad_body"
_MALFORMED: Final = "request.malformed"


class Price(msgspec.Struct, frozen=True, gc=False):
    """What it costs. `fault` is the code of the reason why that could not be told, and `detail` may be shown."""

    cost: int
    fault: str | None = None
    detail: str = ""


class _NoCost(Exception):  # noqa: N818  # a fault of the message, caught in this file
    """No cost can be told."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def price_at_head(route: Route, facts: Facts) -> int | None:
    """The cost as far as it shows before the body is read; None where it is the route's constant one."""
    return None if route.pricing is None else price(route.pricing, facts, None).cost


def price(pricing: Pricing, facts: Facts, body: bytes | None) -> Price:
    """The cost of a message with this body. `body` None says that it is not known: then what it costs at least."""
    try:
        match pricing:
            case ByItems():
                return Price(_for_items(pricing, 1 if body is None else _items(pricing, facts, body)))
            case ByParameter(name, steps):
                return Price(_in_parameters(name.decode(), steps, facts.query or b"", "query", _MALFORMED))
            case ByMember(pointer, steps):
                return Price(_in_body(pointer, steps, facts, body or b""))
    except _NoCost as fault:
        return Price(_least(pricing), fault.code, fault.detail)
    except Untold as untold:
        return Price(_least(pricing), _BAD_BODY, str(untold))


def settled_cost(settlement: Settlement, status: int, fields: Sequence[Field]) -> int | None:
    """What an answer says that its request has cost; None where it says nothing that counts: then the hold stands."""
    if settlement.field is None:
        return settlement.on_success if 200 <= status <= 299 else None  # noqa: PLR2004  # RFC 9110 section 15.3
    said = number_told(settlement.field, fields)
    return None if said is None else min(said, settlement.most)


def settled(paid: Charge, cost: int) -> tuple[int, ...]:
    """What each debit of a charge has cost in the end, where its message has cost this: only limits of costs change.

    Who was throttled pays as much more for it as for what was held.
    """
    return tuple([debit.scaled(cost) if debit.limit.counts_cost else debit.cost for debit in paid.debits])


def _least(pricing: Pricing) -> int:
    return _for_items(pricing, 1) if isinstance(pricing, ByItems) else pricing.steps.default


def _for_items(pricing: ByItems, count: int) -> int:
    return pricing.base + pricing.each * -(-max(count, 1) // pricing.per)


def _items(pricing: ByItems, facts: Facts, body: bytes) -> int:
    if body_type(facts) != JSON_TYPE:
        raise _NoCost(_BAD_BODY, "this route takes application/json")
    place = _place(pricing.pointer)
    try:
        found = member(document(body), pricing.pointer)
    except KeyError:
        raise _NoCost(_BAD_BODY, f"nothing stands at {place}") from None
    if not isinstance(found, list):
        raise _NoCost(_BAD_BODY, f"what stands at {place} is no array")
    if len(found) > pricing.items_max:
        raise _NoCost("request.too_many_items", f"at most {pricing.items_max} items at {place}")
    return len(found)


def _in_body(pointer: Pointer, steps: Steps, facts: Facts, body: bytes) -> int:
    kind = body_type(facts)
    if not body:
        return steps.default
    if kind == FORM_TYPE and len(pointer) == 1:
        return _in_parameters(pointer[0], steps, body, "body", _BAD_BODY)
    if kind != JSON_TYPE:
        raise _NoCost(_BAD_BODY, "this route takes application/json, or a form")
    try:
        found = member(document(body), pointer)
    except KeyError:
        return steps.default
    if not isinstance(found, str):
        raise _NoCost(_BAD_BODY, f"what stands at {_place(pointer)} is no whole number")
    text = found.encode() if found.isascii() else b""
    return _step(steps, text, _BAD_BODY, f"what stands at {_place(pointer)}")


def _in_parameters(name: str, steps: Steps, raw: bytes, where: str, code: str) -> int:
    """A parameter counts in its one spelling, once: whatever a backend may take for it is refused."""
    try:
        value = parameter(raw, name, where)
    except Untold as untold:
        raise _NoCost(code, str(untold)) from None
    return steps.default if value is None else _step(steps, value, code, f'the parameter "{name}" of the {where}')


def _step(steps: Steps, text: bytes, code: str, shown: str) -> int:
    value = whole_number(text)
    if value is None:
        raise _NoCost(code, f"{shown} is no whole number")
    for upto, cost in steps.costs:
        if value <= upto:
            return cost
    raise _NoCost(code, f"{shown} is above {steps.costs[-1][0]}")


def _place(pointer: Pointer) -> str:
    return "/" + "/".join(pointer) if pointer else "the top"
