"""Policy files of one directory become one PolicySet: each is judged by itself, then what they say of one another.

Nothing is built while anything is wrong: half a policy is never in force.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from guard.model.policy import Limit, Meter, PolicySet, Route, Service
from guard.model.rules import Mode, Rule
from guard.model.upstream_policy import UpstreamPolicy
from guard.policy.abuse import compile_abuse
from guard.policy.abuse_faults import abuse_faults
from guard.policy.auth import Acceptance, judge_auth, route_reads
from guard.policy.case_files import read_cases
from guard.policy.cases import Case
from guard.policy.costs import cost_faults, costing
from guard.policy.diagnostic import Diagnostic, Severity, did_you_mean, quoted
from guard.policy.document import Document
from guard.policy.limits import compile_limits, is_asked_first, limit_faults, limits_of
from guard.policy.lints.table import lint
from guard.policy.lints.whole import whole
from guard.policy.losses import compile_loss, local_replay, loss_faults
from guard.policy.modes import mode_faults
from guard.policy.network_lists import list_faults
from guard.policy.overlaps import overlap_faults
from guard.policy.requirements import compile_networks, requirement_faults, requirements
from guard.policy.resources import compile_resources, resource_faults
from guard.policy.routes import build_tree, prefix_faults, read_templates
from guard.policy.schema import ROUTES_MAX, PolicyFile
from guard.policy.schemes import Schemes
from guard.policy.shape import Shaped, shape
from guard.policy.surroundings import client_ip_faults, compile_client_ip, compile_upstream
from guard.policy.templates import Template
from guard.policy.tiers import compile_tiers, of_tiers, tier_faults
from guard.signing.scheme import Scheme

NEVER_DROPPED: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding"})


class Source(msgspec.Struct, frozen=True):
    """One policy file as it was read, and the digest of it and of the schemes that are written beside it."""

    document: Document
    digest: str


class Compiled(msgspec.Struct, frozen=True):
    """The policies in force, every scheme that some route accepts, by name, and the tests that must hold."""

    policies: PolicySet
    schemes: dict[str, Scheme]
    cases: tuple[Case, ...] = ()


class _Draft(msgspec.Struct, frozen=True):
    """One service, judged by itself."""

    source: Source
    shaped: Shaped
    templates: Mapping[str, Template]
    acceptances: Mapping[str, Acceptance]
    upstream: UpstreamPolicy
    faults: tuple[Diagnostic, ...]


def compile_all(
    sources: Sequence[Source],
    schemes: Schemes,
    digest: str,
    environment: Mapping[str, str],
    *,
    case_files: Sequence[Document] = (),
    granted: frozenset[str] | None = None,
) -> tuple[Compiled | None, list[Diagnostic]]:
    """What the sources say, None if anything in them is an error; and all errors and warnings.

    `granted` are the scopes that keys have, if somebody has looked.
    """
    drafts = [_draft(source, schemes, environment) for source in sources]
    faults = [fault for draft in drafts for fault in draft.faults]
    cases, case_faults = read_cases([(draft.source.document, draft.shaped) for draft in drafts], case_files)
    faults += case_faults
    faults += overlap_faults([(draft.source.document, draft.shaped) for draft in drafts])
    if any(fault.severity is Severity.ERROR for fault in faults):
        return None, faults
    accepted = [one for draft in drafts for one in draft.acceptances.values()]
    widest: dict[str, int] = {}
    for one in accepted:
        for scheme, window in zip(one.schemes, one.windows, strict=True):
            widest[scheme.name] = max(widest.get(scheme.name, 0), window.past_ms)
    policies = PolicySet(
        services=tuple(_service(draft, widest) for draft in drafts),
        digest=digest,
        future_ms_max=max((window.future_ms for one in accepted for window in one.windows), default=0),
        store_ms_max=_least(draft.shaped.policy.store.timeout for draft in drafts),
        dual_control=frozenset(scope for draft in drafts for scope in draft.shaped.policy.dual_control.scopes),
        changes_by_two=any(draft.shaped.policy.dual_control.changes is not None for draft in drafts),
    )
    for draft, service in zip(drafts, policies.services, strict=True):
        faults += lint(whole(draft.source.document, draft.shaped.policy, service, granted))
    return Compiled(policies, {scheme.name: scheme for one in accepted for scheme in one.schemes}, cases), faults


def _least(said: Iterable[int | None]) -> int | None:
    return min((each for each in said if each is not None), default=None)


def _draft(source: Source, schemes: Schemes, environment: Mapping[str, str]) -> _Draft:
    """Judge every part that could be read; not what reads a broken part, so that no fault follows from another."""
    document, shaped = source.document, shape(source.document)
    policy, broken = shaped.policy, shaped.broken
    written = document.content.get("routes")
    keys = written if isinstance(written, dict) and len(written) <= ROUTES_MAX else ()
    templates, faults = read_templates(document, keys)
    faults += prefix_faults(document, policy.match.prefix, templates)
    judged = judge_auth(document, policy, schemes)
    if not broken & {"auth", "routes"}:
        faults += [*judged.faults, *requirement_faults(document, policy)]
    if not broken & {"limits", "routes", "tiers"}:
        faults += cost_faults(document, policy) or [*limit_faults(document, policy), *tier_faults(document, policy)]
    if not broken & {"abuse", "limits", "routes"}:
        faults += abuse_faults(document, policy)
    upstream, upstream_faults = compile_upstream(document, policy, environment)
    faults += [*upstream_faults, *client_ip_faults(document, policy.client_ip)]
    faults += [*_open_routes(document, policy), *_drops(document, policy), *loss_faults(document, policy)]
    faults += [*mode_faults(document, policy), *list_faults(document, policy)]
    if not broken & {"resources", "routes", "auth"}:
        faults += resource_faults(document, policy, templates, judged.acceptances)
    if not broken & {"dual_control", "routes"}:
        faults += _dual_control(document, policy)
    return _Draft(source, shaped, templates, judged.acceptances, upstream, (*shaped.faults, *faults))


def _open_routes(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    for key, route in policy.routes.items():
        if route.auth == "none" and key.partition(" ")[0] not in ("GET", "HEAD"):
            message = f"{quoted(key)} is open to anyone, and its method is for more than reading"
            yield document.fault("P401", ("routes", key, "auth"), message, severity=Severity.WARNING)


def _dual_control(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """A scope that no route needs is a slip of the pen, and would protect nothing."""
    needed = {route.scope for route in policy.routes.values() if route.scope is not None}
    for position, scope in enumerate(policy.dual_control.scopes):
        if scope not in needed:
            message = f"no route of this file needs the scope {quoted(scope)}"
            yield document.fault(
                "P206", ("dual_control", "scopes", position), message, help_text=did_you_mean(scope, needed)
            )


def _drops(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    for position, name in enumerate(policy.fields.drop):
        if name in NEVER_DROPPED:
            yield document.fault(
                "P107", ("fields", "drop", position), f"{quoted(name)} cannot be dropped: HTTP needs it"
            )


def _service(draft: _Draft, widest: Mapping[str, int]) -> Service:
    document, policy = draft.source.document, draft.shaped.policy
    accepted = {scheme.name: scheme for one in draft.acceptances.values() for scheme in one.schemes}.values()
    limits = compile_limits(document, policy)
    tiers = compile_tiers(policy)
    routes = [(draft.templates[key], _route(draft, key, limits, tiers, widest)) for key in policy.routes]
    return Service(
        name=policy.service,
        rule=Rule("service", document.name, document.span(("service",), key=True).line),
        mode=Mode(policy.mode),
        digest=draft.source.digest,
        hosts=frozenset(host.encode() for host in policy.match.hosts),
        prefix=policy.match.prefix.encode(),
        upstream=draft.upstream,
        client_ip=compile_client_ip(document, policy),
        routes=build_tree(routes),
        credentials=frozenset[bytes]().union(*(scheme.credential_fields for scheme in accepted)),
        secrets=frozenset[bytes]().union(*(scheme.secret_fields for scheme in accepted)),
        drop_fields=frozenset(name.encode() for name in policy.fields.drop),
        local_replay=local_replay(document, policy),
        abuse=compile_abuse(document, policy),
        promotion_percent=policy.promotion.keys_denied,
    )


def _route(
    draft: _Draft,
    key: str,
    limits: Mapping[str, Limit],
    tiers: Mapping[str, Mapping[str, Meter]],
    widest: Mapping[str, int],
) -> Route:
    document, policy = draft.source.document, draft.shaped.policy
    part, template, acceptance = policy.routes[key], draft.templates[key], draft.acceptances.get(key)
    charged, cost = limits_of(key, part, policy, limits), costing(part.cost)
    principal = tuple(limit for limit in charged if not is_asked_first(limit, cost))
    return Route(
        name=key,
        method=template.method,
        template=template.path,
        rule=Rule(f"routes.{key}", document.name, document.span(("routes", key), key=True).line),
        auth=acceptance.route_auth(widest) if acceptance is not None else None,
        scope=part.scope,
        require=requirements(part),
        networks=compile_networks(document, key, policy),
        group=part.group,
        reads=route_reads(key, part),
        critical=part.priority == "critical",
        cost=cost.cost,
        pricing=cost.pricing,
        settlement=cost.settlement,
        limits_address=tuple(limit for limit in charged if is_asked_first(limit, cost)),
        limits_principal=principal,
        limits_by_tier=of_tiers(principal, tiers),
        resources=compile_resources(policy, part, template),
        max_body_bytes=part.max_body or policy.upstream.max_body,
        total_ms=part.timeout or policy.upstream.timeout.total,
        loss=compile_loss(policy.store.on_failure, critical=part.priority == "critical"),
    )
