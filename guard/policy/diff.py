"""Two compiled policies side by side: what of the second lets more through, and what less. Pure.

Not the text is compared but what the gateway would run, so that an edit of a default, a group or a tier shows where it
acts. What each field means is `directions.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from guard.model.policy import Bucket, Limit, PolicySet, Route, RouteAuth, RouteNode, Service
from guard.model.resources import InBody, InItems, InPath, InQuery
from guard.model.rules import Rule
from guard.policy.directions import TABLE, Direction, Kind, Part, Skipped, either
from guard.policy.units import spelled

Limits: TypeAlias = Mapping[str, tuple[Limit, ...]]
"""Those of each tier."""

_NOWHERE: Final = Rule("", "", 0)
_LISTED_MAX: Final = 10


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One difference: where in the policy (`exchange limits.key capacity`), from what to what, and where it stands.

    `file` and `line` are those of the new policy, or of the old one for what is no more.
    """

    kind: Kind
    path: str
    old: str
    new: str
    file: str
    line: int


def differences(old: PolicySet, new: PolicySet) -> tuple[Change, ...]:
    """Every change, once, the worst first; of equal ones in the order of the policies."""
    found = dict.fromkeys(_struct("", old, new, _NOWHERE))
    order = tuple(Kind)
    return tuple(sorted(found, key=lambda change: order.index(change.kind)))


def scheme_differences(names: Iterable[str]) -> tuple[Change, ...]:
    """Schemes that were written anew: nobody can tell whether they prove as much as before."""
    return tuple(_change(Kind.WEAKENS, f"scheme {name}", "one profile", "another", _NOWHERE) for name in sorted(names))


def summary(changes: Iterable[Change]) -> str:
    """How many of each kind: `weakens 2, tightens 1, renames 0, neutral 4`."""
    kinds = [change.kind for change in changes]
    return ", ".join(f"{kind.lower()} {kinds.count(kind)}" for kind in Kind)


def _struct(path: str, old: Any, new: Any, at: Rule) -> Iterator[Change]:
    """The fields of two values of one kind. A value of another kind, or of none, is a change as a whole."""
    own = getattr(new, "rule", at)
    if old is None or new is None or type(old) is not type(new):
        if old is not new:  # auth comes to a route where the route says so, not where the section stands
            where = at if isinstance(new, RouteAuth) else own
            yield _change(_whole(old, new), path, _shown(old), _shown(new), where)
        return
    at = own
    if isinstance(new, Bucket) and old.refill_tokens * new.period_ms != new.refill_tokens * old.period_ms:
        grew = old.refill_tokens * new.period_ms < new.refill_tokens * old.period_ms
        yield _change(Kind.WEAKENS if grew else Kind.TIGHTENS, _under(path, "rate"), _rate(old), _rate(new), at)
    if isinstance(new, RouteAuth):
        yield from _windows(path, old, new, at)
    table = TABLE.get(type(new), {})
    for field in new.__struct_fields__:
        say = table.get(field, either)
        if not isinstance(say, Skipped):
            yield from _field(path, field, say, (getattr(old, field), getattr(new, field)), at)


def _field(path: str, field: str, say: Direction | Part, values: tuple[Any, Any], at: Rule) -> Iterator[Change]:
    old, new = values
    match say:
        case Part.STRUCT:
            yield from _struct(_under(path, "" if field in ("rule", "meter") else field), old, new, at)
        case Part.NAMED:
            yield from _named(path, old, new)
        case Part.ROUTES:
            yield from _named(_under(path, ""), _routes(old), _routes(new))
        case Part.TIERS:
            yield from _tiers(_service_of(path), old, new, at)
        case _ if old != new:
            yield _change(say(old, new), _under(path, field), *_told_apart(old, new), at)


def _windows(path: str, old: RouteAuth, new: RouteAuth, at: Rule) -> Iterator[Change]:
    """Those of the schemes that both accept, in whatever order; schemes that come or go are told as such."""
    before = dict(zip(old.schemes, old.windows, strict=True))
    for scheme, window in zip(new.schemes, new.windows, strict=True):
        if scheme in before:
            yield from _struct(_under(path, f"windows.{scheme}"), before[scheme], window, at)


