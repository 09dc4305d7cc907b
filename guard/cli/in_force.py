"""Whether a change is in force on every node: for a person as text, for a program as JSON."""

import msgspec

from guard.service.enforcement import Force, NotKnown, Silent, force_view


def force_told(force: Force) -> dict[str, object]:
    """For a program."""
    told: dict[str, object] = msgspec.to_builtins(force_view(force))
    return told


def force_text(done: str, force: Force) -> str:
    """What was done, and that it is in force: else exactly what is not known."""
    if isinstance(force, NotKnown):
        lines = [f"{done}. Not known after {force.after_ms} ms whether it is in force:"]
        lines += [f"  {each.node} does not answer, and may use what it knew for {_s(each)}." for each in force.silent]
        lines += [] if force.error is None else [f"  {force.error}."]
        return "\n".join(lines)
    if force.nodes == 0:
        return f"{done}. No gateway is running."
    nodes = "1 node" if force.nodes == 1 else f"{force.nodes} nodes"
    lines = [f"{done}, in force on {nodes} after {force.after_ms} ms."]
    lines += [f"  {node} does not answer; it refuses all keys until it does." for node in force.expired]
    return "\n".join(lines)


def _s(silent: Silent) -> str:
    return f"{silent.until_ms / 1000:g} s from the change on"
