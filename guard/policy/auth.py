"""Who may sign on each route, with which kinds of key, and inside which window: names looked up, windows narrowed.

A route inherits from the service's `auth` what it does not say itself, and may narrow it, never widen it. What a scheme
can never accept, or accepts for ever, is refused here (ARCHITECTURE.md section 3, rule 9).
"""

from collections.abc import Iterator, Mapping

import msgspec

from guard.model.facts import Transport
from guard.model.keys import KeyAlgorithm
from guard.model.policy import RouteAuth, Window
from guard.model.rules import Rule
from guard.policy.diagnostic import Diagnostic, did_you_mean, quoted
from guard.policy.document import Document, Path
from guard.policy.modes import auth_mode
from guard.policy.schema import AuthPart, PolicyFile, RoutePart, WindowPart
from guard.policy.schemes import API_KEY, API_KEY_FIELD, Schemes
from guard.policy.units import spelled
from guard.signing.scheme import Guarantee, Scheme
from guard.wire.owned_fields import is_owned

_DEFAULT = "guard-v1"
_TAKEN = frozenset(
    {
        *("host", "connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "expect", "cookie"),
        *("content-length", "content-type", "content-encoding", "accept", "origin", "date", "user-agent", "via"),
    }
)
"""Fields whose meaning HTTP fixes, so that a credential in one of them would be forwarded, or break the message."""


class Acceptance(msgspec.Struct, frozen=True):
    """What a route accepts: schemes in order, a window for each, and kinds of key."""

    rule: Rule
    schemes: tuple[Scheme, ...]
    windows: tuple[Window, ...]
    algorithms: frozenset[KeyAlgorithm]

    def route_auth(self, widest: Mapping[str, int]) -> RouteAuth:
        """The rule, with how long each scheme's messages are to be remembered: the widest window that anyone grants."""
        return RouteAuth(
            rule=self.rule,
            schemes=tuple(scheme.name for scheme in self.schemes),
            algorithms=self.algorithms,
            windows=self.windows,
            remember_ms=tuple(widest[scheme.name] for scheme in self.schemes),
        )


class Judged(msgspec.Struct, frozen=True):
    """Each signed route's acceptance by its key, and everything that is wrong."""

    acceptances: Mapping[str, Acceptance]
    faults: tuple[Diagnostic, ...]


def judge_auth(document: Document, policy: PolicyFile, known: Schemes) -> Judged:
    """What every route of the service accepts."""
    return _Judge(document, policy, known).judged()


class _Judge:
    """One service's `auth` and its routes' exceptions from it."""

    def __init__(self, document: Document, policy: PolicyFile, known: Schemes) -> None:
        self._document = document
        self._policy = policy
        self._faults: list[Diagnostic] = []
        self._broken = known.broken
        self._known = self._with_api_key(dict(known.compiled), known)
        self._service = self._accept_of_service(policy.auth)

    def judged(self) -> Judged:
        acceptances: dict[str, Acceptance] = {}
        for key, route in self._policy.routes.items():
            if route.auth == "none":
                self._faults += _contradictions(self._document, key, route)
                continue
            accepted = self._accept_of_route(key, route)
            if accepted is not None:
                acceptances[key] = accepted
        self._faults += self._replayable(acceptances)
        api_key = self._policy.auth.api_key
        if api_key is not None and not self._faults and not _uses(acceptances, API_KEY):
            self._add("P110", ("auth", "api_key"), "no route accepts the scheme `api-key`")
        return Judged(acceptances, tuple(self._faults))

    def _with_api_key(self, known: dict[str, Scheme], schemes: Schemes) -> dict[str, Scheme]:
        part = self._policy.auth.api_key
        if part is None:
            return known
        name = part.field.encode()
        if part.field == API_KEY_FIELD:
            return known
        if is_owned(name) or part.field in _TAKEN or any(name in one.credential_fields for one in known.values()):
            self._add("P106", ("auth", "api_key", "field"), f"{quoted(part.field)} already means something else")
            return known
        return known | {API_KEY: schemes.api_key_in(part.field)}

    def _accept_of_service(self, auth: AuthPart) -> Acceptance | None:
        if auth.scheme and auth.schemes:
            self._add("P110", ("auth", "scheme"), "`scheme` and `schemes` say the same: keep one")
            return None
        place: Path = ("auth", "schemes") if auth.schemes else ("auth", "scheme")
        schemes = self._look_up(auth.schemes or (auth.scheme or _DEFAULT,), place)
        if schemes is None:
            return None
        algorithms = frozenset(KeyAlgorithm(one) for one in auth.algorithms)
        if not self._algorithms_fit(algorithms, schemes, ("auth", "algorithms"), listed=True):
            return None
        if auth.window is not None and not self._window_fits(auth.window, schemes):
            return None
        windows = tuple(_window(scheme, auth.window) for scheme in schemes)
        accepted = _all(schemes)
        return Acceptance(self._rule("auth", ("auth",)), schemes, windows, accepted & (algorithms or accepted))

    def _accept_of_route(self, key: str, route: RoutePart) -> Acceptance | None:
        """None if something is wrong with it, or with what it would inherit."""
        if not (route.schemes or route.algorithms or route.window):
            return self._service
        place = ("routes", key)
        if route.schemes:
            schemes = self._look_up(route.schemes, (*place, "schemes"))
        else:
            schemes = self._service.schemes if self._service is not None else None
        if schemes is None:
            return None
        narrowed = self._narrow_algorithms(route, schemes, place)
        if narrowed is None:
            return None
        schemes = tuple(scheme for scheme in schemes if scheme.algorithms & narrowed)
        windows = self._narrow_windows(route.window, schemes, place)
        if windows is None:
            return None
        return Acceptance(self._rule(f"routes.{key}", place), schemes, windows, narrowed)

    def _look_up(self, names: tuple[str, ...], place: Path) -> tuple[Scheme, ...] | None:
        found: list[Scheme] = []
        for position, name in enumerate(names):
            scheme = self._known.get(name)
            at = (*place, position)
            if name in self._broken:
                continue
            if scheme is None:
                self._add("P202", at, f"no scheme {quoted(name)}", did_you_mean(name, self._known))
            elif scheme.transport is not Transport.HTTP:
                self._add("P202", at, f"the scheme {quoted(name)} is for {scheme.transport}, not for HTTP")
            elif scheme in found:
                self._add("P110", at, f"{quoted(name)} is named twice")
            else:
                found.append(scheme)
        return tuple(found) if len(found) == len(names) else None

    def _narrow_algorithms(
        self, route: RoutePart, schemes: tuple[Scheme, ...], place: Path
    ) -> frozenset[KeyAlgorithm] | None:
        allowed = frozenset(KeyAlgorithm(one) for one in self._policy.auth.algorithms) or frozenset(KeyAlgorithm)
        wanted = frozenset(KeyAlgorithm(one) for one in route.algorithms)
        at = (*place, "algorithms" if wanted else "schemes")
        if not wanted <= allowed:
            listed = ", ".join(sorted(wanted - allowed))
            self._add("P203", at, f"a route may only narrow: {listed} not among the service's algorithms")
            return None
        if not self._algorithms_fit(wanted, schemes, at, listed=bool(route.schemes)):
            return None
        left = (wanted or allowed) & _all(schemes)
        if not left:
            self._add("P203", at, "no algorithm is left: the service's `algorithms` take none of these schemes' keys")
            return None
        return left

    def _algorithms_fit(
        self, algorithms: frozenset[KeyAlgorithm], schemes: tuple[Scheme, ...], place: Path, *, listed: bool
    ) -> bool:
        """Whether some scheme takes each algorithm and, if schemes are `listed` beside them, each scheme takes one."""
        if not algorithms:
            return True
        elsewhere = self._named_on_routes() if place[0] == "auth" else ()
        idle = sorted(algorithms - _all((*schemes, *elsewhere)))
        for algorithm in idle:
            self._add("P203", place, f"none of the accepted schemes takes {algorithm}")
        bare = [scheme for scheme in schemes if listed and not scheme.algorithms & algorithms]
        for scheme in bare:
            self._add("P203", place, f"the scheme {quoted(scheme.name)} is left without an algorithm")
        return not idle and not bare

    def _named_on_routes(self) -> tuple[Scheme, ...]:
        """The service's `algorithms` hold for these too."""
        names = {name for route in self._policy.routes.values() for name in route.schemes}
        return tuple(self._known[name] for name in names if name in self._known)

    def _window_fits(self, window: WindowPart, schemes: tuple[Scheme, ...]) -> bool:
        timed = [scheme for scheme in schemes if scheme.has_time]
        if not timed:
            self._add("P405", ("auth", "window"), "none of the accepted schemes signs a time")
            return False
        past, future = ("auth", "window", "past"), ("auth", "window", "future")
        for scheme in timed:
            if window.past > scheme.window_past_ms_max:
                most = spelled(scheme.window_past_ms_max)
                self._add("P405", past, f"{quoted(scheme.name)} allows at most {most}")
                return False
            if "future" in window.model_fields_set and window.future > scheme.window_default.future_ms:
                most = spelled(scheme.window_default.future_ms)
                self._add("P405", future, f"{quoted(scheme.name)} allows a lead of at most {most}")
                return False
        return True

    def _narrow_windows(
        self, window: WindowPart | None, schemes: tuple[Scheme, ...], place: Path
    ) -> tuple[Window, ...] | None:
        inherited = tuple(_window(scheme, self._policy.auth.window) for scheme in schemes)
        if window is None:
            return inherited
        if not any(scheme.has_time for scheme in schemes):
            self._add("P405", (*place, "window"), "none of the accepted schemes signs a time")
            return None
        for scheme, outer in zip(schemes, inherited, strict=True):
            wide = window.past > outer.past_ms or (
                "future" in window.model_fields_set and window.future > outer.future_ms
            )
            if scheme.has_time and wide:
                limit = f"{spelled(outer.past_ms)} past, {spelled(outer.future_ms)} future"
                self._add(
                    "P405", (*place, "window"), f"a route may only narrow the window of {quoted(scheme.name)}: {limit}"
                )
                return None
        return tuple(
            Window(min(window.past, outer.past_ms), min(window.future, outer.future_ms)) for outer in inherited
        )

    def _replayable(self, acceptances: Mapping[str, Acceptance]) -> Iterator[Diagnostic]:
        """Schemes that promise nothing against replay, where more than reading is done and nobody accepted it."""
        if self._policy.auth.accept_replayable:
            return
        for key, accepted in acceptances.items():
            route = self._policy.routes[key]
            weak = next((scheme for scheme in accepted.schemes if scheme.guarantee is Guarantee.NONE), None)
            if weak is not None and not route_reads(key, route) and not route.accept_replayable:
                message = (
                    f"{quoted(weak.name)} messages can be sent again for ever, and {quoted(key)} does more than read"
                )
                hint = "leave the scheme out here, or write `accept_replayable: true` on the route"
                yield self._document.fault("P407", ("routes", key), message, help_text=hint, key=True)

    def _rule(self, name: str, place: Path) -> Rule:
        return Rule(name, self._document.name, self._document.span(place, key=True).line, auth_mode(self._policy))

    def _add(self, code: str, place: Path, message: str, help_text: str = "") -> None:
        self._faults.append(self._document.fault(code, place, message, help_text=help_text))


def route_reads(key: str, route: RoutePart) -> bool:
    """Whether repeating a request to the route changes nothing: as it says, else true for GET and HEAD."""
    return route.reads if route.reads is not None else key.partition(" ")[0] in ("GET", "HEAD")


def _contradictions(document: Document, key: str, route: RoutePart) -> Iterator[Diagnostic]:
    said = {
        "scope": route.scope,
        "schemes": route.schemes,
        "algorithms": route.algorithms,
        "window": route.window,
        "accept_replayable": route.accept_replayable,
    }
    for field, value in said.items():
        if value:
            message = f"`auth: none` opens the route to anyone, so `{field}` means nothing"
            yield document.fault("P110", ("routes", key, field), message, key=True)


def _window(scheme: Scheme, window: WindowPart | None) -> Window:
    """The scheme's own window, or the service's as far as the scheme allows it."""
    if window is None or not scheme.has_time:
        return scheme.window_default
    return Window(min(window.past, scheme.window_past_ms_max), min(window.future, scheme.window_default.future_ms))


def _all(schemes: tuple[Scheme, ...]) -> frozenset[KeyAlgorithm]:
    return frozenset[KeyAlgorithm]().union(*(scheme.algorithms for scheme in schemes))


def _uses(acceptances: Mapping[str, Acceptance], name: str) -> bool:
    return any(
        scheme.name.partition(":")[0] == name for accepted in acceptances.values() for scheme in accepted.schemes
    )
