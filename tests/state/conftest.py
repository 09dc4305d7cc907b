"""A vault of the test's own, on SQLite."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from guard.state.sealing import SealingKey
from guard.state.vault import Vault


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/home/guard.db"


@pytest.fixture
def sealing(tmp_path: Path) -> SealingKey:
    return SealingKey.create(tmp_path / "home" / "sealing.key")


@pytest.fixture
async def vault(url: str, sealing: SealingKey) -> AsyncIterator[Vault]:
    opened = await Vault.open(url, sealing)
    yield opened
    await opened.close()