def _told_apart(old: object, new: object) -> tuple[str, str]:
    """Both in a few words; of long lists what only one of them has."""
    if not (isinstance(old, tuple) and isinstance(new, tuple)) or len(old) + len(new) <= _LISTED_MAX:
        return _shown(old), _shown(new)
    before, after = set(old), set(new)
    gone, come = [each for each in old if each not in after], [each for each in new if each not in before]
    return _some(gone, len(old)), _some(come, len(new))


def _some(entries: list[object], of: int) -> str:
    named = [*map(_shown, entries[:_LISTED_MAX]), *(["…"] if len(entries) > _LISTED_MAX else [])]
    return f"{', '.join(named)} ({len(entries)} of {of})" if named else f"({of})"


def _named(path: str, old: Iterable[Any], new: Iterable[Any]) -> Iterator[Change]:
    """What has the same name is compared; of the rest, what is the same under another name was renamed."""
    before, after = {each.name: each for each in old}, {each.name: each for each in new}
    for name, each in after.items():
        if name in before:
            base = _service_of(path) if isinstance(each, Limit) else path  # its numbers are the same on all routes
            yield from _struct(_child(base, each), before[name], each, each.rule)
    gone, come = [before[n] for n in before if n not in after], [after[n] for n in after if n not in before]
    for one in gone:
        same = None if isinstance(one, Route) else next((each for each in come if _alike(one, each)), None)
        if same is not None:
            come.remove(same)
            yield _change(Kind.RENAMES, _child(path, one), one.name, same.name, same.rule)
            continue
        kind = Kind.WEAKENS if isinstance(one, Limit) else Kind.TIGHTENS
        yield _change(kind, _child(path, one), _shown(one), "", one.rule)
    for one in come:
        kind = Kind.TIGHTENS if isinstance(one, Limit) else Kind.WEAKENS
        yield _change(kind, _child(path, one), "", _shown(one), one.rule)


def _tiers(path: str, old: Limits, new: Limits, at: Rule) -> Iterator[Change]:
    """The limits of keys of each tier; limits that come or go do so for all keys, and are told there."""
    for tier in sorted(old.keys() | new.keys()):
        here = _under(path, f"tiers.{tier}")
        if tier not in old or tier not in new:
            yield _change(Kind.WEAKENS, here, tier if tier in old else "", tier if tier in new else "", at)
            continue
        before, after = {each.name: each for each in old[tier]}, {each.name: each for each in new[tier]}
        for name in sorted(before.keys() & after.keys()):
            yield from _struct(_child(here, after[name]), before[name], after[name], after[name].rule)


def _service_of(path: str) -> str:
    return path.split(" ", 1)[0]


def _alike(old: Any, new: Any) -> bool:
    return not any(_struct("", old, new, _NOWHERE))


def _routes(node: RouteNode) -> list[Route]:
    found = {route.name: route for route in node.routes()}
    return sorted(found.values(), key=lambda route: (route.rule.line, route.name))


def _rate(bucket: Bucket) -> str:
    return f"{bucket.refill_tokens}/{spelled(bucket.period_ms)}"


def _whole(old: object, new: object) -> Kind:
    """Something that was not there before is authentication, TLS, checks or a breaker: it never lets more through."""
    return Kind.TIGHTENS if old is None and new is not None else Kind.WEAKENS


def _child(path: str, named: Service | Route | Limit) -> str:
    return _under(path, f"limits.{named.name}" if isinstance(named, Limit) else named.name)


def _under(path: str, field: str) -> str:
    return f"{path} {field}".strip() if field else path


def _change(kind: Kind, path: str, old: str, new: str, at: Rule) -> Change:
    return Change(kind=kind, path=path, old=old, new=new, file=at.file, line=at.line)


def _shown(value: object) -> str:
    """A value in a few words. Of a struct, its name, or that it is there."""
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case bytes():
            return value.decode("latin-1")
        case frozenset() | set():
            return ", ".join(sorted(map(_shown, value))) or "none"
        case Mapping():
            return "; ".join(f"{name}: {_shown(each) if each else 'any'}" for name, each in value.items()) or "none"
        case tuple():
            return ", ".join(map(_shown, value)) or "none"
        case RouteAuth():
            return f"auth by {_shown(value.schemes)}"
        case InQuery() | InBody() | InItems() | InPath():
            return str(value)
        case msgspec.Struct():
            return str(getattr(value, "name", "there"))
        case _:
            return str(value)
