import base64
import hashlib
import hmac
import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.recorder import Recorder, body_of, field_of, guard, head_of


def signed_by(home: Path, *words: str) -> str:
    result = guard(home, "sign", *words)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("target", ["/v1/orders", "/a/../b?x=[1]&y={2}&z=%2F+"])
def test_the_printed_command_sends_what_was_signed(recorder: Recorder, tmp_path: Path, target: str) -> None:
    body = """{"it's": "$(a)"}"""
    given = json.loads(signed_by(tmp_path, "POST", recorder.url + target, "-d", body, "--json"))
    command = shlex.split(signed_by(tmp_path, "POST", recorder.url + target, "-d", body, "-H", "X-A: 1"))
    subprocess.run([*command, "--silent", "--max-time", "10"], check=True, capture_output=True)  # noqa: S603
    request = recorder.requests[0]
    assert head_of(request)[0] == f"POST {target} HTTP/1.1".encode()
    assert body_of(request) == body.encode()
    assert field_of(request, b"x-a") == b"1"
    lines = given["string_to_sign"].encode().split(b"\n")
    lines[2], lines[4] = field_of(request, b"guard-timestamp"), field_of(request, b"guard-nonce")
    signature = base64.b64encode(hmac.digest(b"s3cret", b"\n".join(lines), "sha256"))
    assert field_of(request, b"guard-signature") == signature


def test_the_string_to_sign_is_that_of_the_contract(tmp_path: Path) -> None:
    given = json.loads(signed_by(tmp_path, "POST", "https://x.test:8443/o?a=1", "-d", "{}", "--json"))
    fields = dict(given["fields"])
    digest = "sha-256=:" + base64.b64encode(hashlib.sha256(b"{}").digest()).decode() + ":"
    time_and_nonce = [fields["Guard-Timestamp"], "", fields["Guard-Nonce"]]
    expected = ["guard-v1", "k_test", *time_and_nonce, "POST", "x.test:8443", "/o?a=1", digest]
    assert given["string_to_sign"].split("\n") == expected
    assert (given["method"], given["url"], given["body"]) == ("POST", "https://x.test:8443/o?a=1", "{}")


def test_dry_run_shows_the_string_above_a_command_that_still_runs(tmp_path: Path) -> None:
    for flag in ("--dry-run", "-v"):
        *comments, command = signed_by(tmp_path, "GET", "/v1/account", flag).splitlines()
        assert comments[1].strip() == "#   guard-v1␊"
        assert [line[0] for line in comments] == ["#"] * 10
        assert command.startswith("curl --path-as-is --globoff -X GET http://127.0.0.1:8080/v1/account -H ")


def test_a_body_from_a_file_is_sent_from_that_file(tmp_path: Path) -> None:
    content = tmp_path / "a body"
    content.write_bytes(b"\x00")
    command = shlex.split(signed_by(tmp_path, "POST", "/x", "-d", f"@{content}"))
    assert command[-2:] == ["--data-binary", f"@{content}"]


def test_a_body_from_standard_input_is_written_into_the_command(tmp_path: Path) -> None:
    result = guard(tmp_path, "sign", "POST", "/x", "-d", "@-", stdin=b"piped")
    assert shlex.split(result.stdout)[-2:] == ["--data-raw", "piped"]


def test_another_host_field_is_signed_and_kept(tmp_path: Path) -> None:
    command = shlex.split(signed_by(tmp_path, "GET", "http://127.0.0.1:1", "-H", "Host: x.test"))
    assert "Host: x.test" in command
    assert "http://127.0.0.1:1/" in command
    assert not any(word.startswith("Host") for word in shlex.split(signed_by(tmp_path, "GET", "http://127.0.0.1:1/")))


def test_nothing_is_sent_or_saved(recorder: Recorder, tmp_path: Path) -> None:
    signed_by(tmp_path, "GET", recorder.url + "/x")
    assert recorder.requests == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["http://h/x#f", "ftp://h/", "http://u@h/", "http://h:port/", "http:///x"])
def test_what_cannot_be_sent_as_signed_is_not_signed(tmp_path: Path, url: str) -> None:
    assert guard(tmp_path, "sign", "GET", url).exit_code == 2
