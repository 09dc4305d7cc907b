"""Other policies each second, under load: nobody is refused, and no request is judged by half of two policies.

Each version marks itself in three ways that come from three places: the name of its limit in the answer's RateLimit
fields (judged), the backend that answered (forwarded), and the digest with the limit in the decision log (concluded).
A request of which two of them tell different versions was judged by halves. Some bodies come late, across a swap.
"""

import json
import os
import signal
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import msgspec

from guard.service.policies import Rulebook, read_rulebook
from tests.soak.verdict import Check, Say, Verdict, at_least, none
from tests.system.gateway import RunningGateway, running_gateway, running_peer
from tests.system.key_holder import minted, signed
from tests.system.raw_http import Connection, Response
from tests.system.recording_backend import RecordingBackend, answer, answering, recording_backend

NAME = "policy_swaps"

_PATH = "/v1/orders"
_VERSIONS = ("a", "b")
_LATE_S = 0.3
_LATE_EVERY = 20
_POLICY = """\
version: 1
service: swapped
upstream: {{url: "{url}"}}
limits:
  only-{version}: {{per: [key], rate: 100000/s, burst: 100000}}
routes:
  GET {path}: {{scope: read}}
  POST {path}: {{scope: trade}}
"""


class Size(msgspec.Struct, frozen=True):
    """How long, how often, and by how many clients of each node at once."""

    lasts_s: float
    every_s: float
    clients: int


FULL = Size(lasts_s=120, every_s=1, clients=8)
SMALL = Size(lasts_s=5, every_s=0.5, clients=4)


PATIENT = {"GUARD_KEYS_ON_STALE": "serve 30s"}
"""For machines that other tests or nodes keep so busy that a key database may be polled late."""


class Versions:
    """The two versions, and the directory in which one of them is at a time."""

    def __init__(self, folder: Path, backends: dict[str, RecordingBackend]) -> None:
        self.folder = folder
        self.texts = {v: _POLICY.format(url=backends[v].url, version=v, path=_PATH) for v in _VERSIONS}
        self.digests: dict[str, str] = {}
        for version in _VERSIONS:
            self.put(version)
            found = read_rulebook(folder)
            assert isinstance(found, Rulebook), found
            self.digests[found.policies.services[0].digest] = version

    def put(self, version: str) -> None:
        """Whole or not at all, as whoever edits files that are being read should."""
        draft = self.folder / ".draft"
        draft.write_text(self.texts[version])
        draft.rename(self.folder / "swapped.yaml")


class Client:
    """One keep-alive connection, asked again and again. `seen` counts what each answer said of itself."""

    def __init__(self, gateway: RunningGateway, number: int, until_s: float) -> None:
        self.seen: Counter[str] = Counter()
        self.versions: dict[str, str] = {}
        self._gateway = gateway
        self._key = gateway.keys[f"client{number}"]
        self._until_s = until_s
        self.thread = threading.Thread(target=self._ask, name=f"client {number}")

    def _ask(self) -> None:
        while time.monotonic() < self._until_s:
            try:
                self._ask_on()
            except OSError:
                self.seen["connection lost"] += 1

    def _ask_on(self) -> None:
        """On one connection, as long as it lasts."""
        with Connection(self._gateway.port) as connection:
            count = 0
            while time.monotonic() < self._until_s:
                count += 1
                method, body = ("POST", b'{"qty":1}') if count % 2 else ("GET", b"")
                content = signed(self._key, method, _PATH, body)
                late = bool(body) and count % _LATE_EVERY == 1
                connection.send(content[:-4] if late else content)
                if late:
                    time.sleep(_LATE_S)
                    connection.send(content[-4:])
                self._note(connection.response())

    def _note(self, response: Response) -> None:
        if response.status != 200:
            self.seen[f"{response.status} {response.value(b'guard-reason')!r}"] += 1
            return
        judged = {v for v in _VERSIONS if b'"only-%b"' % v.encode() in (response.value(b"ratelimit-policy") or b"")}
        [version] = judged or {"none"}
        self.seen[f"judged {version}, answered {response.body.decode()}"] += 1
        self.versions[(response.value(b"guard-request-id") or b"").decode()] = version


