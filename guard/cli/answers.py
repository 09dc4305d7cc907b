"""An answer as a person reads it: what came back, and if it was a No, why and what to type next."""

import json
import shlex

import msgspec

from guard.cli.screen import paint, printable
from guard.cli.sending import Answer

EXIT_REFUSED = 22
"""The exit code for an answer that is not 2xx: that of `curl --fail`."""


_SECOND_US = 1_000_000
_SKEW_MS_NOTABLE = 1_000


class Problem(msgspec.Struct, frozen=True):
    """What guard says about a No (RFC 9457), as far as it is told."""

    code: str
    detail: str = ""
    title: str = ""
    request_id: str = ""
    sent: str = "unknown"
    retry_after_ms: int | None = None
    server_time_ms: int | None = None
    skew_ms: int | None = None


def is_yes(answer: Answer) -> bool:
    """2xx."""
    return 200 <= answer.status < 300  # noqa: PLR2004


def problem_of(answer: Answer) -> Problem | None:
    """The problem, if it was guard that said No; None for answers of the backend and of anyone else."""
    if answer.field("guard-reason") is None:
        return None
    try:
        return msgspec.json.decode(answer.body, type=Problem)
    except msgspec.DecodeError:  # the answer to a HEAD has no body
        return Problem(answer.field("guard-reason") or "", request_id=answer.field("guard-request-id") or "")


def shown(answer: Answer, again: str) -> tuple[str, ...]:
    """The lines for an answer. `again` is the command that sends this request anew."""
    problem = problem_of(answer)
    if problem is not None:
        return _shown_refusal(answer, problem, again)
    room = answer.field("ratelimit")
    head = f"{_status(answer)}  {duration(answer.elapsed_us)}" + (
        f"  RateLimit: {printable(room.encode())}" if room else ""
    )
    return (head, *printable(answer.body).rstrip("\n").split("\n")) if answer.body else (head,)


def advice(problem: Problem, again: str) -> str:
    """What to type next."""
    match problem.code.partition(".")[::2]:
        case ("auth", "stale" | "future"):
            clock = "   (if that is refused too, set this machine's clock)" if _clock_is_off(problem) else ""
            return f"sign it again: {again}{clock}"
        case ("auth", "replayed"):
            return (
                f"sign it again: {again}   |   guard curl --tamper body … → auth.invalid   |   --skew -30s → auth.stale"
            )
        case ("auth", "invalid"):
            return "guard curl -v … shows the string to sign; compare it with what your client signs"
        case ("auth", "missing"):
            return "leave --scheme none away, so that the request is signed"
        case ("auth", "revoked_key" | "expired_key" | "suspended_key" | "inactive_key") | ("authz", _):
            return "guard keys list shows the state, scopes and networks of your keys"
        case ("limit", _):
            return f"wait {duration((problem.retry_after_ms or 0) * 1_000)}, then: {again}"
        case ("route", _):
            return "the policy lists the routes that there are"
        case ("upstream", _):
            return f"is the backend running? whether the request reached it: {problem.sent}"
        case _:
            return f"the decision log of the gateway has more under {problem.request_id}"


def answer_json(answer: Answer) -> str:
    """The answer for a program."""
    problem = problem_of(answer)
    return json.dumps(
        {
            "status": answer.status,
            "elapsed_us": answer.elapsed_us,
            "code": problem.code if problem else None,
            "request_id": answer.field("guard-request-id"),
            "fields": [[name, value] for name, value in answer.fields],
            "body": answer.body.decode(errors="backslashreplace"),
        }
    )


def duration(elapsed_us: int) -> str:
    """`3.1 ms` or `4.2 s`, cut."""
    tenths, unit = (elapsed_us // 100, "ms") if elapsed_us < _SECOND_US else (elapsed_us // 100_000, "s")
    return f"{tenths // 10}.{tenths % 10} {unit}"


def command(method: str, target: str, body: bytes) -> str:
    """The `guard curl` that sends such a request."""
    words = ["guard", "curl", method, target]
    if body:
        words += ["-d", body.decode(errors="backslashreplace")]
    return shlex.join(words)


def _shown_refusal(answer: Answer, problem: Problem, again: str) -> tuple[str, ...]:
    lines = [f"{_status(answer)}  {printable(problem.code.encode())}   {printable(problem.request_id.encode())}"]
    said = problem.detail or problem.title
    if said:
        lines.append(printable(said.encode()))
    if problem.skew_ms is not None and _clock_is_off(problem):
        lines.append(f"the gateway's clock is {_lead(problem.skew_ms)} the time that was signed")
    return (*lines, f"next: {printable(advice(problem, again).encode())}")


def _status(answer: Answer) -> str:
    return paint(f"{answer.status} {printable(answer.phrase.encode())}", "green" if is_yes(answer) else "red")


def _clock_is_off(problem: Problem) -> bool:
    """Whether the signed time is so far from the gateway's that this machine's clock may be the reason."""
    return abs(problem.skew_ms or 0) >= _SKEW_MS_NOTABLE


def _lead(skew_ms: int) -> str:
    """`skew_ms` is the gateway's clock minus the signed time."""
    size = duration(abs(skew_ms) * 1_000)
    return f"{size} ahead of" if skew_ms >= 0 else f"{size} behind"
