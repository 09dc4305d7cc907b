"""Who is at the other end of a connection."""

import asyncio
from typing import Any

import pytest

from guard.server.peer import Names, client_name, peer_of


class _Wire(asyncio.Transport):
    def __init__(self, **told: Any) -> None:
        super().__init__(told)


@pytest.mark.parametrize(
    ("name", "client"),
    [
        (("192.0.2.1", 5), ("192.0.2.1", 5)),
        (("::ffff:192.0.2.1", 5, 0, 0), ("192.0.2.1", 5)),
        (("2001:DB8:0::1", 5, 0, 0), ("2001:db8::1", 5)),
        (("fe80::1%eth0", 5, 0, 2), ("fe80::1", 5)),
        ("", ("127.0.0.1", 0)),
        (None, None),
    ],
)
def test_an_address_is_canonical_and_a_unix_client_is_local(name: Any, client: Any) -> None:
    assert client_name(name) == client


def test_the_socket_names_both_ends() -> None:
    peer = peer_of(_Wire(peername=("192.0.2.1", 5), sockname=("192.0.2.9", 80)), None, None)
    assert (peer.client, peer.server) == (("192.0.2.1", 5), ("192.0.2.9", 80))
    assert (peer.tls, peer.certificate, peer.subject) == (None, None, None)
    unix = peer_of(_Wire(peername="", sockname="/run/a.sock"), None, None)
    assert (unix.client, unix.server) == (("127.0.0.1", 0), ("/run/a.sock", None))
    gone = peer_of(_Wire(), None, None)
    assert (gone.client, gone.server) == (None, None)


def test_a_trusted_proxy_names_them_instead() -> None:
    names = Names(("192.0.2.7", 7), ("192.0.2.8", 443))
    peer = peer_of(_Wire(peername=("192.0.2.1", 5), sockname=("192.0.2.9", 80)), names, None)
    assert (peer.client, peer.server) == (("192.0.2.7", 7), ("192.0.2.8", 443))
