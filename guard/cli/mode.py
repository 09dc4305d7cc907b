"""`guard mode …`: another mode for a rule for a while, on a terminal. What is done and what is refused is
`service/overriding.py`.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from guard.app.keys import no_policies, open_vault, overriding_of
from guard.cli.mode_screen import done_json, lifted_text, list_json, list_text, overridden_text
from guard.cli.starting import rules_or_exit, settings_or_exit
from guard.cli.vault import answer_of
from guard.cli.who import Actor, by
from guard.model.overrides import Override
from guard.model.rules import Mode
from guard.policy.units import UnitFault, duration_ms
from guard.service.enforcement import Force
from guard.service.overriding import OverrideOrder
from guard.state.vault import Vault

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit trail. Clients are never told.", show_default=False)]

_SET = "set"


class _RuleFirst(TyperGroup):
    """`guard mode RULE MODE` is `guard mode set RULE MODE`: no rule has the name of a command."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """What is no command is a rule."""
        words = args if args[0] in self.commands else [_SET, *args]
        return super().resolve_command(ctx, words)


app = typer.Typer(
    cls=_RuleFirst,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="""\b
    guard mode limits.weight shadow --for 1h --why "INC-42"
    guard mode limits enforce --for 2h --service exchange --why "attack"
    guard mode list

    Have a rule or a section meant otherwise than its policy says, on all nodes within a second, for at most 7 days.
    Then it is as in the file again. Who may send (auth) cannot be changed so.

    Exit code: 0 done, 1 refused or not found, 2 wrong arguments.
    """,
)


@app.command(
    _SET,
    short_help="Another mode for a rule, for a while; the word may be left out.",
    help="""\b
    guard mode limits.weight shadow --for 1h --why "INC-42"
    guard mode abuse.forgery off --for 10m --why "INC-42" --service exchange
    guard mode client_ip enforce --for 1d --why "attack" --json

    Have a rule (limits.NAME, client_ip, abuse.NAME) or a section (limits, abuse) meant so until then. That of a section
    leaves off what is off. An earlier one over the same is replaced.
    """,
)
def set_(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Such as limits.weight.", show_default=False)],
    mode: Annotated[Mode, typer.Argument(metavar="MODE", help="off, shadow or enforce.", show_default=False)],
    *,
    why: Why,
    term: Annotated[str, typer.Option("--for", help="How long from now: 10m, 12h, 3d.", show_default=False)],
    service: Annotated[str, typer.Option(help="Only this service. Default: all that have it.")] = "",
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    order = OverrideOrder(rule=rule, mode=mode, for_ms=_ms(term), service=service)
    policies = rules_or_exit(settings_or_exit().policies).policies

    async def done(vault: Vault) -> tuple[Override, Force]:
        overriding = overriding_of(vault, lambda: policies)
        override = await overriding.override(order, by(actor, why))
        return override, await overriding.in_force(override.revision)

    override, force = answer_of(open_vault, done)
    typer.echo(done_json((override,), force) if as_json else overridden_text(override, force))


@app.command(
    short_help="Have rules meant again as their files say, by id.",
    help="""\b
    guard mode lift mode_… --why "over"
    guard mode lift mode_… mode_… --why "over" --json

    Have rules meant again as their files say, before their time.
    """,
)
def lift(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", show_default=False)],
    *,
    why: Why,
    actor: Actor = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""

    async def done(vault: Vault) -> tuple[tuple[Override, ...], Force]:
        overriding = overriding_of(vault, no_policies)
        lifted = await overriding.lift(ids, by(actor, why))
        return lifted, await overriding.in_force(lifted[0].revision)

    lifted, force = answer_of(open_vault, done)
    typer.echo(done_json(lifted, force) if as_json else lifted_text(lifted, force))


@app.command(
    "list",
    short_help="Which rules have another mode than in their files, until when and why.",
    help="""\b
    guard mode list
    guard mode list --ended
    guard mode list --json | jq -r '.[] | select(.mode == "off") | .rule'

    Which rules have another mode than in their files, until when, by whom and why.
    """,
)
def list_(
    *,
    ended: Annotated[bool, typer.Option("--ended", help="Also what is over or was lifted.")] = False,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    overrides = answer_of(open_vault, lambda vault: overriding_of(vault, no_policies).overrides(ended=ended))
    typer.echo(list_json(overrides) if as_json else list_text(overrides))


def _ms(term: str) -> int:
    try:
        return duration_ms(term)
    except UnitFault as fault:
        raise typer.BadParameter(f"{term!r} {fault.message}: {fault.help_text}", param_hint="--for") from None
