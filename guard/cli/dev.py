"""`guard dev`: the gateway before an embedded demo exchange, with a key that stays the same at every start. Not for
production: everything listens on this machine only, and the key's secret lies in a file beside its database.
"""

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from guard import __version__
from guard.app.dev import DevKey, serve_dev
from guard.cli.starting import EXIT_USAGE, rules_or_exit, run, settings_or_exit
from guard.service.policies import Rulebook
from guard.settings import Settings

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)

_KEY = DevKey(id="k_dev_demo", account="demo", scopes=("read", "trade"))


@app.command(
    help="""\b
    guard dev
    guard dev --listen 127.0.0.1:9080 --exchange-listen 127.0.0.1:9081
    guard dev --policies my-policies

    A gateway, a demo exchange and a key on this machine, in one command. Not for production.
    """
)
def dev(
    *,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT of the gateway.")] = None,
    exchange_listen: Annotated[str, typer.Option(help="HOST:PORT of the demo exchange.")] = "127.0.0.1:8081",
    policies: Annotated[Path | None, typer.Option(help="Your own policies instead of the demo's.")] = None,
) -> None:
    """See `help` above."""
    home = settings_or_exit().home
    source = policies or demo_policy()
    log = str(home / "decisions.jsonl")
    settings = settings_or_exit(policies=source, listen=listen, log_level="warning", decision_log=log)
    if settings.listen.startswith("unix:"):
        typer.echo("error: GUARD_LISTEN: guard dev listens on HOST:PORT only; guard serve knows Unix sockets", err=True)
        raise typer.Exit(EXIT_USAGE)
    rules = rules_or_exit(source)

    def announce() -> None:
        typer.echo(_screen(settings, exchange_listen, source, rules))

    run(serve_dev(settings, rules, exchange_listen, _KEY, announce), settings.log_level)


def demo_policy() -> Path:
    """The policy of the demo exchange: beside the sources in a checkout, inside the package once installed."""
    package = Path(__file__).parent.parent
    installed = package / "shipped" / "policies" / "exchange.yaml"
    return installed if installed.exists() else package.parent / "policies" / "exchange.yaml"


def own_name(program: str) -> str:
    """How this program is called from where it was started: `guard` if the shell finds it, else its path."""
    if Path(program).name != "guard":
        return "python -m guard"
    return "guard" if shutil.which("guard") else program


def _admin(settings: Settings) -> str:
    if settings.admin_listens is None:
        return ""
    return f"  admin API  http://{settings.admin_listens}/admin/v1, token in {settings.admin_token}\n"


def _screen(settings: Settings, exchange_listen: str, source: Path, rules: Rulebook) -> str:
    return f"""\
guard {__version__} · development mode · state in memory — not for production (guard serve is for that)
  gateway    http://{settings.listen}      → demo exchange (embedded, http://{exchange_listen})
  policy     {source}  @{rules.policies.digest}
  dev key    {_KEY.id} (scopes {",".join(_KEY.scopes)}), the same at every start, in {settings.home / "dev.json"}
  decisions  {settings.home / "decisions.jsonl"}
{_admin(settings)}  open       curl http://{settings.listen}/v1/time

Next, in a second terminal:
  {own_name(sys.argv[0])} curl POST /v1/orders -d '{{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}}'"""
