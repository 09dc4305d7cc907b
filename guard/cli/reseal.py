"""`guard keys reseal`: a new key-encryption key in two steps, or in three where there are many nodes."""

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
import typer

from guard.app.keys import open_vault
from guard.cli.key_files import wall_clock
from guard.cli.progress import progress
from guard.cli.vault import answer_of
from guard.cli.who import Actor, Why, by
from guard.service.resealing import Resealing

SUMMARY = "Seal every secret under a new key-encryption key, while gateways go on."
HELP = """\b
    guard keys reseal --why "yearly"
    guard keys reseal --retire-old
    guard keys reseal --add-only

    Seal the secret of every key under a new key-encryption key, while gateways go on. What was interrupted goes on
    when it is run again. Then --retire-old takes the old key out of the file. With several nodes --add-only comes
    first, and each of them gets a copy of the file when it has changed (docs/keys.md).
    """

Answer = TypeVar("Answer")


def reseal(
    *,
    add_only: Annotated[bool, typer.Option("--add-only", help="Only put a new key into the file.")] = False,
    retire_old: Annotated[bool, typer.Option("--retire-old", help="Only take old keys out of the file.")] = False,
    actor: Actor = None,
    why: Why = "",
    as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """See `HELP` above."""
    who = by(actor, why)
    if add_only and retire_old:
        raise typer.BadParameter("it is one step or the other", param_hint="--add-only, --retire-old")
    if add_only:
        added = _answer(lambda resealing: resealing.add(who))
        told: dict[str, object] = {"added": added}
        text = (
            f"Key {added} is in the sealing key file and does not seal yet. Copy the file to every node, then reseal."
        )
    elif retire_old:
        retired = _answer(lambda resealing: resealing.retire(who))
        told = {"retired": retired}
        text = (
            f"No longer in the sealing key file: {', '.join(retired)}." if retired else "There is no old key to retire."
        )
    else:
        with progress("secrets") as show:
            resealed = _answer(lambda resealing: resealing.reseal(who, show))
        told = {"resealed": resealed.count, "seals": resealed.sealing_id}
        text = (
            f"{resealed.count:,} secrets were sealed anew, under key {resealed.sealing_id}. The old key still stands "
            "in the file; `guard keys reseal --retire-old` takes it out. Back the file up before."
        )
    typer.echo(msgspec.json.encode(told).decode() if as_json else text)


def _answer(ask: Callable[[Resealing], Awaitable[Answer]]) -> Answer:
    return answer_of(open_vault, lambda vault: ask(Resealing(vault, now=wall_clock)))
