"""The backend behind the gateways: nginx with one short answer, or where there is no nginx, the same in Python."""

import argparse
import asyncio
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httptools
import uvloop

from loadtests.bench.gateway import free_port, listens, stop, wait_until

ANSWER = b'{"orderId":12345,"status":"NEW","symbol":"BTCUSDT","price":"50000.00"}'
_RESPONSE = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(ANSWER), ANSWER)
_START_S = 10.0
_NGINX = """worker_processes 1; daemon off; pid {run}/pid; error_log {run}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 10000000; default_type application/json;
  client_body_temp_path {run}/1; proxy_temp_path {run}/2; fastcgi_temp_path {run}/3;
  uwsgi_temp_path {run}/4; scgi_temp_path {run}/5;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 '{answer}'; }} }}
}}
"""


@contextmanager
def backend(port: int | None = None) -> Iterator[str]:
    """Its URL, for the time of the block."""
    port = port or free_port()
    with tempfile.TemporaryDirectory(prefix="bench-backend-") as directory:
        process = subprocess.Popen(_command(Path(directory), port), stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: listens(port), _START_S)
            yield f"http://127.0.0.1:{port}"
        finally:
            stop(process)


def _command(run: Path, port: int) -> list[str]:
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/sbin:/bin")
    if nginx is None:
        return [sys.executable, "-m", "loadtests.bench.backend", str(port)]
    run.chmod(0o755)
    (run / "conf").write_text(_NGINX.format(run=run, port=port, answer=ANSWER.decode()))
    return [nginx, "-c", str(run / "conf")]


class _Answering(asyncio.Protocol):
    """Answers every message in the same way."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._parser = httptools.HttpRequestParser(self)

    def data_received(self, content: bytes) -> None:
        self._parser.feed_data(content)

    def on_message_complete(self) -> None:
        self._transport.write(_RESPONSE)  # type: ignore[attr-defined]  # a stream's transport


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Answering, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("port", type=int)
    uvloop.run(_serve(arguments.parse_args().port))
