"""The costs of one service's routes: is each told in one way, completely, and can it be told at all; and compiled."""

from collections.abc import Iterator
from typing import Final

import msgspec

from guard.model.pricing import ByItems, ByMember, ByParameter, Pricing, Settlement, Steps
from guard.policy.cost_schema import CostPart
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document
from guard.policy.schema import PolicyFile, RoutePart

_FORMS: Final[dict[str, tuple[frozenset[str], frozenset[str]]]] = {
    "items": (frozenset({"max"}), frozenset({"each", "base", "per"})),
    "query": (frozenset({"default", "steps"}), frozenset()),
    "field": (frozenset({"default", "steps"}), frozenset()),
    "response_header": (frozenset({"hold", "max"}), frozenset()),
    "on_success": (frozenset({"hold"}), frozenset()),
    "hold": (frozenset(), frozenset()),
}
"""Each form by its first field: what it must have beside that, and what it may."""


class Costing(msgspec.Struct, frozen=True):
    """What a route's requests cost: `cost`, unless `pricing` or `settlement` says otherwise; `most` in any case."""

    cost: int
    pricing: Pricing | None
    settlement: Settlement | None
    most: int

    @property
    def known_before_auth(self) -> bool:
        """Whether it is known before a body was read or an answer came."""
        return self.settlement is None and (self.pricing is None or isinstance(self.pricing, ByParameter))


def costing(part: CostPart) -> Costing:
    """The cost, of a part with which `cost_faults` finds nothing wrong."""
    most = part.max_ or 0
    steps = Steps(part.default or 1, tuple(sorted(part.steps.items())))
    dearest = max((steps.default, *part.steps.values()))
    hold = part.hold or 1
    if part.items is not None:
        items = ByItems(pointer=part.items, each=part.each, base=part.base, per=part.per, items_max=most)
        return Costing(part.base + part.each, items, None, part.base + part.each * -(-most // part.per))
    if part.query is not None:
        return Costing(steps.default, ByParameter(part.query.encode(), steps), None, dearest)
    if part.field is not None:
        return Costing(steps.default, ByMember(part.field, steps), None, dearest)
    if part.response_header is not None:
        return Costing(hold, None, Settlement(part.response_header.encode(), most), max(hold, most))
    if part.on_success is not None:
        return Costing(hold, None, Settlement(None, hold, part.on_success), hold)
    return Costing(hold, None, None, hold)


def cost_faults(document: Document, policy: PolicyFile) -> list[Diagnostic]:
    """Costs that are told in no way, in two, by halves, or where they cannot be known."""
    return [fault for key, route in policy.routes.items() for fault in _faults(document, key, route)]


def _faults(document: Document, key: str, route: RoutePart) -> Iterator[Diagnostic]:
    part, place = route.cost, ("routes", key, "cost")
    given = {CostPart.model_fields[name].alias or name for name in part.model_fields_set}
    forms = [form for form in _FORMS if form in given]
    if not forms:
        yield document.fault("P105", place, "the cost does not say how it is told", help_text=_one_of())
        return
    form = forms[0]
    needed, allowed = _FORMS[form]
    for other in sorted(given - needed - allowed - {form}):
        message = f"{quoted(form)} and {quoted(other)} do not go together"
        yield document.fault("P110", (*place, other), message, help_text=_one_of(), key=True)
    for missing in sorted(needed - given):
        yield document.fault("P105", place, f"the field {quoted(missing)} is missing", key=True)
    if part.on_success is not None and part.on_success > (part.hold or 1):
        yield document.fault("P107", (*place, "on_success"), "must be at most what is held")
    if part.items is not None or part.field is not None:
        if route.auth == "none":
            message = "a body on a route that is open to anyone is not read, but passed on as it comes"
            yield document.fault(
                "P308", place, message, help_text="tell the cost by `query`, or in one number", key=True
            )
        if part.field == ():
            yield document.fault(
                "P106", (*place, "field"), "the whole document is no number", help_text="name a member"
            )


def _one_of() -> str:
    return "write one number; or `items`, `query`, `field`, `response_header` or `on_success`"
