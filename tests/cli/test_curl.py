"""`guard curl` against a server that keeps the bytes. Signatures are verified by hand here, from ARCHITECTURE.md 6."""

import base64
import hashlib
import hmac
import json
import socket
import stat
from pathlib import Path

import pytest

from tests.cli.recorder import KEY_ID, SECRET, Recorder, body_of, field_of, guard, head_of, refusal, response

ORDER = '{"symbol":"BTC-USD","qty":"0.01"}'


def sent(recorder: Recorder, home: Path, *words: str) -> bytes:
    """The one request that this command sends."""
    before = len(recorder.requests)
    guard(home, "curl", *words, "--base-url", recorder.url)
    assert len(recorder.requests) == before + 1
    return recorder.requests[-1]


def signature_over(request: bytes, authority: bytes) -> bytes:
    """The signature that ARCHITECTURE.md section 6 asks for over this request."""
    method, target, _ = head_of(request)[0].split(b" ", 2)
    digest = (
        b"sha-256=:" + base64.b64encode(hashlib.sha256(body_of(request)).digest()) + b":" if body_of(request) else b""
    )
    timestamp, nonce = field_of(request, b"guard-timestamp"), field_of(request, b"guard-nonce")
    assert timestamp is not None
    assert nonce is not None
    base = [b"guard-v1", KEY_ID.encode(), timestamp, b"", nonce, method, authority, target, digest]
    return base64.b64encode(hmac.digest(SECRET.encode(), b"\n".join(base), "sha256"))


@pytest.mark.parametrize(
    "target",
    ["/v1/account", "/a%2Fb?x=%20+&&=", "/a/../b//c", "/?", "/q?x=1#f", "/é"],
)
def test_the_target_goes_out_unchanged_and_is_what_was_signed(recorder: Recorder, tmp_path: Path, target: str) -> None:
    request = sent(recorder, tmp_path, "GET", target)
    assert head_of(request)[0] == b"GET " + target.encode() + b" HTTP/1.1"
    authority = recorder.url.removeprefix("http://").encode()
    assert field_of(request, b"guard-signature") == signature_over(request, authority)


def test_the_body_goes_out_byte_for_byte_and_is_what_was_signed(recorder: Recorder, tmp_path: Path) -> None:
    content = tmp_path / "body"
    content.write_bytes(b'\x00\xff\r\n\r\n{"a": 1 }\n')
    request = sent(recorder, tmp_path, "POST", "/v1/orders", "-d", f"@{content}")
    assert body_of(request) == b'\x00\xff\r\n\r\n{"a": 1 }\n'
    assert field_of(request, b"content-length") == b"16"
    assert field_of(request, b"guard-signature") == signature_over(request, recorder.url[7:].encode())


def test_a_body_can_come_from_standard_input(recorder: Recorder, tmp_path: Path) -> None:
    guard(tmp_path, "curl", "POST", "/x", "-d", "@-", "--base-url", recorder.url, stdin=b"from a pipe")
    assert body_of(recorder.requests[0]) == b"from a pipe"


def test_without_a_method_it_is_get_or_with_a_body_post(recorder: Recorder, tmp_path: Path) -> None:
    assert head_of(sent(recorder, tmp_path, "/x"))[0] == b"GET /x HTTP/1.1"
    assert head_of(sent(recorder, tmp_path, "/x", "-d", "{}"))[0] == b"POST /x HTTP/1.1"


def test_an_empty_post_says_its_length_and_a_get_has_none(recorder: Recorder, tmp_path: Path) -> None:
    assert field_of(sent(recorder, tmp_path, "POST", "/x"), b"content-length") == b"0"
    assert field_of(sent(recorder, tmp_path, "GET", "/x"), b"content-length") is None


def test_given_fields_go_out_and_replace_our_own(recorder: Recorder, tmp_path: Path) -> None:
    ours = sent(recorder, tmp_path, "POST", "/x", "-d", "a=1")
    assert field_of(ours, b"content-type") == b"application/json"
    given = ("-H", "content-type: text/plain", "-H", "User-Agent: bot", "-H", "X-A:b", "-H", "Host: exchange.test")
    request = sent(recorder, tmp_path, "POST", "/x", "-d", "a=1", *given)
    assert field_of(request, b"content-type") == b"text/plain"
    assert field_of(request, b"user-agent") == b"bot"
    assert field_of(request, b"x-a") == b"b"
    assert field_of(request, b"host") == b"exchange.test"
    assert field_of(request, b"guard-signature") == signature_over(request, b"exchange.test")


def test_each_request_has_its_own_nonce(recorder: Recorder, tmp_path: Path) -> None:
    nonces = {field_of(sent(recorder, tmp_path, "GET", "/x"), b"guard-nonce") for _ in range(3)}
    assert len(nonces) == 3


