"""`guard serve`: the gateway in the foreground, for real traffic."""

from pathlib import Path
from typing import Annotated

import typer

from guard.app.serving import serve as serve_until_stopped
from guard.app.workers import serve_workers
from guard.cli.starting import rules_or_exit, run, settings_or_exit

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


@app.command(
    help="""\b
    guard serve --policies policies
    guard serve --policies /etc/guard/policies --listen 0.0.0.0:8080 --health-listen 127.0.0.1:8091
    GUARD_HOME=/var/lib/guard guard serve --decision-log /var/log/guard/decisions.jsonl

    Serve the policies of a directory until SIGTERM or SIGINT; then finish what is in flight.

    Every flag is also an environment variable: --listen is GUARD_LISTEN (docs/settings.md).
    """
)
def serve(
    *,
    policies: Annotated[Path | None, typer.Option(help="Directory of policy files, or one file.")] = None,
    listen: Annotated[str | None, typer.Option(help="HOST:PORT or unix:/PATH to serve clients on.")] = None,
    tls_cert_file: Annotated[Path | None, typer.Option(help="Certificate for TLS, PEM; read again on change.")] = None,
    tls_key_file: Annotated[Path | None, typer.Option(help="Its key, PEM, without a passphrase.")] = None,
    server: Annotated[str | None, typer.Option(help="guard, or uvicorn for comparison.")] = None,
    health_listen: Annotated[str | None, typer.Option(help="HOST:PORT for /livez, /readyz and /metrics.")] = None,
    admin_listen: Annotated[str | None, typer.Option(help="HOST:PORT of the admin API; none.")] = None,
    database_url: Annotated[str | None, typer.Option(help="The key database: sqlite:///FILE or postgresql://…")] = None,
    sealing_key_file: Annotated[Path | None, typer.Option(help="The key that seals secrets at rest.")] = None,
    state_url: Annotated[str | None, typer.Option(help="Where nonces and limits are: memory://, or redis://…")] = None,
    decision_log: Annotated[str | None, typer.Option(help="File to append decisions to; -: stdout; none.")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that serve; more than 1 need a Redis.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error.")] = None,
) -> None:
    """See `help` above."""
    settings = settings_or_exit(
        policies=policies,
        listen=listen,
        tls_cert_file=tls_cert_file,
        tls_key_file=tls_key_file,
        server=server,
        health_listen=health_listen,
        admin_listen=admin_listen,
        database_url=database_url,
        sealing_key_file=sealing_key_file,
        state_url=state_url,
        decision_log=decision_log,
        workers=workers,
        log_level=log_level,
    )
    rules = rules_or_exit(settings.policies, settings.policy_signers_file)
    serving = serve_until_stopped if settings.workers == 1 else serve_workers
    run(serving(settings, rules), settings.log_level)
