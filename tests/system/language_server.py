"""yaml-language-server as an editor talks to it: JSON-RPC over its standard input and output.

`make test` installs it into `.venv/editor`. It reads no schema from the network.
"""

import json
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue
from typing import IO, Any

ROOT = Path(__file__).parents[2]
_SERVER = ROOT / ".venv/editor/node_modules/yaml-language-server/bin/yaml-language-server"
_SETTINGS = {
    "yaml": {"validate": True, "completion": True, "hover": True, "schemaStore": {"enable": False}, "schemas": {}}
}
_ANSWER_S = 20
_CAPABILITIES = {
    "textDocument": {
        "completion": {
            "completionItem": {"snippetSupport": True, "documentationFormat": ["markdown", "plaintext"]},
        },
        "hover": {"contentFormat": ["markdown"]},
        "publishDiagnostics": {},
    },
    "workspace": {"configuration": True},
}

Message = dict[str, Any]


class LanguageServer:
    """One server, for one folder. Nothing that it does waits for longer than 20 s."""

    def __init__(self, folder: Path) -> None:
        assert _SERVER.exists(), "no yaml-language-server: `make test` installs it"
        self._folder = folder
        self._process = subprocess.Popen(  # noqa: S603  # what make has installed
            ["node", str(_SERVER), "--stdio"],  # noqa: S607  # from PATH, as an editor does
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), "HTTPS_PROXY": "http://127.0.0.1:1"},
        )
        self._inbox: Queue[Message] = Queue()
        self._id = 0
        threading.Thread(target=self._read, daemon=True).start()
        self._ask("initialize", processId=None, rootUri=folder.as_uri(), capabilities=_CAPABILITIES)
        self._tell("initialized")
        self._tell("workspace/didChangeConfiguration", settings=_SETTINGS)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            _open(pipe).close()

    def diagnostics(self, name: str) -> list[Message]:
        """What is said of a file of the folder, once it is opened."""
        uri = self._open(name)
        told = self._await(
            lambda one: one.get("method") == "textDocument/publishDiagnostics" and one["params"]["uri"] == uri
        )
        found: list[Message] = told["params"]["diagnostics"]
        return found

    def completions(self, name: str, line: int, column: int) -> list[Message]:
        """What is offered at a place (both count from 0) of a file that is opened for it."""
        answer = self._at("textDocument/completion", name, line, column)
        items: list[Message] = answer["items"] if isinstance(answer, dict) else answer
        return items

    def hover(self, name: str, line: int, column: int) -> str:
        """What is shown over a place."""
        return str(self._at("textDocument/hover", name, line, column)["contents"]["value"])

    def _at(self, method: str, name: str, line: int, column: int) -> Any:
        uri = self._open(name)
        return self._ask(method, textDocument={"uri": uri}, position={"line": line, "character": column})

    def _open(self, name: str) -> str:
        path = self._folder / name
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": path.read_text()}
        self._tell("textDocument/didOpen", textDocument=document)
        return path.as_uri()

    def _ask(self, method: str, **params: Any) -> Any:
        self._id += 1
        number = self._id
        self._send({"id": number, "method": method, "params": params})
        answer = self._await(lambda one: one.get("id") == number and "method" not in one)
        assert "error" not in answer, answer
        return answer["result"]

    def _tell(self, method: str, **params: Any) -> None:
        self._send({"method": method, "params": params})

    def _await(self, wanted: Callable[[Message], bool]) -> Message:
        while True:
            message = self._inbox.get(timeout=_ANSWER_S)
            if wanted(message):
                return message
            if message.get("method") == "workspace/configuration":
                asked = [_SETTINGS.get(item["section"]) for item in message["params"]["items"]]
                self._send({"id": message["id"], "result": asked})
            elif "id" in message and "method" in message:
                self._send({"id": message["id"], "result": None})

    def _send(self, message: Message) -> None:
        content = json.dumps({"jsonrpc": "2.0", **message}).encode()
        pipe = _open(self._process.stdin)
        pipe.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        pipe.flush()

    def _read(self) -> None:
        pipe = _open(self._process.stdout)
        while True:
            length = 0
            while header := pipe.readline().strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            if not length:
                return
            self._inbox.put(json.loads(pipe.read(length)))


def _open(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
