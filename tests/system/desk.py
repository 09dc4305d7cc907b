"""An administrator before the admin API of a real `guard serve`."""

import json
from typing import Any

import msgspec

from tests.system.gateway import RunningGateway
from tests.system.raw_http import Response, ask, message


class Desk(msgspec.Struct, frozen=True):
    """A gateway, the port of its admin API, and whose token is shown there."""

    gateway: RunningGateway
    port: int
    token: str

    def ask(self, method: str, target: str, body: object = None, *, token: str | None = None) -> Response:
        """One call."""
        content = b"" if body is None else json.dumps(body).encode()
        fields = [(b"Host", b"127.0.0.1"), (b"Authorization", f"Bearer {token or self.token}".encode())]
        if body is not None:
            fields.append((b"Content-Type", b"application/json"))
        return ask(self.port, message(method, target, fields, content))

    def told(self, method: str, target: str, body: object = None) -> Any:
        """What a call that succeeds is told."""
        response = self.ask(method, target, body)
        assert response.status in (200, 201), response.body
        return json.loads(response.body)
