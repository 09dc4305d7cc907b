"""The resources of one service: can each be told where the policy says, and the places of each route, compiled.

What a route does not say is as the service says; what neither says is not told, and keys that are kept to some of it do
nothing there.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec.structs import replace

from guard.model.resources import ANY, InBody, InItems, InPath, InQuery, Place, Resources
from guard.policy.auth import Acceptance
from guard.policy.diagnostic import Diagnostic, Severity, did_you_mean, quoted
from guard.policy.document import Document
from guard.policy.schema import PolicyFile, RoutePart
from guard.policy.templates import Template
from guard.signing.scheme import Guarantee

_BODILESS: Final = ("GET", "HEAD")


def compile_resources(policy: PolicyFile, part: RoutePart, template: Template) -> Resources:
    """The places on one route. Of those of the service, the ones that it has."""
    told: dict[str, tuple[Place, ...]] = {}
    for name, places in policy.resources.items():
        here = tuple(placed for place in places for placed in _on(template, place))
        if here:
            told[name] = here
    for name, places in part.resources.items():
        told[name] = tuple(placed for place in places for placed in _on(template, place)) if places else ANY
    return told


def resource_faults(
    document: Document, policy: PolicyFile, templates: Mapping[str, Template], acceptances: Mapping[str, Acceptance]
) -> Iterator[Diagnostic]:
    """Names that lead nowhere, places that a route does not have, and what nothing is told by."""
    for name, places in policy.resources.items():
        if places == ANY:
            hint = "write here where it stands, and `any` on the routes that are not about it"
            yield document.fault("P105", ("resources", name), "the policy does not say where it stands", help_text=hint)
    for key, route in policy.routes.items():
        for name, places in route.resources.items():
            yield from _on_route(document, policy, (key, name), places, templates.get(key))
        if key in templates and key in acceptances:
            yield from _unsigned(document, key, compile_resources(policy, route, templates[key]), acceptances[key])
    yield from _never_told(document, policy, templates)


def _on_route(
    document: Document, policy: PolicyFile, at: tuple[str, str], places: tuple[Place, ...], template: Template | None
) -> Iterator[Diagnostic]:
    key, name = at
    place = ("routes", key, "resources", name)
    if name not in policy.resources:
        hint = did_you_mean(name, policy.resources) or "declare it under `resources` of the file"
        yield document.fault("P217", place, f"no resource {quoted(name)} is declared", help_text=hint, key=True)
    if policy.routes[key].auth == "none":
        yield document.fault("P312", place, "on a route that is open to anyone no key is kept to anything", key=True)
    elif key.partition(" ")[0] in _BODILESS and any(isinstance(one, InBody | InItems) for one in places):
        yield document.fault("P312", place, "a request of this method has no body", help_text="name the query or path")
    for one in places:
        if isinstance(one, InPath) and template is not None and not list(_on(template, one)):
            yield document.fault("P218", place, f"the path has no segment {quoted('{' + one.name + '}')}")


def _unsigned(document: Document, key: str, told: Resources, acceptance: Acceptance) -> Iterator[Diagnostic]:
    """A part that a scheme does not sign could be exchanged under way. Who accepts one that signs nothing knows."""
    for name, places in told.items():
        for scheme in acceptance.schemes:
            parts = sorted({_part(place) for place in places} & scheme.unbound)
            if parts and scheme.guarantee is not Guarantee.NONE:
                own = ("routes", key, "resources", name)
                place = own if own in document.values else ("routes", key)
                message = f"{quoted(name)} stands in the {parts[0]}, which {quoted(scheme.name)} does not sign"
                hint = "read it from a part that is signed, or write `any` on this route"
                yield document.fault("P313", place, message, help_text=hint, key=True)


def _never_told(document: Document, policy: PolicyFile, templates: Mapping[str, Template]) -> Iterator[Diagnostic]:
    signed = [
        compile_resources(policy, route, templates[key])
        for key, route in policy.routes.items()
        if key in templates and route.auth != "none"
    ]
    for name, places in policy.resources.items():
        if places != ANY and not any(told.get(name) for told in signed):
            message = f"no route tells {quoted(name)}: keys that are kept to some of it do nothing here"
            yield document.fault("P218", ("resources", name), message, severity=Severity.WARNING, key=True)


def _on(template: Template, place: Place) -> Iterator[Place]:
    """The place as this route has it, if it does."""
    if not isinstance(place, InPath):
        yield place
        return
    segments = template.path.split("/")[1:]
    if f"{{{place.name}}}" in segments:
        yield replace(place, position=segments.index(f"{{{place.name}}}"))


def _part(place: Place) -> str:
    if isinstance(place, InPath):
        return "path"
    return "query" if isinstance(place, InQuery) else "body"
