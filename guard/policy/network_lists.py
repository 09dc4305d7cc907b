"""Lists of networks in files beside a policy: `file:deny.txt`, one address or network a line, `#` begins a comment.

A list is one of the policy's files: its digest, its signature, its history and the watch over its directory cover it.
"""

from collections.abc import Iterator, Mapping

from guard.model.networks import Networks
from guard.policy.diagnostic import Diagnostic, quoted
from guard.policy.document import Document, Path
from guard.policy.names import LIST_PREFIX, NameFault, list_name, network
from guard.policy.schema import PolicyFile
from guard.policy.yaml_text import text_of

NETWORKS_MAX = 50_000
_FAULTS_MAX = 20
_HELP = "write networks into it, one a line: from an empty list nobody may come"


def lists_named(document: Document) -> dict[Path, str]:
    """Every list that the file names, by the place where it does. What is no name of a list is left to the schema."""
    found: dict[Path, str] = {}
    for path, entries in _places(document.content):
        for position, entry in enumerate(entries if isinstance(entries, list) else [entries]):
            if isinstance(entry, str) and entry.startswith(LIST_PREFIX):
                try:
                    found[*path, position] = list_name(entry)
                except NameFault:
                    continue
    return found


def read_list(content: bytes, file: str) -> Networks | tuple[Diagnostic, ...]:
    """The networks of a list, or everything that is wrong with it."""
    text = text_of(content, file)
    if not isinstance(text, str):
        return text
    networks: list[str] = []
    faults: list[Diagnostic] = []
    for number, line in enumerate(text.split("\n"), 1):
        written = line.partition("#")[0].strip()
        try:
            networks += _networks(written, NETWORKS_MAX - len(networks))
        except NameFault as fault:
            faults.append(_fault(fault, file, number, line, written))
            if fault.code != "P108" or len(faults) >= _FAULTS_MAX:
                break
    return tuple(faults) if faults else Networks(networks)


def networks_in(document: Document, entries: tuple[str, ...]) -> Networks:
    """All networks of these entries, those of lists in their places."""
    return Networks(
        each
        for entry in entries
        for each in (document.lists.get(_list(entry), ()) if entry.startswith(LIST_PREFIX) else (entry,))
    )


def list_faults(document: Document, policy: PolicyFile) -> Iterator[Diagnostic]:
    """Lists that let nobody in any more: left alone, they would let in everybody."""
    allowed: dict[Path, tuple[str, ...]] = {("client_ip", "allow"): policy.client_ip.allow}
    allowed |= {("routes", key, "allow_ips"): route.allow_ips for key, route in policy.routes.items()}
    for path, entries in allowed.items():
        known = all(_list(entry) in document.lists for entry in entries if entry.startswith(LIST_PREFIX))
        if entries and known and not networks_in(document, entries):  # knockout: no_list_is_open
            yield document.fault("P112", path, "these lists hold no network", help_text=_HELP)


def _places(content: Mapping[str, object]) -> Iterator[tuple[Path, object]]:
    client_ip, routes = content.get("client_ip"), content.get("routes")
    if isinstance(client_ip, Mapping):
        yield from ((("client_ip", field), client_ip[field]) for field in ("allow", "deny") if field in client_ip)
    for key, route in routes.items() if isinstance(routes, Mapping) else ():
        if isinstance(route, Mapping) and "allow_ips" in route:
            yield ("routes", key, "allow_ips"), route["allow_ips"]


def _list(entry: str) -> str:
    return entry.removeprefix(LIST_PREFIX)


def _networks(written: str, room: int) -> tuple[str, ...]:
    """That of a line, none if there is nothing in it."""
    if not written:
        return ()
    if room <= 0:
        raise NameFault("P112", f"is one more than {NETWORKS_MAX:,} networks", "join some of them to wider ones")
    return (network(written),)


def _fault(fault: NameFault, file: str, number: int, line: str, written: str) -> Diagnostic:
    return Diagnostic(
        code="P112",
        message=f"{quoted(written)} {fault.message}",
        file=file,
        line=number,
        column=line.index(written) + 1,
        width=max(1, len(written)),
        source_line=line,
        help=fault.help_text,
    )
