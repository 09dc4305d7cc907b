"""The quick start of docs/middleware.md, as it stands there, on each server."""

import json
import re
from pathlib import Path

import pytest

from tests.system.raw_http import message
from tests.system.wrapped import SERVERS, wrapped_server

pytestmark = pytest.mark.system

_DOC = (Path(__file__).parents[2] / "docs" / "middleware.md").read_text()
[_POLICY] = re.findall(r"```yaml\n(.*?)```", _DOC, re.DOTALL)
_PROGRAMS = dict(re.findall(r"^(Starlette|FastAPI), `main.py`:\n\n```python\n(.*?)```", _DOC, re.DOTALL | re.MULTILINE))


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("framework", ["Starlette", "FastAPI"])
def test_the_quick_start_works_as_it_is_written(framework: str, server: str, tmp_path: Path) -> None:
    _try(tmp_path / "home", server, _PROGRAMS[framework])


@pytest.mark.parametrize("framework", ["Starlette", "FastAPI"])
def test_the_frameworks_own_way_of_adding_it_works_too(framework: str, tmp_path: Path) -> None:
    name = framework.lower()
    ours = f'app = GuardMiddleware({name}, policies="policies")'
    assert ours in _PROGRAMS[framework]
    theirs = f'{name}.add_middleware(GuardMiddleware, policies="policies")\napp = {name}'
    _try(tmp_path / "home", "uvicorn", _PROGRAMS[framework].replace(ours, theirs))


def test_behind_a_proxy_that_takes_a_prefix_away_whole_paths_are_signed_and_judged(tmp_path: Path) -> None:
    policy = _POLICY.replace("/v1/", "/api/v1/")
    flags = ("--root-path", "/api")
    with wrapped_server(tmp_path / "home", "uvicorn", _PROGRAMS["Starlette"], policy, *flags) as running:
        whole = running.signed("POST", "/api/v1/orders", b'{"side":"buy"}')
        assert running.ask(whole.replace(b"POST /api", b"POST ")).status == 200
        assert running.ask(running.signed("POST", "/v1/orders", b'{"side":"buy"}')).code == "auth.invalid"


def _try(home: Path, server: str, program: str) -> None:
    with wrapped_server(home, server, program, _POLICY) as running:
        opened = running.ask(message("GET", "/v1/time", [(b"Host", b"h")]))
        assert (opened.status, json.loads(opened.body)) == (200, {"now": "soon"})
        order = running.signed("POST", "/v1/orders", b'{"side":"buy"}', extra=[(b"Content-Type", b"application/json")])
        placed = running.ask(order)
        assert placed.status == 200, placed.body
        assert json.loads(placed.body) == {"account": "acme", "order": {"side": "buy"}}
        assert running.ask(order).code == "auth.replayed"
        assert running.ask(message("POST", "/v1/orders", [(b"Host", b"h")])).code == "auth.missing"
