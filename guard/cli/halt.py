"""`guard halt …`: the emergency stop on a terminal. What is done and what is refused is `service/halting.py`."""

from typing import Annotated

import typer

from guard.app.keys import halting_of, open_vault
from guard.cli.halt_screen import halted_json, halted_text, lifted_json, lifted_text, list_json, list_text
from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.cli.vault import answer_of
from guard.cli.who import Actor, by
from guard.model.halts import Halt, HaltKind
from guard.policy.load import Invalid
from guard.service.enforcement import Force
from guard.service.halting import HaltOrder
from guard.service.policies import read_rulebook
from guard.state.vault import Vault

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit trail. Clients are never told.", show_default=False)]
ReadsOnly = Annotated[bool, typer.Option("--reads-only", help="Routes that only read go on.")]
WithCancels = Annotated[bool, typer.Option("--with-cancels", help="Routes of `priority: critical` go on: cancels.")]

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="""\b
    guard halt account acme --why "runaway bot"
    guard halt all --reads-only --with-cancels --why "matching engine restarts"
    guard halt lift halt_… --why "over"

    Stop an account, a key, a service or everything at once, on all nodes within a second, until it is lifted.
    Everything is refused unless --reads-only or --with-cancels says what goes on.

    Exit code: 0 done, 1 refused or not found, 2 wrong arguments.
    """,
)


def _add(kind: HaltKind, metavar: str, summary: str) -> None:
    examples = (
        f'guard halt {kind} {metavar} --why "ticket 4711"',
        f'guard halt {kind} {metavar} --reads-only --why "ticket 4711"',
        f'guard halt {kind} {metavar} --with-cancels --why "ticket 4711" --json',
    )

    def act(
        name: Annotated[str, typer.Argument(metavar=metavar, show_default=False)],
        *,
        why: Why,
        reads_only: ReadsOnly = False,
        with_cancels: WithCancels = False,
        actor: Actor = None,
        as_json: AsJson = False,
    ) -> None:
        if kind is HaltKind.SERVICE:
            _warn_of_unknown(name)
        order = HaltOrder(kind=kind, name=name, reads_only=reads_only, with_cancels=with_cancels)
        _halt(order, actor, why, as_json=as_json)

    app.command(kind.value, short_help=summary, help="\n".join(("\b", *examples, "", summary)))(act)


_add(HaltKind.ACCOUNT, "NAME", "Stop everything that the keys of an account sign.")
_add(HaltKind.KEY, "ID", "Stop everything that a key signs.")
_add(HaltKind.SERVICE, "NAME", "Stop a service of the policies, its open routes too.")


@app.command(
    "all",
    short_help="Stop everything, open routes too.",
    help="""\b
    guard halt all --why "ticket 4711"
    guard halt all --reads-only --why "ticket 4711"
    guard halt all --reads-only --with-cancels --why "ticket 4711" --json

    Stop everything, open routes too.
    """,
)
def all_(
    *,
    why: Why,
    reads_only: ReadsOnly = False,
    with_cancels: WithCancels = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    order = HaltOrder(kind=HaltKind.ALL, reads_only=reads_only, with_cancels=with_cancels)
    _halt(order, actor, why, as_json=as_json)


@app.command(
    short_help="Lift halts, by id or by what they are over.",
    help="""\b
    guard halt lift halt_… --why "over"
    guard halt lift --account acme --why "over"
    guard halt lift --all --why "over" --json

    Lift halts: those with these ids, or every one over exactly this account, key or service, or over everything
    (--all). What other halts are over stays halted.
    """,
)
def lift(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", show_default=False)] = None,
    *,
    why: Why,
    account: Annotated[str | None, typer.Option(help="Every halt over this account.")] = None,
    key: Annotated[str | None, typer.Option(help="Every halt over this key.")] = None,
    service: Annotated[str | None, typer.Option(help="Every halt over this service.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every halt over everything; no other.")] = False,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    over = [
        (kind, name)
        for kind, name in (
            (HaltKind.ACCOUNT, account),
            (HaltKind.KEY, key),
            (HaltKind.SERVICE, service),
            (HaltKind.ALL, "" if everything else None),
        )
        if name is not None
    ]
    if bool(ids) + len(over) != 1:
        raise typer.BadParameter("say which: ids, or one of --account, --key, --service and --all", param_hint="ID")

    async def done(vault: Vault) -> str:
        halting, who = halting_of(vault), by(actor, why)
        lifted = await (halting.lift(ids, who) if ids else halting.lift_over(*over[0], who))
        force = await halting.in_force(lifted[0].revision)
        return lifted_json(lifted, force) if as_json else lifted_text(lifted, force, await halting.halts())

    typer.echo(answer_of(open_vault, done))


@app.command(
    "list",
    short_help="What is halted, since when, by whom and why.",
    help="""\b
    guard halt list
    guard halt list --lifted
    guard halt list --json | jq -r '.[] | select(.kind == "account") | .name'

    What is halted, since when, by whom and why.
    """,
)
def list_(
    *,
    lifted: Annotated[bool, typer.Option("--lifted", help="Also what was lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    halts = answer_of(open_vault, lambda vault: halting_of(vault).halts(lifted=lifted))
    typer.echo(list_json(halts) if as_json else list_text(halts))


def _halt(order: HaltOrder, actor: str | None, why: str, *, as_json: bool) -> None:
    async def done(vault: Vault) -> tuple[Halt, Force]:
        halting = halting_of(vault)
        halt = await halting.halt(order, by(actor, why))
        return halt, await halting.in_force(halt.revision)

    halt, force = answer_of(open_vault, done)
    typer.echo(halted_json(halt, force) if as_json else halted_text(halt, force))


def _warn_of_unknown(service: str) -> None:
    """The nodes may have other policies than this machine, so it is said and not refused."""
    rules = read_rulebook(settings_or_exit().policies)
    if isinstance(rules, Invalid):
        return
    names = sorted(each.name for each in rules.policies.services)
    if service not in names:
        complain(f"the policies here have no service {service}, only {', '.join(names)}: it is halted all the same")