def test_a_replay_sends_the_same_bytes_again(recorder: Recorder, tmp_path: Path) -> None:
    first = sent(recorder, tmp_path, "POST", "/v1/orders", "-d", ORDER)
    guard(tmp_path, "curl", "--replay", "@last")
    guard(tmp_path, "curl", "--replay", str(tmp_path / "last-request.json"), "-v")
    assert recorder.requests == [first, first, first]


def test_a_replay_can_go_to_another_gateway_with_the_host_that_was_signed(recorder: Recorder, tmp_path: Path) -> None:
    first = sent(recorder, tmp_path, "GET", "/x")
    other = recorder.url.replace("127.0.0.1", "localhost")
    guard(tmp_path, "curl", "--replay", "@last", "--base-url", other)
    assert recorder.requests[1] == first


def test_what_is_saved_is_private_and_holds_no_secret(recorder: Recorder, tmp_path: Path) -> None:
    sent(recorder, tmp_path / "new", "GET", "/x")
    saved = tmp_path / "new" / "last-request.json"
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert stat.S_IMODE(saved.parent.stat().st_mode) & 0o077 == 0
    assert SECRET.encode() not in base64.b64decode(json.loads(saved.read_bytes())["content_base64"])
    assert [each.name for each in saved.parent.iterdir()] == ["last-request.json"]


def test_a_request_that_carries_the_secret_is_not_saved(recorder: Recorder, tmp_path: Path) -> None:
    request = sent(recorder, tmp_path, "GET", "/x", "--scheme", "api-key")
    assert field_of(request, b"guard-api-key") == b"k_test.s3cret"
    assert field_of(request, b"guard-signature") is None
    assert not (tmp_path / "last-request.json").exists()


def test_scheme_none_needs_no_key_and_sends_no_credentials(recorder: Recorder, tmp_path: Path) -> None:
    guard(tmp_path, "curl", "/v1/time", "--scheme", "none", "--base-url", recorder.url, key=False)
    assert b"guard-" not in recorder.requests[0].lower().replace(b"guard/", b"")


@pytest.mark.parametrize("part", ["body", "path", "query", "signature", "timestamp"])
def test_tamper_changes_exactly_one_thing_after_signing(recorder: Recorder, tmp_path: Path, part: str) -> None:
    request = sent(recorder, tmp_path, "POST", "/v1/orders?a=b", "-d", ORDER, "--tamper", part)
    method, target, _ = head_of(request)[0].split(b" ")
    assert (method, len(body_of(request)), field_of(request, b"content-length")) == (b"POST", len(ORDER), b"33")
    changed = {
        "body": body_of(request) != ORDER.encode(),
        "path": not target.startswith(b"/v1/orders?"),
        "query": not target.endswith(b"?a=b"),
    }
    assert changed == {name: name == part for name in changed}
    restored = request
    if part == "body":
        restored = request.replace(body_of(request), ORDER.encode())
    if part in ("path", "query"):
        restored = request.replace(target, b"/v1/orders?a=b", 1)
    holds = field_of(restored, b"guard-signature") == signature_over(restored, recorder.url[7:].encode())
    assert holds is (part not in ("signature", "timestamp"))
    assert field_of(request, b"guard-signature") != signature_over(request, recorder.url[7:].encode())


def test_a_tampered_query_appears_where_there_was_none(recorder: Recorder, tmp_path: Path) -> None:
    assert head_of(sent(recorder, tmp_path, "/x", "--tamper", "query"))[0] == b"GET /x?tampered=1 HTTP/1.1"


def test_tampered_requests_and_replays_are_not_saved(recorder: Recorder, tmp_path: Path) -> None:
    first = sent(recorder, tmp_path, "GET", "/first")
    sent(recorder, tmp_path, "GET", "/second", "--tamper", "path")
    guard(tmp_path, "curl", "--replay", "@last")
    guard(tmp_path, "curl", "--replay", "@last")
    assert [recorder.requests[0], *recorder.requests[2:]] == [first, first, first]


@pytest.mark.parametrize(("skew", "moved_ms"), [("-30s", -30_000), ("+500ms", 500), ("2m", 120_000)])
def test_skew_moves_the_signed_time(recorder: Recorder, tmp_path: Path, skew: str, moved_ms: int) -> None:
    straight = field_of(sent(recorder, tmp_path, "/x"), b"guard-timestamp")
    skewed = field_of(sent(recorder, tmp_path, "/x", "--skew", skew), b"guard-timestamp")
    assert straight is not None
    assert skewed is not None
    assert 0 <= int(skewed) - int(straight) - moved_ms < 20_000