def run(size: Size, say: Say) -> Verdict:
    """In one process, with state in memory; at full size with the settings that everybody has."""
    return Verdict(NAME, swapped(size, say, nodes=1, environment={} if size is FULL else PATIENT))


def swapped(size: Size, say: Say, *, nodes: int, environment: dict[str, str]) -> tuple[Check, ...]:
    """Swap until the time is over, and compare what all answers and the decision logs say."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="guard-swaps-")))
        backends = {version: stack.enter_context(recording_backend()) for version in _VERSIONS}
        for version, backend in backends.items():
            stack.enter_context(backend.script(_PATH, answering(answer(version.encode()))))
        (folder / "policies").mkdir()
        versions = Versions(folder / "policies", backends)
        keys = {f"client{number}": minted() for number in range(size.clients)}
        first = stack.enter_context(
            running_gateway(
                folder / "home",
                backends["a"],
                keys,
                policies=folder / "policies",
                environment={"GUARD_POLICIES_WATCH_MS": "0", **environment},
            )
        )
        peers = [stack.enter_context(running_peer(first, folder / f"home{number}")) for number in range(1, nodes)]
        gateways = (first, *peers)
        until_s = time.monotonic() + size.lasts_s
        clients = [Client(gateway, number, until_s) for gateway in gateways for number in range(size.clients)]
        for client in clients:
            client.thread.start()
        swaps = _swap(gateways, versions, size.every_s, until_s, say)
        for client in clients:
            client.thread.join()
        for gateway in gateways:
            gateway.stop()
        return _checks(size, gateways, versions, clients, swaps)


def _swap(gateways: tuple[RunningGateway, ...], versions: Versions, every_s: float, until_s: float, say: Say) -> int:
    swaps = 0
    while time.monotonic() + every_s < until_s:
        time.sleep(every_s)
        versions.put(_VERSIONS[swaps % 2])
        for gateway in gateways:
            os.kill(gateway.pid, signal.SIGHUP)
        swaps += 1
        if swaps % 10 == 0:
            say(f"{swaps} swaps")
    return swaps


def _checks(
    size: Size, gateways: tuple[RunningGateway, ...], versions: Versions, clients: list[Client], swaps: int
) -> tuple[Check, ...]:
    seen: Counter[str] = sum((client.seen for client in clients), Counter())
    whole = {f"judged {version}, answered {version}" for version in _VERSIONS}
    judged = {request: version for client in clients for request, version in client.versions.items()}
    logs = [gateway.decision_log for gateway in gateways]
    told = "".join(gateway.stderr for gateway in gateways)
    return (
        _unanswered(seen),
        none(
            "requests judged by one version and answered by the backend of another",
            sum(n for what, n in seen.items() if what.startswith("judged") and what not in whole),
        ),
        none("requests of which the decision log tells another version", _torn(logs, versions, judged)),
        none("reloads refused", told.count("policy.refused")),
        at_least("reloads that were swaps", told.count('"outcome": "swapped"'), len(gateways) * (swaps - 1)),
        *(at_least(f"requests judged by version {v}", seen[f"judged {v}, answered {v}"], 10) for v in _VERSIONS),
        at_least("requests a second", round(seen.total() / size.lasts_s), 100, timed=True),
    )


def _unanswered(seen: Counter[str]) -> Check:
    """With what they were answered instead."""
    others = {what: count for what, count in seen.items() if not what.startswith("judged")}
    return Check("requests that were not answered 200: 0", str(others or 0), not others)


def _torn(logs: list[Path], versions: Versions, judged: dict[str, str]) -> int:
    """Lines whose digest, limit and answer do not tell one version; and answers that have no line."""
    torn, left = 0, dict(judged)
    for log in logs:
        for line in map(json.loads, log.read_text().splitlines()):
            version = versions.digests.get(line["policy"])
            told = left.pop(line["id"], None)
            whole = version == told and f"only-{version}" in (line["buckets"] or ())
            torn += told is not None and not whole  # what was refused is counted elsewhere
    return torn + len(left)
