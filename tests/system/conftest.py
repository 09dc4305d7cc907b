"""One gateway and one backend for all system tests that do not need their own."""

from base64 import b64encode
from collections.abc import Iterator

import pytest
from nacl.signing import SigningKey

from guard.model.keys import KeyAlgorithm
from tests.system.gateway import RunningGateway, running_gateway
from tests.system.key_holder import Key, minted
from tests.system.recording_backend import RecordingBackend, recording_backend

_SEED = bytes(range(32))

KEYS = {
    "reader": minted("reader", scopes=("read",)),
    "rival": minted("rival", account="rival"),
    "nowhere": minted("nowhere", networks=("192.0.2.0/24",)),
    "ed25519": Key(
        id="ed25519_1",
        secret=_SEED,
        algorithm=KeyAlgorithm.ED25519,
        public_key=b64encode(bytes(SigningKey(_SEED).verify_key)).decode(),
    ),
    "bare": minted("bare", algorithm=KeyAlgorithm.API_KEY, scopes=("read",)),
    "binance": minted("binance"),
}


@pytest.fixture(scope="session")
def backend() -> Iterator[RecordingBackend]:
    with recording_backend() as serving:
        yield serving


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, backend: RecordingBackend) -> Iterator[RunningGateway]:
    """Serves `policies/`, also while a busy machine polls the key database late. Whatever the tests do to it: no
    traceback, and it stops in order.
    """
    patient = {"GUARD_KEYS_ON_STALE": "serve 5s"}
    with running_gateway(tmp_path_factory.mktemp("home"), backend, KEYS, environment=patient) as running:
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.stderr
        assert "gateway.error" not in running.stderr
