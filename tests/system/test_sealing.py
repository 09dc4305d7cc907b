"""The key that seals secrets is replaced, and the trail of it verified, beside a running server."""

import json
import threading
from pathlib import Path

import pytest

from guard.model.keys import KeyAlgorithm
from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import Key, minted, signed
from tests.system.raw_http import Connection, message
from tests.system.recording_backend import RecordingBackend

pytestmark = [pytest.mark.system, pytest.mark.alone]


class Traffic(threading.Thread):
    """Signed requests one after another, on one connection, until stopped; what was not answered 200."""

    def __init__(self, gateway: RunningGateway, key: Key) -> None:
        super().__init__()
        self.refused: list[int] = []
        self.answered = 0
        self._gateway = gateway
        self._key = key
        self._stopped = threading.Event()

    def run(self) -> None:
        with Connection(self._gateway.port) as connection:
            while not self._stopped.wait(0.005):
                status = connection.ask(signed(self._key, "GET", "/v1/canary")).status
                self.answered += 1
                if status != 200:
                    self.refused.append(status)

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def test_a_gateway_serves_on_while_every_secret_is_sealed_anew(tmp_path: Path, backend: RecordingBackend) -> None:
    bare = minted("bare", algorithm=KeyAlgorithm.API_KEY)
    with running_gateway(tmp_path / "home", backend, {"bare": bare}) as gateway:
        gateway.import_keys(*(minted("many") for _ in range(2000)))
        traffic = Traffic(gateway, gateway.keys["trader"])
        traffic.start()
        resealed = json.loads(gateway.guard("keys", "reseal", "--json"))
        gateway.wait_until_followed()  # a key that was sealed under the new key
        retired = json.loads(gateway.guard("keys", "reseal", "--retire-old", "--json"))
        gateway.guard("keys", "suspend", gateway.keys["canary"].id)
        gateway.guard("keys", "resume", gateway.keys["canary"].id)
        gateway.wait_until_followed()
        traffic.stop()
        gateway.assert_alive()
        assert (resealed["resealed"], len(retired["retired"])) == (2003, 1)
        assert traffic.answered > 50
        assert traffic.refused == []
        assert gateway.stop() == 0
        verdict = json.loads(gateway.guard("audit", "verify", "--json"))
        assert verdict["whole"]
        assert verdict["signed_records"] == verdict["records"] > 2003, "the end was signed when the gateway stopped"
        gateway.start()
        gateway.assert_alive()
        credential = [(b"Host", b"other.test"), (b"X-API-Key", bare.credential)]
        assert gateway.ask(message("GET", "/v1/prices", credential)).status == 200
