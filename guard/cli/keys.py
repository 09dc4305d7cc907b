"""`guard keys …`: the administrator's line on a terminal. What is done and what is refused is `service/keyring.py`."""

from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from guard.app.keys import open_keyring
from guard.cli import reseal, revoke
from guard.cli.key_files import bounds, duration, expiry, listed, orders_in, secret_from_stdin, text_of, write_env
from guard.cli.key_resources import warn_of_unknown
from guard.cli.key_screen import (
    as_text,
    changed_json,
    changed_text,
    issued_json,
    issued_text,
    key_json,
    key_text,
    list_text,
    time_text,
)
from guard.cli.screen import complain
from guard.cli.starting import settings_or_exit
from guard.cli.vault import Answer, AsJson, answer_of
from guard.cli.who import Actor, Why, by
from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyAlgorithm, KeyState
from guard.service.enforcement import Force
from guard.service.key_orders import KeyOrder
from guard.service.keyring import Keyring
from guard.state.key_rows import KeyView

KeyArgument = Annotated[str, typer.Argument(metavar="ID", show_default=False)]
PublicKey = Annotated[Path | None, typer.Option(help="PEM, or raw, or base64 of it. Never the private key.")]
Out = Annotated[Path | None, typer.Option(help="Write the key to a new .env file, and do not show the secret.")]

app = typer.Typer(
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    help="""\b
    guard keys create --account acme --scopes read,trade
    guard keys list
    guard keys revoke gk_… --why "left the company"

    Create, list, rotate, suspend and revoke API keys. Running gateways follow within a second.

    Exit code: 0 done, 1 refused or not found, 2 wrong arguments.
    """,
)


