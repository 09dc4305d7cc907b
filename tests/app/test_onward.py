"""Where goes what is let through, and which policies may stand where."""

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import msgspec
import pytest

from guard.app.onward import Misplaced, open_outlet
from guard.edges.forwarded import Backends
from guard.edges.wrapped import App, Wrapped
from guard.model.upstream_policy import APP
from guard.service.policies import Rulebook
from guard.settings import Settings
from tests.build import policies, service


async def _app(_: Any, __: Any, ___: Any) -> None: ...


def _rules(*urls: str, assertion: bool = False) -> Rulebook:
    upstream = service().upstream
    services = [
        service(name=f"s{number}", upstream=msgspec.structs.replace(upstream, urls=(url,), assertion=assertion))
        for number, url in enumerate(urls)
    ]
    return Rulebook(policies=policies(*services), schemes={})


def _files(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@pytest.mark.parametrize(
    ("urls", "app", "expected"),
    [
        (("http://127.0.0.1:9", "http://127.0.0.1:10"), None, Backends),
        ((APP,), _app, Wrapped),
        ((APP, APP), _app, Wrapped),
    ],
)
async def test_an_application_or_backends(
    tmp_path: Path, urls: tuple[str, ...], app: App | None, expected: type[object]
) -> None:
    async with AsyncExitStack() as stack:
        assert isinstance(open_outlet(Settings(home=tmp_path), _rules(*urls), app, stack).onward, expected)
    assert _files(tmp_path) == []


@pytest.mark.parametrize(
    ("urls", "app", "says"),
    [
        ((APP,), None, "`upstream: app` is for GuardMiddleware"),
        (("http://127.0.0.1:9", APP), None, "`upstream: app` is for GuardMiddleware"),
        (("http://127.0.0.1:9",), _app, "write `upstream: app`"),
        ((APP, "http://127.0.0.1:9"), _app, "write `upstream: app`"),
    ],
)
async def test_neither_takes_the_others_policy(
    tmp_path: Path, urls: tuple[str, ...], app: App | None, says: str
) -> None:
    async with AsyncExitStack() as stack:
        with pytest.raises(Misplaced, match=says):
            open_outlet(Settings(home=tmp_path), _rules(*urls), app, stack)


async def test_the_assertion_key_is_made_only_where_a_policy_asks_for_assertions(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        open_outlet(Settings(home=tmp_path), _rules(APP, assertion=True), _app, stack)
    assert _files(tmp_path) == ["assertion.key"]
