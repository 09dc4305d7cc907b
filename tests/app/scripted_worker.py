"""A worker that follows a script instead of serving: `python scripted_worker.py SCRIPT LINK`.

SCRIPT is a list of steps in JSON, run one after another. It imports little, since tests start many of it.
"""

import os
import signal
import socket
import sys
import time
from typing import Any

import msgspec


def _frame(message: object) -> bytes:
    content = msgspec.msgpack.encode(message)
    return len(content).to_bytes(4, "big") + content


def report(*waiting_for: str, served: int = 0) -> bytes:
    """A Report, with so many counted."""
    return _frame(["Report", list(waiting_for), [{("served",): served}, {}, {}]])


def _said(step: str, words: list[str]) -> bytes:
    match step:
        case "degraded":
            return _frame(["Report", [], [{}, {}, {}], words])
        case "runs":
            return _frame(["Report", [], [{}, {}, {}], [], words[0]])
        case "refuse":
            return _frame(["Refusal", words[0]])
        case _:
            return b"\0\0\0\1\xc1"


def _heard(link: socket.socket) -> list[Any]:
    length = int.from_bytes(link.recv(4, socket.MSG_WAITALL), "big")
    return msgspec.msgpack.decode(link.recv(length, socket.MSG_WAITALL), type=list)


def main(script: str, link: socket.socket) -> None:
    """See the module."""
    place = -1
    for step, *words in msgspec.json.decode(script):
        match step:
            case "hear":
                kind, *rest = _heard(link)
                assert kind == words[0], kind
                assert words[1:] in ([], [str(rest[0], "ascii")] if words[1:] else []), rest
                place = rest[1] if kind == "Task" else place
            case "report":
                link.sendall(report(*words[1:], served=words[0]))
            case "degraded" | "refuse" | "runs" | "babble":
                link.sendall(_said(step, words))
            case "die" if place in (words or [place]):
                os.kill(os.getpid(), signal.SIGKILL)
            case "hang":
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
                time.sleep(60)
            case "close":
                link.close()
            case "exit":
                sys.exit(words[0])


if __name__ == "__main__":
    main(sys.argv[1], socket.socket(fileno=int(sys.argv[2])))
