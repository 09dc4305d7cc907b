"""Development mode, put together: the gateway, the demo exchange behind it, and a key that outlives a restart."""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from guard.app.gateway import open_gateway
from guard.app.keys import open_keyring
from guard.app.listening import listening
from guard.app.node import open_node
from guard.app.reloading import reloading_by
from guard.app.serving import node_of, stop_event, until_ready
from guard.demo.app import demo_exchange
from guard.model.keys import KeyAlgorithm
from guard.model.names import UnixMs
from guard.policy.load import Invalid
from guard.service.key_orders import KeyOrder
from guard.service.keyring import By, Keyring
from guard.service.policies import Rulebook, Rules, read_rulebook
from guard.settings import Settings
from guard.signing.tokens import mint_secret

_EVER = UnixMs(0)


class DevKey(msgspec.Struct, frozen=True):
    """The key that a developer gets: its id, account and scopes. Its secret is made at the first start."""

    id: str
    account: str
    scopes: tuple[str, ...]


async def serve_dev(
    settings: Settings,
    rulebook: Rulebook,
    exchange_listen: str,
    key: DevKey,
    announce: Callable[[], None],
) -> None:
    """Serve the gateway before the demo exchange until SIGTERM or SIGINT. `announce` is called when both are ready."""
    stop = stop_event()
    async with open_keyring(settings) as keyring:
        file = settings.home / "dev.json"
        held = await _held_key(keyring, _remembered(file), key)
    _write_private(file, _dev_file(settings, held))

    def read() -> Rulebook | Invalid:
        found = read_rulebook(settings.policies)
        return found if isinstance(found, Invalid) else _before(found, f"http://{exchange_listen}")

    rules = Rules(_before(rulebook, f"http://{exchange_listen}"))
    async with (
        listening(demo_exchange(), exchange_listen),
        open_gateway(settings, rules, buckets_filled_since=_EVER) as running,
        reloading_by(settings, running, read=read) as reloading,
        listening(running.gateway, settings.listen, settings.server),
        open_node(settings, node_of(running, reloading)),
    ):
        await until_ready(running, stop)
        announce()
        await stop.wait()


def _remembered(file: Path) -> dict[str, str]:
    """The key that was written at an earlier start."""
    if not file.exists():
        return {}
    key: dict[str, str] = json.loads(file.read_text())["key"]
    return key


async def _held_key(keyring: Keyring, remembered: dict[str, str], key: DevKey) -> dict[str, str]:
    """The development key: the one that is remembered, if the database has it; else a new one."""
    held = {each.id for each in await keyring.keys()}
    if remembered.get("id") in held:
        return remembered
    free_id = key.id if key.id not in held else f"{key.id}_{secrets.token_hex(3)}"
    secret = mint_secret(secrets.token_bytes(32))
    algorithm = KeyAlgorithm.HMAC_SHA256
    order = KeyOrder(id=free_id, account=key.account, secret=secret, scopes=key.scopes, algorithm=algorithm)
    await keyring.take_over([order], By("guard dev", "the development key"))
    return {"id": free_id, "secret": secret, "algorithm": algorithm.value}


def _before(rules: Rulebook, exchange_url: str) -> Rulebook:
    """The same rules, the demo exchange being where it was told to listen."""
    services = tuple(
        msgspec.structs.replace(service, upstream=msgspec.structs.replace(service.upstream, urls=(exchange_url,)))
        for service in rules.policies.services
    )
    return msgspec.structs.replace(rules, policies=msgspec.structs.replace(rules.policies, services=services))


def _dev_file(settings: Settings, key: dict[str, str]) -> str:
    return json.dumps({"gateway": f"http://{settings.listen}", "key": key}, indent=2) + "\n"


def _write_private(file: Path, text: str) -> None:
    draft = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as writing:
        writing.write(text)
    draft.replace(file)