@app.command(
    short_help="Make a key, active at once. Its secret is shown now and never again.",
    help="""\b
    guard keys create --account acme --scopes read,trade
    guard keys create --account acme --scopes read --networks 203.0.113.0/24 --expires 90d --json
    guard keys create --account acme --scopes trade --algorithm ed25519 --public-key acme.pem
    guard keys create --account acme --scopes trade --use cancels --only symbol=BTC-USD,ETH-USD

    Make a key, active at once. Its secret is shown now and never again.
    """,
)
def create(
    *,
    account: Annotated[str, typer.Option(help="Whose key it is.", show_default=False)],
    scopes: Annotated[str, typer.Option(help="What it may do, with commas: read,trade.")] = "",
    algorithm: Annotated[KeyAlgorithm, typer.Option(help="The kind of key.")] = KeyAlgorithm.HMAC_SHA256,
    public_key: PublicKey = None,
    networks: Annotated[str, typer.Option(help="From where, as CIDR with commas; anywhere, if not given.")] = "",
    use: Annotated[str, typer.Option(help="For nothing else: reads, cancels, or both with a comma.")] = "",
    only: Annotated[
        list[str] | None, typer.Option(help="Of a resource that the policy names, these: symbol=BTC-USD,ETH-USD.")
    ] = None,
    honeytoken: Annotated[bool, typer.Option("--honeytoken", help="Bait: whoever uses it raises an alarm.")] = False,
    expires: Annotated[str | None, typer.Option(help="How long it is good for, such as 90d.")] = None,
    tier: Annotated[str | None, typer.Option(help="The tier of its limits.")] = None,
    label: Annotated[str, typer.Option(help="A note that `list` shows.")] = "",
    key_id: Annotated[str | None, typer.Option("--id", help="The id; a new one, if not given.")] = None,
    out: Out = None,
    actor: Actor = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    order = KeyOrder(
        account=account,
        scopes=listed(scopes),
        algorithm=algorithm,
        id=key_id,
        public_key=text_of(public_key),
        networks=listed(networks),
        bounds=bounds(use, only or (), honeytoken=honeytoken),
        tier=tier,
        label=label,
        expires_at_ms=expiry(expires),
    )
    with write_env(out) as save:
        issued = _answer(lambda keyring: keyring.create(order, by(actor, why)))
        save(issued)
    typer.echo(issued_json(issued, out) if as_json else issued_text(issued, out))
    warn_of_unknown(order.bounds, settings_or_exit().policies)
    _say_what_waits(issued.key)


@app.command(
    "list",
    short_help="Every key, oldest first. Never a secret.",
    help="""\b
    guard keys list
    guard keys list --account acme
    guard keys list --json | jq -r '.[] | select(.state == "active") | .id'

    Every key, oldest first. Never a secret.
    """,
)
def list_(
    *,
    account: Annotated[str | None, typer.Option(help="Only this account's keys.")] = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    keys = _answer(lambda keyring: keyring.keys(account))
    typer.echo(as_text(keys) if as_json else list_text(keys))


@app.command(
    short_help="One key and everything that was done to it. Never its secret.",
    help="""\b
    guard keys show gk_…
    guard keys show gk_… --json
    guard keys show gk_… --json | jq .history

    One key and everything that was done to it. Never its secret.
    """,
)
def show(key_id: KeyArgument, *, as_json: AsJson = False) -> None:
    """See `help` above."""

    async def told(keyring: Keyring) -> str:
        key, history = await keyring.show(key_id), await keyring.history(key_id)
        return key_json(key, history) if as_json else key_text(key, history)

    typer.echo(_answer(told))


@app.command(
    short_help="Make a successor with the same rights and limits; after an overlap the old key dies.",
    help="""\b
    guard keys rotate gk_…
    guard keys rotate gk_… --overlap 1h --json
    guard keys rotate gk_… --public-key new.pem --why "yearly"

    Make a successor with the same rights and limits. Both are good during the overlap; then the old one dies.
    """,
)
def rotate(
    key_id: KeyArgument,
    *,
    overlap: Annotated[str, typer.Option(help="How long the old key goes on.")] = "24h",
    public_key: PublicKey = None,
    out: Out = None,
    actor: Actor = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    overlap_ms, public = duration(overlap, "--overlap"), text_of(public_key)
    with write_env(out) as save:
        issued = _answer(lambda ring: ring.rotate(key_id, by(actor, why), overlap_ms=overlap_ms, public_key=public))
        save(issued)
    typer.echo(issued_json(issued, out) if as_json else issued_text(issued, out))
    _say_what_waits(issued.key)


_COMMANDS = (
    ("suspend", KeyCommand.SUSPEND, "Refuse the key until it is resumed."),
    ("resume", KeyCommand.RESUME, "Take a suspended key back into use."),
    ("compromise", KeyCommand.REPORT_COMPROMISED, "End a key that somebody else may know."),
    ("destroy", KeyCommand.DESTROY, "End a key and wipe its secret. It stays in the list."),
)


def _add(word: str, command: KeyCommand, summary: str) -> None:
    examples = (
        f"guard keys {word} gk_…",
        f'guard keys {word} gk_… --why "ticket 4711"',
        f"guard keys {word} gk_… --json",
    )

    def act(key_id: KeyArgument, *, actor: Actor = None, why: Why = "", as_json: AsJson = False) -> None:
        async def done(keyring: Keyring) -> tuple[KeyView, Force]:
            key = await keyring.command(key_id, command, by(actor, why))
            return key, await keyring.in_force(key.revision)

        key, force = _answer(done)
        typer.echo(changed_json(key, force) if as_json else changed_text(key, force))
        if command is KeyCommand.RESUME:
            _say_what_waits(key)

    app.command(word, short_help=summary, help="\n".join(("\b", *examples, "", summary)))(act)


for _entry in _COMMANDS:
    _add(*_entry)
app.command("revoke", short_help=revoke.SUMMARY, help=revoke.HELP)(revoke.revoke)


@app.command(
    "import",
    short_help="Take over keys that were made elsewhere: all of them, or none.",
    help="""\b
    guard keys import keys.jsonl --why "from the old gateway"
    echo "$SECRET" | guard keys import --id OLD-1 --account acme --scopes read,trade --secret-stdin
    guard keys import --id acme-2 --account acme --scopes read --algorithm ed25519 --public-key acme.pem

    Take over keys that were made elsewhere: all of them, or none. FILE has a JSON object a line, with id, account,
    secret or public_key, and if need be scopes, algorithm, networks, tier, label and expires_at_ms. Options fill in
    what a line leaves out.
    """,
)
def import_(
    file: Annotated[Path | None, typer.Argument(metavar="[FILE]", show_default=False, help="- for stdin.")] = None,
    *,
    key_id: Annotated[str | None, typer.Option("--id", help="Without FILE: the id.")] = None,
    account: Annotated[str | None, typer.Option(help="Whose keys they are.")] = None,
    scopes: Annotated[str, typer.Option(help="What they may do, with commas.")] = "",
    algorithm: Annotated[KeyAlgorithm, typer.Option(help="The kind of key.")] = KeyAlgorithm.HMAC_SHA256,
    public_key: PublicKey = None,
    secret_stdin: Annotated[
        bool, typer.Option("--secret-stdin", help="Without FILE: read the secret from stdin.")
    ] = False,
    actor: Actor = None,
    why: Why = "",
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    given: dict[str, object] = {"algorithm": algorithm.value, "scopes": listed(scopes)}
    given |= {} if account is None else {"account": account}
    if file is None:
        given |= {
            "id": key_id,
            "secret": secret_from_stdin() if secret_stdin else None,
            "public_key": text_of(public_key),
        }
    elif key_id or public_key or secret_stdin:
        raise typer.BadParameter("FILE has its own ids, secrets and public keys", param_hint="FILE")
    orders = orders_in(file, given)
    keys = _answer(lambda keyring: keyring.take_over(orders, by(actor, why)))
    typer.echo(as_text(keys) if as_json else f"{len(keys)} imported.")
    _say_what_waits(*keys)


@app.command(
    short_help="Every key, one JSON object a line. Never a secret.",
    help="""\b
    guard keys export > keys.jsonl
    guard keys export --account acme
    guard keys export | jq -r .id

    Every key, one JSON object a line. Never a secret.
    """,
)
def export(
    *,
    account: Annotated[str | None, typer.Option(help="Only this account's keys.")] = None,
    as_json: AsJson = False,
) -> None:
    """See `help` above."""
    keys = _answer(lambda keyring: keyring.keys(account))
    if as_json:
        typer.echo(as_text(keys))
        return
    for key in keys:
        typer.echo(as_text(key))


app.command("reseal", short_help=reseal.SUMMARY, help=reseal.HELP)(reseal.reseal)


def _say_what_waits(*keys: KeyView) -> None:
    """To standard error: which of these keys are not active until a second person confirms it."""
    for key in keys:
        if key.state != KeyState.ACTIVE:
            release = _answer(partial(Keyring.waiting, key_id=key.id))
            if release is not None:
                complain(
                    f"key {key.id} waits for a second person, until {time_text(release.expires_at)}: "
                    f"`guard releases confirm {release.id}`"
                )


def _answer(ask: Callable[[Keyring], Awaitable[Answer]]) -> Answer:
    return answer_of(open_keyring, ask)
