import msgspec
import pytest

from guard.cli.answers import Problem, advice, answer_json, command, duration, problem_of, shown
from guard.cli.sending import Answer

GUARD = (("Guard-Reason", "auth.stale"), ("Guard-Request-Id", "req_1"))


def answer(status: int, body: bytes = b"", fields: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(status=status, phrase="Said", fields=fields, body=body, elapsed_us=3_149)


def test_a_stale_request_is_told_both_clocks() -> None:
    body = (
        b'{"code":"auth.stale","detail":"signed too long ago","request_id":"req_1","skew_ms":30012,"server_time_ms":1}'
    )
    assert shown(answer(401, body, GUARD), "guard curl GET /x") == (
        "401 Said  auth.stale   req_1",
        "signed too long ago",
        "the gateway's clock is 30.0 s ahead of the time that was signed",
        "next: sign it again: guard curl GET /x   (if that is refused too, set this machine's clock)",
    )


def test_a_gateway_that_just_started_blames_no_clock() -> None:
    lines = shown(answer(401, b'{"code":"auth.stale","detail":"too early","skew_ms":999}', GUARD), "AGAIN")
    assert lines[1:] == ("too early", "next: sign it again: AGAIN")


def test_a_clock_that_leads_is_told_so() -> None:
    body = b'{"code":"auth.future","title":"Signed in the future","skew_ms":-2000}'
    lines = shown(answer(401, body, GUARD), "…")
    assert lines[1:3] == ("Signed in the future", "the gateway's clock is 2.0 s behind the time that was signed")


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("auth.replayed", "sign it again: AGAIN"),
        ("auth.invalid", "guard curl -v … shows the string to sign"),
        ("auth.missing", "leave --scheme none away"),
        ("auth.revoked_key", "guard keys list"),
        ("authz.scope", "guard keys list"),
        ("limit.orders", "wait 50.0 ms, then: AGAIN"),
        ("route.unknown", "the policy lists the routes"),
        ("upstream.timeout", "is the backend running? whether the request reached it: no"),
        ("gateway.error", "the decision log of the gateway has more under req_1"),
    ],
)
def test_every_no_ends_with_what_to_do(code: str, expected: str) -> None:
    assert advice(Problem(code, request_id="req_1", retry_after_ms=50, sent="no"), "AGAIN").startswith(expected)


def test_only_what_guard_itself_refuses_is_explained() -> None:
    body = b'{"code":"auth.stale"}'
    assert problem_of(answer(401, body)) is None
    assert shown(answer(404, b"nothing here"), "…")[1:] == ("nothing here",)


def test_a_refusal_without_a_body_is_read_from_its_fields() -> None:
    assert problem_of(answer(401, b"", GUARD)) == Problem("auth.stale", request_id="req_1")
    assert shown(answer(401, b"", GUARD), "…")[1].startswith("next: ")


def test_nothing_that_steers_a_terminal_is_shown() -> None:
    hostile = "\x1b[2J\x07"
    said = msgspec.structs.replace(answer(200, hostile.encode() + b"\xff", (("RateLimit", hostile),)), phrase=hostile)
    yes = shown(said, "…")
    no = shown(answer(401, b'{"code":"\\u001b[2J","detail":"\\u001b","request_id":"\\u0007"}', GUARD), "…")
    assert all(line.isprintable() for line in (*yes, *no))
    assert yes[1] == r"\x1b[2J\x07\xff"


def test_an_empty_answer_is_one_line() -> None:
    assert shown(answer(204), "…") == ("204 Said  3.1 ms",)


def test_times_are_cut_to_tenths() -> None:
    assert (duration(3_199), duration(99), duration(1_234_567)) == ("3.1 ms", "0.0 ms", "1.2 s")


def test_the_command_to_send_it_again_is_quoted_for_a_shell() -> None:
    assert command("GET", "/x", b"") == "guard curl GET /x"
    assert command("POST", "/x", b"it's") == """guard curl POST /x -d 'it'"'"'s'"""


def test_json_of_any_answer_can_be_read() -> None:
    assert '"code": null' in answer_json(answer(200, b"\xff"))
