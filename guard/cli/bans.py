"""`guard bans …`: who is banned, on a terminal. What is done and what is refused is `service/banning.py`."""

from typing import Annotated

import typer

from guard.app.keys import banning_of, open_vault
from guard.cli.bans_screen import done_json, done_text, list_json, list_text, show_json, show_text
from guard.cli.vault import answer_of
from guard.cli.who import Actor, by
from guard.model.abuse import Action, SubjectKind
from guard.model.bans import Ban
from guard.policy.units import UnitFault, duration_ms
from guard.service.banning import Banning, BanOrder
from guard.service.enforcement import Force
from guard.state.vault import Vault

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit trail. Clients are never told.", show_default=False)]
Term = Annotated[str, typer.Option("--for", help="How long from now: 10m, 12h, 3d.", show_default=False)]
BanIds = Annotated[list[str], typer.Argument(metavar="ID...", show_default=False)]

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="""\b
    guard bans list
    guard bans add --ip 203.0.113.7 --for 12h --why "ticket 4711"
    guard bans lift ban_… --why "their clock was wrong"

    Who is banned or held back by the policies' abuse sections, and by operators. A change is in force on all nodes
    within a second.

    Exit code: 0 done, 1 refused or not found, 2 wrong arguments.
    """,
)


@app.command(
    "list",
    short_help="Who is banned, until when and why.",
    help="""\b
    guard bans list
    guard bans list --ended
    guard bans list --json | jq -r '.[] | select(.kind == "ip") | .name'

    Who is banned, until when and why. What is marked (shadow) is only recorded.
    """,
)
def list_(
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Also what is over or was lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    bans = answer_of(open_vault, lambda vault: banning_of(vault).bans(ended=ended))
    typer.echo(list_json(bans) if as_json else list_text(bans))


@app.command(
    short_help="One ban, and what it was evidence of.",
    help="""\b
    guard bans show ban_…
    guard bans show ban_… --json

    One ban: which signals fired how often, and the last requests, whose ids are those of the decision log.
    """,
)
def show(ban_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)], *, as_json: AsJson = False) -> None:
    """See `help` above."""
    ban = answer_of(open_vault, lambda vault: banning_of(vault).find(ban_id))
    typer.echo(show_json(ban) if as_json else show_text(ban))


@app.command(
    short_help="Ban an address, a network, a key or an account.",
    help="""\b
    guard bans add --ip 203.0.113.0/24 --for 12h --why "ticket 4711"
    guard bans add --key gk_… --for 1h --quarantine --why "ticket 4711"
    guard bans add --account acme --for 3d --service spot --why "ticket 4711" --json

    Ban an address, a network, a key or an account until then, whatever policies say. In quarantine reads go on, and
    routes of `priority: critical`.
    """,
)
def add(
    *,
    why: Why,
    term: Term,
    ip: Annotated[str | None, typer.Option(help="An address or a network.")] = None,
    key: Annotated[str | None, typer.Option(help="A key's id; its successors too.")] = None,
    account: Annotated[str | None, typer.Option(help="All keys of an account.")] = None,
    service: Annotated[str, typer.Option(help="Only this service. Default: all.")] = "",
    quarantine: Annotated[bool, typer.Option("--quarantine", help="Let reads and cancels go on.")] = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    named = ((SubjectKind.IP, ip), (SubjectKind.KEY, key), (SubjectKind.ACCOUNT, account))
    over = [(kind, name) for kind, name in named if name is not None]
    if len(over) != 1:
        raise typer.BadParameter("say who: one of --ip, --key and --account", param_hint="--ip")
    [(kind, name)] = over
    action = Action.QUARANTINE if quarantine else Action.BAN
    order = BanOrder(kind=kind, name=name, for_ms=_ms(term), service=service, action=action)

    async def done(vault: Vault) -> tuple[tuple[Ban, ...], Force]:
        banning = banning_of(vault)
        return await _with_force(banning, (await banning.add(order, by(actor, why)),))

    _tell("Banned", *answer_of(open_vault, done), as_json=as_json)


@app.command(
    short_help="Lift bans, by id.",
    help="""\b
    guard bans lift ban_… --why "their clock was wrong"
    guard bans lift ban_… ban_… --why "their clock was wrong" --json

    Lift bans. The scores that led to them begin anew, and they count as no strike.
    """,
)
def lift(ids: BanIds, *, why: Why, actor: Actor = None, as_json: AsJson = False) -> None:
    """See `help` above."""

    async def done(vault: Vault) -> tuple[tuple[Ban, ...], Force]:
        banning = banning_of(vault)
        return await _with_force(banning, await banning.lift(ids, by(actor, why)))

    _tell("Lifted", *answer_of(open_vault, done), as_json=as_json)


@app.command(
    short_help="Have a ban end at another time.",
    help="""\b
    guard bans extend ban_… --for 3d --why "still at it"
    guard bans extend ban_… --for 1m --why "they have mended it" --json

    Have a ban end so long from now, later or sooner.
    """,
)
def extend(
    ban_id: Annotated[str, typer.Argument(metavar="ID", show_default=False)],
    *,
    why: Why,
    term: Term,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""

    async def done(vault: Vault) -> tuple[tuple[Ban, ...], Force]:
        banning = banning_of(vault)
        return await _with_force(banning, (await banning.extend(ban_id, _ms(term), by(actor, why)),))

    _tell("Extended", *answer_of(open_vault, done), as_json=as_json)


async def _with_force(banning: Banning, bans: tuple[Ban, ...]) -> tuple[tuple[Ban, ...], Force]:
    return bans, await banning.in_force(bans[0].revision)


def _tell(verb: str, bans: tuple[Ban, ...], force: Force, *, as_json: bool) -> None:
    typer.echo(done_json(bans, force) if as_json else done_text(verb, bans, force))


def _ms(term: str) -> int:
    try:
        return duration_ms(term)
    except UnitFault as fault:
        raise typer.BadParameter(f"{term!r} {fault.message}: {fault.help_text}", param_hint="--for") from None
