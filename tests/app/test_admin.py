"""The admin API put together: its first token, its hosts, and that it is apart from the data plane."""

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest
import structlog

from guard.app.admin import admin_api, admin_hosts, administering, first_token
from guard.app.gateway import open_gateway
from guard.app.keys import open_admins, open_vault
from guard.edges.health import Health, Readiness
from guard.model.admins import Role
from guard.service.key_steps import By
from guard.service.policies import Rulebook, Rules, read_rulebook
from guard.settings import Settings
from guard.state.faults import StateError
from tests.app.test_gateway import rules
from tests.reloads import standing


def settings(home: Path, **changes: object) -> Settings:
    given: dict[str, object] = {"home": home, "decision_log": "none", "admin_listen": "127.0.0.1:8090"}
    return Settings(**{**given, **changes})  # type: ignore[arg-type]


HEALTH = Health(lambda: Readiness(policy="3f2a91c"), lambda: b"")


async def opened(folder: Path, **changes: object) -> int:
    """Put together on this home; the status that the token in its file gets."""
    chosen, rulebook = settings(folder / "home", **changes), rules(folder / "policies")
    async with open_vault(chosen) as vault:
        api = await admin_api(chosen, vault, standing(rulebook), HEALTH)
        told: list[int] = []

        async def send(message: Any) -> None:
            told.append(message.get("status", 0))

        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": b"", "more_body": False}

        token = chosen.admin_token.read_text().strip()
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/admin/v1/nodes",
            "raw_path": b"/admin/v1/nodes",
            "query_string": b"",
            "headers": [(b"host", b"127.0.0.1:8090"), (b"authorization", f"Bearer {token}".encode())],
            "client": ("127.0.0.1", 5),
        }
        await api(scope, receive, send)
        return told[0]


async def test_the_first_token_is_in_a_file_for_its_owner_alone_and_opens_the_api(tmp_path: Path) -> None:
    assert await opened(tmp_path) == 200
    file = tmp_path / "home" / "admin.token"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    first = file.read_text()
    assert await opened(tmp_path) == 200
    assert file.read_text() == first


async def test_a_token_that_somebody_put_there_becomes_the_first(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    async with open_admins(settings(tmp_path / "other")) as admins:
        text = admins.mint()
    file.touch(0o600)
    file.write_text(text)
    assert await opened(tmp_path, admin_token_file=file) == 200


async def test_a_database_that_has_a_token_gets_no_file(tmp_path: Path) -> None:
    async with open_admins(settings(tmp_path / "home")) as admins:
        await admins.create("alice", Role.ADMIN, By("setup"))
    with pytest.raises(FileNotFoundError):
        await opened(tmp_path)


@pytest.mark.parametrize(
    ("content", "mode", "sentence"),
    [("password", 0o600, "holds no administrator's token"), ("ga_", 0o644, "can be read by others")],
)
async def test_a_file_that_is_none_is_refused_with_its_remedy(
    tmp_path: Path, content: str, mode: int, sentence: str
) -> None:
    file = tmp_path / "secret"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(StateError, match=sentence):
        await opened(tmp_path, admin_token_file=file)


async def test_a_file_that_cannot_be_made_or_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot be made"):
        await opened(tmp_path, admin_token_file=tmp_path / "file" / "token")
    (tmp_path / "folder").mkdir()
    with pytest.raises(StateError, match="cannot be read"):
        await opened(tmp_path, admin_token_file=tmp_path / "folder")


async def test_of_two_nodes_that_start_at_once_one_makes_the_first_token(tmp_path: Path) -> None:
    """Each has its own home, and they share the database."""
    database = f"sqlite:///{tmp_path}/shared.db"
    sealing = tmp_path / "sealing.key"
    homes = [settings(tmp_path / name, database_url=database, sealing_key_file=sealing) for name in ("one", "two")]
    async with open_admins(homes[0]) as one, open_admins(homes[1]) as two:
        made = await asyncio.gather(first_token(one, homes[0].admin_token), first_token(two, homes[1].admin_token))
    assert sorted(made) == [False, True]
    assert [home.admin_token.exists() for home in homes] == list(made)


@pytest.mark.parametrize(("listen", "warned"), [("127.0.0.1:0", False), ("localhost:0", False), ("0.0.0.0:0", True)])
async def test_listening_beyond_this_machine_is_warned_of(tmp_path: Path, listen: str, warned: bool) -> None:  # noqa: FBT001
    chosen, rulebook = settings(tmp_path / "home", admin_listen=listen), rules(tmp_path / "policies")
    with structlog.testing.capture_logs() as logs:
        async with administering(chosen, standing(rulebook), HEALTH):
            pass
    events = [each["event"] for each in logs]
    assert events == [*(["admin.in_the_clear"] if warned else []), "admin.first_token"]


async def test_nothing_is_made_where_no_admin_api_is_wanted(tmp_path: Path) -> None:
    chosen, rulebook = settings(tmp_path / "home", admin_listen="none"), rules(tmp_path / "policies")
    async with administering(chosen, standing(rulebook), HEALTH):
        assert not chosen.home.exists()


@pytest.mark.parametrize(
    ("listen", "names", "hosts"),
    [
        ("127.0.0.1:8090", None, {"127.0.0.1", "::1", "localhost"}),
        (
            "0.0.0.0:8090",
            "guard-admin.internal, Guard",
            {"127.0.0.1", "::1", "localhost", "guard-admin.internal", "guard"},
        ),
        ("[2001:db8::7]:8090", None, {"127.0.0.1", "::1", "localhost", "2001:db8::7"}),
        ("unix:/run/guard/admin.sock", None, {"127.0.0.1", "::1", "localhost"}),
    ],
)
def test_it_answers_to_this_machine_to_where_it_listens_and_to_what_the_settings_name(
    listen: str, names: str | None, hosts: set[str]
) -> None:
    assert admin_hosts(settings(Path("/h"), admin_listen=listen, admin_hosts=names)) == hosts


async def test_the_scopes_of_the_policies_are_under_dual_control_from_the_start(tmp_path: Path) -> None:
    rulebook = rules(tmp_path / "policies")
    policy = tmp_path / "policies" / "exchange.yaml"
    policy.write_text(policy.read_text() + "dual_control: {scopes: [read]}\n")
    strict = read_rulebook(tmp_path / "policies")
    assert isinstance(strict, Rulebook)
    for chosen, scopes in ((Rules(strict), {"read"}), (rulebook, set())):
        async with open_gateway(settings(tmp_path / "home"), chosen) as running:
            assert await running.vault.releases.scopes() == scopes