def test_a_yes_shows_status_room_body_and_the_next_command(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = lambda _: response(200, b'{"id":"o-1"}\n', 'RateLimit: "key";r=39;t=1', phrase="OK")
    result = guard(tmp_path, "curl", "GET", "/x", "--base-url", recorder.url)
    head, *rest = result.stdout.splitlines()
    assert result.exit_code == 0
    assert head.startswith("  200 OK  ")
    assert head.endswith(' ms  RateLimit: "key";r=39;t=1')
    assert rest == ['  {"id":"o-1"}', "  saved as @last    next: guard curl --replay @last"]


def test_verbose_shows_the_string_to_sign_the_digest_and_all_fields(recorder: Recorder, tmp_path: Path) -> None:
    result = guard(tmp_path, "curl", "POST", "/x", "-d", "{}", "-v", "--base-url", recorder.url)
    lines = [line.strip() for line in result.stdout.splitlines()]
    request = recorder.requests[0]
    nonce, digest = field_of(request, b"guard-nonce"), field_of(request, b"content-digest")
    assert nonce is not None
    assert digest is not None
    start = lines.index("guard-v1␊")
    assert lines[start + 4 : start + 9] == [
        nonce.decode() + "␊", "POST␊", recorder.url[7:] + "␊", "/x␊", digest.decode(),
    ]  # fmt: skip
    assert f"Content-Digest of the body: {digest.decode()}" in lines
    assert [line[2:].encode() for line in lines if line.startswith("> ")] == head_of(request)
    assert "< Content-Length: 11" in lines


def test_verbose_never_shows_the_secret(recorder: Recorder, tmp_path: Path) -> None:
    for words in (("--scheme", "api-key"), ()):
        result = guard(tmp_path, "curl", "GET", "/x", "-v", *words, "--base-url", recorder.url)
        assert SECRET not in result.output
        assert KEY_ID in result.output


def test_json_is_one_object(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = lambda _: refusal(429, "limit.key", "Retry-After: 1", retry_after_ms=50)
    result = guard(tmp_path, "curl", "GET", "/x", "-v", "--json", "--base-url", recorder.url)
    answer = json.loads(result.stdout)
    assert result.exit_code == 22
    assert (answer["status"], answer["code"], answer["request_id"]) == (429, "limit.key", "req_1")
    assert ["Retry-After", "1"] in answer["fields"]
    assert json.loads(answer["body"])["retry_after_ms"] == 50


def test_a_redirect_is_shown_and_not_followed(recorder: Recorder, tmp_path: Path) -> None:
    recorder.answer = lambda _: response(307, b"", f"Location: {recorder.url}/elsewhere")
    result = guard(tmp_path, "curl", "GET", "/x", "--base-url", recorder.url)
    assert (result.exit_code, len(recorder.requests)) == (22, 1)


def test_no_gateway_says_how_to_start_one(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    result = guard(tmp_path, "curl", "/x", "--base-url", f"http://127.0.0.1:{port}")
    assert result.exit_code == 7
    assert result.stderr == f"guard: no gateway at http://127.0.0.1:{port}: start one with `guard dev`\n"


def test_an_answer_that_breaks_off_is_no_answer(recorder: Recorder, tmp_path: Path) -> None:
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
    cut = (b"", b"rubbish\r\n\r\n", head + b"Content-Length: 5\r\n\r\n123")
    for broken in (*cut, head + b"Transfer-Encoding: chunked\r\n\r\n5\r\n123"):
        recorder.answer = lambda _, broken=broken: broken  # type: ignore[misc]
        result = guard(tmp_path, "curl", "/x", "--base-url", recorder.url)
        assert (result.exit_code, result.stdout) == (7, "")
        assert result.stderr.startswith(f"guard: {recorder.url} broke off")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("A", "/b", "c"),
        ("GET", "/x\r\nX: y"),
        ("G T", "/x"),
        ("/x", "-H", "no colon"),
        ("/x", "-H", "a: b\nc: d"),
        ("/x", "-H", ": b"),
        ("/x", "-d", "@/nowhere"),
        ("/x", "--skew", "soon"),
        ("/x", "--tamper", "body"),
        ("/", "--tamper", "path"),
        ("/x", "--scheme", "none", "--tamper", "signature"),
        ("/x", "--scheme", "magic"),
        ("/x", "--replay", "@last"),
        ("--replay", "@last"),
        ("--replay", "/nowhere"),
        ("--replay", "/dev/null"),
        ("/x", "--key-file", "/nowhere"),
        ("/x", "--base-url", "ftp://h"),
    ],
)
def test_wrong_arguments_send_nothing(recorder: Recorder, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = guard(tmp_path, "curl", "--base-url", recorder.url, *words)
    assert (result.exit_code, recorder.requests) == (2, [])
    assert "Error" in result.stderr
