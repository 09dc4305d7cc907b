"""A vault of the test's own: on SQLite, and on PostgreSQL. What is promised of one is promised of both."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.state.sealing import SealingKey
from guard.state.vault import Vault

POSTGRES = pytest.param("postgres", marks=pytest.mark.system)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/guard.db"


@pytest.fixture(params=["sqlite", POSTGRES])
def url(request: pytest.FixtureRequest) -> str:
    chosen: str = request.getfixturevalue(f"{request.param}_url")
    return chosen


@pytest.fixture
def sealing(tmp_path: Path) -> SealingKey:
    return SealingKey.create(tmp_path / "home" / "sealing.key")


@pytest.fixture
async def vault(url: str, sealing: SealingKey) -> AsyncIterator[Vault]:
    opened = await Vault.open(url, sealing)
    yield opened
    await opened.close()
