"""`guard flood`: many signed requests at once to a gateway on this machine, to see its limits at work."""

import ipaddress
import json
import socket
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from guard.cli.answers import problem_of
from guard.cli.credentials import Gateway, Key, gateway_at, key_from
from guard.cli.curl import EXIT_UNREACHABLE, body_of
from guard.cli.outgoing import Asked, Scheme, asked_for, outgoing
from guard.cli.screen import complain, paint, say
from guard.cli.sending import Answer, Connection, Unreachable
from guard.model.names import UnixMs

REQUESTS_MAX = 100_000
CONNECTIONS_MAX = 256
ORDER = '{"symbol":"BTC-USD","side":"buy","qty":"0.01","px":"60000"}'

_ORDERS = "/v1/orders"
_BAR_WIDTH = 44
_TOO_MANY = 429
_NO_ANSWER = 0

app = typer.Typer(rich_markup_mode=None, pretty_exceptions_enable=False, add_completion=False)


class Cancel(msgspec.Struct, frozen=True):
    """The cancel that was sent beside the flood, and whether it was sent while requests were being refused."""

    target: str
    status: int
    during: bool


class Tally:
    """What the workers have seen so far. `turned` is set at the first 429, or when there is nothing left to send."""

    def __init__(self, requests: int) -> None:
        self.answers: Counter[int] = Counter()
        self.reasons: Counter[tuple[int, str]] = Counter()
        self.first_429_after: int | None = None
        self.retry_after: str | None = None
        self.turned = threading.Event()
        self._requests = requests
        self._taken = 0
        self._lock = threading.Lock()

    def take(self) -> int | None:
        """How many requests were taken before this one, which is now the caller's to send; None if that was all."""
        with self._lock:
            if self._taken == self._requests:
                self.turned.set()
                return None
            self._taken += 1
            return self._taken - 1

    def add(self, place: int, answer: Answer | None) -> None:
        """The request at this place was answered, or (None) was not. Answers may come in any order."""
        with self._lock:
            if answer is None:
                self.answers[_NO_ANSWER] += 1
                return
            if answer.status == _TOO_MANY and (self.first_429_after is None or place < self.first_429_after):
                self.first_429_after = place
                self.retry_after = answer.field("retry-after")
                self.turned.set()
            self.answers[answer.status] += 1
            problem = problem_of(answer)
            if problem is not None:
                self.reasons[answer.status, problem.code] += 1


