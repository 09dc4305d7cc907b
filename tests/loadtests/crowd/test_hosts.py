"""Whom a load may be aimed at."""

import json
from pathlib import Path

import pytest

from loadtests.crowd.hosts import host_of, keys_of_file
from loadtests.crowd.keys import Role, every, of_worker
from loadtests.crowd.refusal import Refusal

TRADER, CROWD = Role("trader"), Role("crowd", shared=True)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080", "http://127.9.9.9", "http://[::1]:80", "https://127.0.0.1:1/"]
)
def test_this_machine_may_be_loaded(url: str) -> None:
    assert host_of(url, owned=False) == url.rstrip("/")


@pytest.mark.parametrize("url", ["http://192.0.2.1:8080", "http://0.0.0.0:80", "http://[2001:db8::1]"])
def test_another_machine_may_be_loaded_only_by_who_says_that_it_is_theirs(url: str) -> None:
    with pytest.raises(Refusal, match=r"this is not loopback.*--i-own-this-host"):
        host_of(url, owned=False)
    assert host_of(url, owned=True) == url


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999",
        "http://127.0.0.1/v1",
        "http://a:b@127.0.0.1",
    ],
)
@pytest.mark.parametrize("owned", [False, True])
def test_what_is_no_origin_is_refused(url: str, *, owned: bool) -> None:
    with pytest.raises(Refusal, match=r"give an origin such as http://127\.0\.0\.1:8080"):
        host_of(url, owned=owned)


def key_file(tmp_path: Path, count: int) -> Path:
    file = tmp_path / "keys.jsonl"
    keys = [{"id": f"k{n}", "secret": "s", "account": "a", "state": "active"} for n in range(count)]
    file.write_text("\n".join(json.dumps(key) for key in keys) + "\n\n")
    return file


def test_keys_of_a_file_are_dealt_out_each_once(tmp_path: Path) -> None:
    keys = keys_of_file(key_file(tmp_path, 5), (TRADER, CROWD), users=2, workers=2)
    assert [key.id for key in of_worker(keys, "trader", 1)] == ["k2", "k3"]
    assert [key.id for key in of_worker(keys, "crowd", 0)] == [key.id for key in of_worker(keys, "crowd", 1)] == ["k4"]
    assert len(every(keys)) == 5


def test_too_few_keys_are_refused_with_how_many_are_needed(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="this run needs 5 different keys"):
        keys_of_file(key_file(tmp_path, 4), (TRADER, CROWD), users=2, workers=2)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys.jsonl").write_text('{"id": "k1"}\n')
    with pytest.raises(Refusal, match="missing required field `secret`: one JSON object a line"):
        keys_of_file(tmp_path / "keys.jsonl", (TRADER,), users=1, workers=1)
    with pytest.raises(Refusal, match="No such file"):
        keys_of_file(tmp_path / "none", (TRADER,), users=1, workers=1)
