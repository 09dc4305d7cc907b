"""All commands under one name. `guard --help` imports none of them; a command's module is imported when it is run."""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

COMMANDS: dict[str, str] = {
    "dev": "A gateway, a demo exchange and a key on this machine, in one command.",
    "serve": "The gateway, in front of the backends that your policies name.",
    "healthcheck": "Ask the gateway on this machine whether it is ready.",
    "check": "Read policies as the gateway would, and say what is wrong with them.",
    "promote": "May a rule go from shadow to enforce, and whom would it deny?",
    "explain-code": "What a code of `guard check` means, and how it is put right.",
    "backtest": "Judge the requests of a log by other policies, and say what would change.",
    "test": "Run the tests of policies.",
    "explain": "Say why a request is let through or refused.",
    "diff": "What of a change of policies lets more through, and what less.",
    "rollback": "Put policies in force again that were before, on all nodes.",
    "policies": "The versions of policies that were in force, and their files.",
    "schema": "The JSON Schema of policy files, for editors.",
    "keys": "Create, list, rotate, suspend and revoke API keys.",
    "halt": "Stop an account, a key, a service or everything at once, and lift that.",
    "mode": "Have a rule meant otherwise than its policy says, for a while.",
    "bans": "Who is banned, since when and why; add, lift and extend.",
    "audit": "Verify, list and export the audit trail.",
    "admin": "Make, list and end the tokens of administrators.",
    "releases": "Confirm or reject what waits for a second person.",
    "nodes": "The gateways that serve the keys of the database.",
    "assertion": "Print the public key with which backends verify Guard-Assertion.",
    "curl": "Send one signed request, and say why it was refused.",
    "sign": "Print a signed request as a curl command, without sending it.",
    "flood": "Run into the limits of your own gateway, on purpose.",
    "loadtest": "Send the load of a scenario, and say whether its SLOs held.",
    "version": "Print the version.",
}
HIDDEN: dict[str, str] = {"worker": "One of several processes behind `guard serve`."}


class LazyGroup(TyperGroup):
    """Lists commands from a table of one-line stubs, and imports the real one once it is named."""

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """The stub stands for the command everywhere but here."""
        name, stub, rest = super().resolve_command(ctx, args)
        if stub is None:
            return name, None, rest
        return name, get_command(importlib.import_module(f"guard.cli.{module_of(str(name))}").app), rest


def module_of(name: str) -> str:
    """Where a command is written: `explain-code` in `explain_code`."""
    return name.replace("-", "_")


def _stub() -> None:
    """Never run: `LazyGroup.resolve_command` puts the real command in its place."""


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # its tracebacks print local variables, and these may be secrets
)


@app.callback(
    help="""\b
    guard dev                                  # everything on this machine, nothing to configure
    guard curl GET /v1/account                 # a signed request through it
    guard serve --policies /etc/guard          # in front of your own backend

    The security gateway for trading APIs: keys, signatures, replay protection and limits in front of any backend.
    """
)
def guard() -> None:
    """Nothing of its own."""


for _name, _summary in (COMMANDS | HIDDEN).items():
    app.command(_name, help=_summary, hidden=_name in HIDDEN)(_stub)