class Flood(msgspec.Struct, frozen=True):
    """What is sent, where to, and with which key: each time signed anew."""

    gateway: Gateway
    key: Key
    asked: Asked

    def ask(self, connection: Connection, asked: Asked | None = None) -> Answer | None:
        """One request, signed now; None if there was no answer."""
        asked = asked or self.asked
        now = UnixMs(time.time_ns() // 1_000_000)
        request = outgoing(asked, authority=self.gateway.authority, scheme=Scheme.GUARD_V1, key=self.key, now=now)
        try:
            return connection.ask(request.content, request.method)
        except Unreachable:
            return None


@app.command(
    help="""\b
    guard flood POST /v1/orders -n 200 -c 20
    guard flood GET /v1/account -n 1000
    guard flood POST /v1/orders -n 200 --json

    Run into the limits of your own gateway, on purpose.

    Only addresses of this machine are flooded. For POST /v1/orders, the order that is placed first is cancelled while
    the rest is being refused: cancels have a limit of their own.
    """
)
def flood(
    method: Annotated[str, typer.Argument(metavar="METHOD")],
    path: Annotated[str, typer.Argument(metavar="PATH")],
    *,
    requests: Annotated[int, typer.Option("-n", min=1, max=REQUESTS_MAX, help="How many requests.")] = 200,
    connections: Annotated[int, typer.Option("-c", min=1, max=CONNECTIONS_MAX, help="How many at a time.")] = 20,
    data: Annotated[str | None, typer.Option("-d", "--data", help="The body, or @FILE, or @- for stdin.")] = None,
    key_file: Annotated[Path | None, typer.Option(help="The JSON of `guard keys create --json`.")] = None,
    base_url: Annotated[str | None, typer.Option(help="The gateway's origin, on this machine.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The counts as one JSON object.")] = False,
) -> None:
    """See `help` above."""
    gateway = gateway_at(base_url)
    if not _is_this_machine(gateway):
        raise typer.BadParameter(
            f"{gateway.host} is not this machine: guard floods only loopback addresses, never somebody else's server",
            param_hint="--base-url",
        )
    orders = (method, path) == ("POST", _ORDERS)
    asked = asked_for(method, path, body_of(ORDER if orders and data is None else data), [])
    flooding = Flood(gateway, key_from(key_file), asked)
    tally = Tally(requests)
    first = _first(flooding, tally)
    workers = [threading.Thread(target=_work, args=(flooding, tally), daemon=True) for _ in range(connections)]
    for worker in workers:
        worker.start()
    cancel = _cancel(flooding, tally, workers, _order_id(first)) if orders else None
    for worker in workers:
        worker.join()
    _show(tally, cancel, as_json=as_json)


def _first(flooding: Flood, tally: Tally) -> Answer:
    """The first request of the flood, alone. Ends the program if there is no gateway."""
    place = tally.take() or 0
    connection = Connection(flooding.gateway)
    first = flooding.ask(connection)
    connection.close()
    if first is None:
        complain(f"no gateway at {flooding.gateway.url}: start one with `guard dev`")
        raise typer.Exit(EXIT_UNREACHABLE)
    tally.add(place, first)
    return first


def _work(flooding: Flood, tally: Tally) -> None:
    connection = Connection(flooding.gateway)
    while (place := tally.take()) is not None:
        tally.add(place, flooding.ask(connection))
    connection.close()


def _cancel(flooding: Flood, tally: Tally, workers: list[threading.Thread], order_id: str | None) -> Cancel | None:
    """Cancels the first order as soon as the flood is being refused, or after a flood that never was."""
    if order_id is None:
        return None
    tally.turned.wait()
    during = tally.first_429_after is not None
    if not during:
        for worker in workers:
            worker.join()
    target = f"{_ORDERS}/{order_id}"
    connection = Connection(flooding.gateway)
    answer = flooding.ask(connection, asked_for("DELETE", target, b"", []))
    connection.close()
    return None if answer is None else Cancel(target, answer.status, during)


def _order_id(answer: Answer) -> str | None:
    """The demo exchange's answer to a new order names it."""
    try:
        return msgspec.json.decode(answer.body, type=dict[str, str]).get("id")
    except msgspec.DecodeError:
        return None


def _is_this_machine(gateway: Gateway) -> bool:
    try:
        found = socket.getaddrinfo(gateway.host, gateway.port, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return all(ipaddress.ip_address(address[0]).is_loopback for *_, address in found)


def _show(tally: Tally, cancel: Cancel | None, *, as_json: bool) -> None:
    if as_json:
        typer.echo(_as_json(tally, cancel))
        return
    most = max(tally.answers.values())
    for status, count in sorted(tally.answers.items()):
        bar = "█" * max(1, count * _BAR_WIDTH // most)
        why = ", ".join(f"{code} {n}" for (of, code), n in tally.reasons.most_common() if of == status)
        label = "no answer" if status == _NO_ANSWER else str(status)
        say(f"{label} {count:>{len(str(most))}} {paint(bar, _colour(status))}" + (f"   {why}" if why else ""))
    say("; ".join(_findings(tally, cancel)))
    if cancel is not None:
        say("next: guard curl GET /v1/orders    (what the flood left open)")


def _colour(status: int) -> str:
    return "green" if 200 <= status < 300 else "yellow" if status == _TOO_MANY else "red"  # noqa: PLR2004


def _findings(tally: Tally, cancel: Cancel | None) -> list[str]:
    findings = ["no 429"]
    if tally.first_429_after is not None:
        findings = [f"first 429 after {tally.first_429_after} requests"]
    if tally.retry_after is not None:
        findings.append(f"Retry-After {tally.retry_after}")
    if cancel is not None:
        when = "during" if cancel.during else "after"
        own = " (cancels have their own bucket)" if cancel.during and cancel.status != _TOO_MANY else ""
        findings.append(f"DELETE {cancel.target} {when} the flood → {cancel.status}{own}")
    return findings


def _as_json(tally: Tally, cancel: Cancel | None) -> str:
    return json.dumps(
        {
            "answers": {str(status): count for status, count in sorted(tally.answers.items())},
            "reasons": {code: count for (_, code), count in sorted(tally.reasons.items())},
            "first_429_after": tally.first_429_after,
            "retry_after": tally.retry_after,
            "cancel": None if cancel is None else msgspec.structs.asdict(cancel),
        }
    )
