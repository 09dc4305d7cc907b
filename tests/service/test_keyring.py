import asyncio
import hashlib
import itertools
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.core.lifecycle import KeyCommand
from guard.model.keys import KeyAlgorithm, KeyRecord, KeyState
from guard.model.names import AccountId, KeyId, UnixMs
from guard.service.enforcement import Enforcement, InForce
from guard.service.key_orders import KeyOrder, KeyringError
from guard.service.keyring import SUSPENDED_MS, TOMBSTONE_MS, By, Issued, Keyring
from guard.signing.algorithms import verifies
from guard.signing.scheme import SignatureAlgorithm
from guard.state.protocols import Tombstones
from guard.state.sealing import SealingKey
from guard.state.vault import Vault

START = UnixMs(1_800_000_000_000)
HOUR_MS = 3_600_000
ALICE = By("alice", "a reason")
CANARY = "gs_canary-that-must-not-be-seen"


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> UnixMs:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


class Buried(Tombstones):
    """Remembers what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str, int]] = []

    async def bury(self, account: AccountId, key_id: KeyId, until: UnixMs) -> bool:
        self.told.append((account, key_id, until))
        return False


@pytest.fixture
def tombstones() -> Buried:
    return Buried()


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    opened = await Vault.open(f"sqlite:///{tmp_path}/guard.db", SealingKey(bytes(32), Path("sealing.key")))
    yield opened
    await opened.close()


@pytest.fixture
def keyring(vault: Vault, clock: Clock, tombstones: Buried) -> Keyring:
    numbers = itertools.count()

    def random(length: int) -> bytes:
        return hashlib.shake_128(b"%d" % next(numbers)).digest(length)

    enforcement = Enforcement(lambda: vault.nodes.all(clock()), lambda: 0, asyncio.sleep)
    return Keyring(vault, now=clock, random=random, enforcement=enforcement, tombstones=tombstones)


def order(**changes: object) -> KeyOrder:
    fields: dict[str, object] = {"account": "acme", "scopes": ("read", "trade")}
    return KeyOrder(**{**fields, **changes})  # type: ignore[arg-type]


def public_key() -> str:
    public = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


async def stored(vault: Vault, key_id: str) -> KeyRecord:
    found = await vault.keys.find(KeyId(key_id))
    assert found is not None
    return found


def alive(record: KeyRecord, now: int) -> bool:
    """Whether the decision core would take the key: active, and none of its ends has come."""
    ends = (record.expires_at, record.dies_at)
    return record.state == "active" and all(end is None or now < end for end in ends)


async def test_new_key_is_active_with_what_was_ordered(keyring: Keyring, vault: Vault) -> None:
    issued = await keyring.create(
        order(networks=("10.0.0.0/8",), tier="gold", label="desk", expires_at_ms=START + 5), ALICE
    )
    key = await stored(vault, issued.key.id)
    assert (key.state, key.account) == (KeyState.ACTIVE, "acme")
    assert key.scopes == {"read", "trade"}
    assert (key.networks, key.tier, key.label, key.expires_at) == (("10.0.0.0/8",), "gold", "desk", START + 5)
    assert (key.lineage, key.rotated_from, key.created_at) == (key.id, None, START)


async def test_shared_secret_is_the_string_that_was_told(keyring: Keyring, vault: Vault) -> None:
    issued = await keyring.create(order(), ALICE)
    assert issued.secret is not None
    assert issued.secret.startswith("gs_")
    assert (await stored(vault, issued.key.id)).material.reveal() == issued.secret.encode()


async def test_each_key_has_an_id_and_a_secret_of_its_own(keyring: Keyring) -> None:
    issued = [await keyring.create(order(), ALICE) for _ in range(3)]
    assert len({each.key.id for each in issued} | {str(each.secret) for each in issued}) == 6


async def test_api_key_verifies_with_its_secret_and_nothing_near_it(keyring: Keyring, vault: Vault) -> None:
    issued = await keyring.create(order(algorithm=KeyAlgorithm.API_KEY), ALICE)
    assert issued.secret is not None
    material = (await stored(vault, issued.key.id)).material.reveal()
    secret = issued.secret.encode()
    assert secret not in material
    assert verifies(SignatureAlgorithm.API_KEY, material, b"", secret)
    for wrong in (secret[:-1], secret + b"x", secret[1:], b"x" + secret, secret.swapcase(), b""):
        assert not verifies(SignatureAlgorithm.API_KEY, material, b"", wrong)


async def test_public_key_is_stored_raw_and_has_no_secret(keyring: Keyring, vault: Vault) -> None:
    issued = await keyring.create(order(algorithm=KeyAlgorithm.ED25519, public_key=public_key()), ALICE)
    raw = Ed25519PrivateKey.from_private_bytes(bytes(range(32))).public_key().public_bytes_raw()
    assert issued.secret is None
    assert (await stored(vault, issued.key.id)).material.reveal() == raw


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"secret": CANARY}, "use `guard keys import`"),
        ({"algorithm": KeyAlgorithm.ED25519}, "--public-key FILE"),
        ({"algorithm": KeyAlgorithm.ED25519, "public_key": "rubbish"}, "no public key for ed25519"),
        ({"public_key": "x"}, "have no public key"),
        ({"account": ""}, "an account has"),
        ({"networks": ("10.0.0.1/8",)}, "did you mean"),
    ],
)
async def test_order_that_cannot_be_carried_out_changes_nothing(
    keyring: Keyring, vault: Vault, changes: dict[str, object], why: str
) -> None:
    with pytest.raises(KeyringError, match=why) as raised:
        await keyring.create(order(**changes), ALICE)
    assert CANARY not in str(raised.value)
    assert await vault.keys.head() == 0


async def test_id_that_is_taken_is_refused(keyring: Keyring) -> None:
    await keyring.create(order(id="k1"), ALICE)
    with pytest.raises(KeyringError, match="key k1 is there already"):
        await keyring.create(order(id="k1"), ALICE)


async def rotated(keyring: Keyring, overlap_ms: int = HOUR_MS, **changes: object) -> tuple[Issued, Issued]:
    old = await keyring.create(order(id="old", **changes), ALICE)
    return old, await keyring.rotate("old", ALICE, overlap_ms=overlap_ms)


async def test_successor_has_the_same_rights_and_lineage_and_a_secret_of_its_own(
    keyring: Keyring, vault: Vault
) -> None:
    old, new = await rotated(keyring, networks=("10.0.0.0/8",), tier="gold", label="desk")
    key = await stored(vault, new.key.id)
    assert (key.account, key.tier) == ("acme", "gold")
    assert key.scopes == {"read", "trade"}
    assert (key.networks, key.label, key.lineage, key.rotated_from) == (("10.0.0.0/8",), "desk", "old", "old")
    assert new.secret not in (None, old.secret)
    assert new.secret is not None
    assert key.material.reveal() == new.secret.encode()


async def test_old_key_dies_on_the_millisecond_that_the_overlap_ends(keyring: Keyring, vault: Vault) -> None:
    _, new = await rotated(keyring)
    old, successor = await stored(vault, "old"), await stored(vault, new.key.id)
    assert [alive(old, START + at) for at in (0, HOUR_MS - 1, HOUR_MS, HOUR_MS + 1)] == [True, True, False, False]
    assert all(alive(successor, START + at) for at in (0, HOUR_MS, 100 * HOUR_MS))


async def test_overlap_is_a_day_if_nobody_says_otherwise(keyring: Keyring, vault: Vault) -> None:
    await keyring.create(order(id="old"), ALICE)
    await keyring.rotate("old", ALICE)
    assert (await stored(vault, "old")).dies_at == START + 24 * HOUR_MS


async def test_lineage_is_the_first_key_of_the_chain(keyring: Keyring, vault: Vault) -> None:
    _, second = await rotated(keyring)
    third = await keyring.rotate(second.key.id, ALICE)
    key = await stored(vault, third.key.id)
    assert (key.lineage, key.rotated_from) == ("old", second.key.id)


async def test_successor_of_a_key_that_expires_gets_as_long_a_cryptoperiod(
    keyring: Keyring, vault: Vault, clock: Clock
) -> None:
    await keyring.create(order(id="old", expires_at_ms=START + 10 * HOUR_MS), ALICE)
    clock.now = UnixMs(START + 4 * HOUR_MS)
    new = await keyring.rotate("old", ALICE)
    assert (await stored(vault, new.key.id)).expires_at == START + 14 * HOUR_MS


async def test_rotation_is_one_change_with_an_audit_row_for_both_keys(keyring: Keyring, vault: Vault) -> None:
    _, new = await rotated(keyring)
    assert await vault.keys.head() == 2
    rows = [row for row in await vault.trail.records() if row.revision == 2]
    assert [(row.command, row.subject.id, row.before is None) for row in rows] == [
        ("rotate", "old", False),
        ("rotate", new.key.id, True),
    ]


async def test_rotating_a_public_key_takes_the_new_one(keyring: Keyring, vault: Vault) -> None:
    await keyring.create(order(id="old", algorithm=KeyAlgorithm.ED25519, public_key=public_key()), ALICE)
    with pytest.raises(KeyringError, match="--public-key FILE"):
        await keyring.rotate("old", ALICE)
    other = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
    new = await keyring.rotate("old", ALICE, public_key=other.hex())
    assert new.secret is None
    assert (await stored(vault, new.key.id)).material.reveal() == other


async def test_key_is_rotated_once(keyring: Keyring) -> None:
    await rotated(keyring)
    with pytest.raises(KeyringError, match="was rotated already"):
        await keyring.rotate("old", ALICE)


async def test_only_a_living_key_is_rotated(keyring: Keyring, clock: Clock) -> None:
    await keyring.create(order(id="expired", expires_at_ms=START + 5), ALICE)
    await keyring.create(order(id="suspended"), ALICE)
    await keyring.command("suspended", KeyCommand.SUSPEND, ALICE)
    clock.now = UnixMs(START + 5)
    with pytest.raises(KeyringError, match="has expired"):
        await keyring.rotate("expired", ALICE)
    with pytest.raises(KeyringError, match="is suspended, and only an active key"):
        await keyring.rotate("suspended", ALICE)
    with pytest.raises(KeyringError, match="there is no key nobody"):
        await keyring.rotate("nobody", ALICE)


@pytest.mark.parametrize(
    ("commands", "state"),
    [
        ((KeyCommand.SUSPEND,), "suspended"),
        ((KeyCommand.SUSPEND, KeyCommand.RESUME), "active"),
        ((KeyCommand.DEACTIVATE,), "deactivated"),
        ((KeyCommand.REPORT_COMPROMISED,), "compromised"),
        ((KeyCommand.DEACTIVATE, KeyCommand.REPORT_COMPROMISED, KeyCommand.DESTROY), "destroyed"),
    ],
)
async def test_commands_lead_where_the_table_says(
    keyring: Keyring, vault: Vault, commands: tuple[KeyCommand, ...], state: str
) -> None:
    await keyring.create(order(id="k1"), ALICE)
    for command in commands:
        shown = await keyring.command("k1", command, ALICE)
    assert (shown.state, (await stored(vault, "k1")).state) == (state, state)


async def test_command_that_the_table_does_not_hold_is_refused_with_what_can_be_done(keyring: Keyring) -> None:
    await keyring.create(order(id="k1"), ALICE)
    await keyring.command("k1", KeyCommand.DEACTIVATE, ALICE)
    with pytest.raises(
        KeyringError, match="is deactivated and cannot be resumed: what can be done: compromise, destroy"
    ):
        await keyring.command("k1", KeyCommand.RESUME, ALICE)
    await keyring.command("k1", KeyCommand.DESTROY, ALICE)
    with pytest.raises(KeyringError, match="cannot be revoked: what can be done: nothing"):
        await keyring.command("k1", KeyCommand.DEACTIVATE, ALICE)
    with pytest.raises(KeyringError, match="there is no key nobody"):
        await keyring.command("nobody", KeyCommand.SUSPEND, ALICE)


async def test_destroying_wipes_the_material(keyring: Keyring, vault: Vault) -> None:
    await keyring.create(order(id="k1"), ALICE)
    await keyring.command("k1", KeyCommand.DESTROY, ALICE)
    assert (await stored(vault, "k1")).material.reveal() == b""


async def test_ending_a_key_keeps_its_material_for_the_record(keyring: Keyring, vault: Vault) -> None:
    issued = await keyring.create(order(id="k1"), ALICE)
    await keyring.command("k1", KeyCommand.DEACTIVATE, ALICE)
    assert issued.secret is not None
    assert (await stored(vault, "k1")).material.reveal() == issued.secret.encode()


async def test_imported_key_keeps_its_id_and_secret(keyring: Keyring, vault: Vault) -> None:
    imported = await keyring.take_over([order(id="OLD-1", secret="any string: even this.")], ALICE)
    assert [each.id for each in imported] == ["OLD-1"]
    assert (await stored(vault, "OLD-1")).material.reveal() == b"any string: even this."


async def test_thousand_keys_are_imported_in_one_change_and_in_a_blink(keyring: Keyring, vault: Vault) -> None:
    orders = [order(id=f"k{number}", secret=f"secret-{number}") for number in range(1000)]
    began = time.perf_counter()
    assert len(await keyring.take_over(orders, ALICE)) == 1000
    assert time.perf_counter() - began < 5
    assert await vault.keys.head() == 1
    assert len(await vault.trail.records()) == 1000


@pytest.mark.parametrize(
    ("orders", "why"),
    [
        ([order(id="k1", secret="s"), order(secret="s")], "needs its id"),
        ([order(id="k1", secret="s"), order(id="k1", secret="t")], "key k1 stands there twice"),
        ([order(id="k1", secret="s"), order(id="k2")], "needs its secret"),
        ([order(id="k1", secret="s"), order(id="there", secret="s")], "key there is there already"),
        ([order(id="k2", secret="s", algorithm=KeyAlgorithm.ED25519)], "have no secret"),
    ],
)
async def test_import_takes_all_or_none(keyring: Keyring, vault: Vault, orders: list[KeyOrder], why: str) -> None:
    await keyring.create(order(id="there"), ALICE)
    with pytest.raises(KeyringError, match=why):
        await keyring.take_over(orders, ALICE)
    assert await vault.keys.head() == 1


async def test_importing_nothing_changes_nothing(keyring: Keyring, vault: Vault) -> None:
    assert await keyring.take_over([], ALICE) == ()
    assert await vault.keys.head() == 0


async def test_lists_are_oldest_first_and_by_account(keyring: Keyring, clock: Clock) -> None:
    await keyring.create(order(id="first"), ALICE)
    clock.now = UnixMs(START + 1)
    await keyring.create(order(id="a-second", account="other"), ALICE)
    assert [key.id for key in await keyring.keys()] == ["first", "a-second"]
    assert [key.id for key in await keyring.keys("other")] == ["a-second"]


async def test_history_tells_who_did_what_and_why(keyring: Keyring) -> None:
    await keyring.create(order(id="k1"), By("alice", "new client"))
    await keyring.command("k1", KeyCommand.SUSPEND, By("bob", "holiday"))
    rows = await keyring.history("k1")
    assert [(row.actor, row.command, row.why) for row in rows] == [
        ("alice", "create", "new client"),
        ("bob", "suspend", "holiday"),
    ]
    with pytest.raises(KeyringError, match="there is no key nobody"):
        await keyring.history("nobody")


async def test_secret_is_told_at_creation_and_never_again(keyring: Keyring, vault: Vault) -> None:
    issued = await keyring.create(order(id="k1"), ALICE)
    await keyring.take_over([order(id="k2", secret=CANARY)], ALICE)
    await keyring.command("k2", KeyCommand.SUSPEND, ALICE)
    seen = repr(
        (
            issued,
            await keyring.keys(),
            await keyring.show("k1"),
            await keyring.history("k2"),
            await stored(vault, "k2"),
        )
    )
    assert issued.secret is not None
    assert issued.secret not in seen
    assert CANARY not in seen


async def test_key_that_is_ended_is_buried_in_the_shared_store_and_one_that_is_resumed_is_not(
    keyring: Keyring, clock: Clock, tombstones: Buried
) -> None:
    await keyring.create(order(id="k1"), ALICE)
    await keyring.command("k1", KeyCommand.SUSPEND, ALICE)
    await keyring.command("k1", KeyCommand.RESUME, ALICE)
    await keyring.command("k1", KeyCommand.DEACTIVATE, ALICE)
    assert tombstones.told == [
        ("acme", "k1", clock.now + SUSPENDED_MS),
        ("acme", "k1", clock.now + TOMBSTONE_MS),
    ]


async def test_change_is_in_force_at_once_where_no_node_serves(keyring: Keyring) -> None:
    issued = await keyring.create(order(id="k1"), ALICE)
    assert await keyring.in_force(issued.key.revision) == InForce(nodes=0, after_ms=0)
