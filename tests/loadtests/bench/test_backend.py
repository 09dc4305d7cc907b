"""The backend, as nginx and in Python: the same answer."""

import shutil
import urllib.request

import pytest

from loadtests.bench.backend import ANSWER, backend


@pytest.mark.system
@pytest.mark.parametrize("installed", [True, False])
def test_it_answers_every_request_alike(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  # pytest's
    if not installed:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with backend() as url:
        for method, body in (("GET", None), ("POST", b"{}")):
            asked = urllib.request.Request(f"{url}/any?x", data=body, method=method)  # noqa: S310  # our own
            with urllib.request.urlopen(asked, timeout=5) as answer:  # noqa: S310  # our own
                assert (answer.status, answer.read()) == (200, ANSWER)
