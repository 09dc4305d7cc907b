"""The PROXY protocol, version 2: the addresses of a trusted proxy's client, and nothing that is not one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.wire.proxy_protocol import (
    HEADER_BYTES_MAX,
    PREFIX_BYTES,
    Fault,
    Local,
    Proxied,
    Source,
    bytes_behind,
    source,
)

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
V4 = bytes([192, 0, 2, 1, 198, 51, 100, 2]) + (49153).to_bytes(2, "big") + (443).to_bytes(2, "big")
V6 = bytes.fromhex("20010db800000000000000000000000120010db8000000000000000000000002c00101bb")
MAPPED = bytes.fromhex("00000000000000000000ffffc000020100000000000000000000ffffc6336402c00101bb")


def _header(command: int, family: int, rest: bytes) -> bytes:
    return SIGNATURE + bytes([command, family]) + len(rest).to_bytes(2, "big") + rest


def _read(header: bytes) -> Source | Fault:
    prefix, rest = header[:PREFIX_BYTES], header[PREFIX_BYTES:]
    count = bytes_behind(prefix)
    if isinstance(count, Fault):
        return count
    assert count == len(rest)
    return source(prefix, rest)


def test_tcp_over_ipv4_and_ipv6_name_both_ends() -> None:
    v4 = Proxied(("192.0.2.1", 49153), ("198.51.100.2", 443))  # type: ignore[arg-type]
    assert _read(_header(0x21, 0x11, V4)) == v4
    assert _read(_header(0x21, 0x21, MAPPED)) == v4
    assert _read(_header(0x21, 0x21, V6)) == Proxied(("2001:db8::1", 49153), ("2001:db8::2", 443))  # type: ignore[arg-type]


def test_type_length_values_are_passed_over() -> None:
    values = bytes.fromhex("04 0000 02 0003 616263 ea 0001 ff".replace(" ", ""))
    assert isinstance(_read(_header(0x21, 0x11, V4 + values)), Proxied)


@pytest.mark.parametrize("rest", [b"", V4, b"anything"])
@pytest.mark.parametrize("family", [0x00, 0x11, 0xFF])
def test_a_proxy_may_speak_for_itself(rest: bytes, family: int) -> None:
    assert _read(_header(0x20, family, rest)) == Local()


@pytest.mark.parametrize(
    ("header", "says"),
    [
        (b"GET / HTTP/1.1\r\n", "no PROXY protocol header"),
        (b"PROXY TCP4 192.0.2.1", "no PROXY protocol header"),
        (SIGNATURE[:-1] + b"\r\x21\x11\0\0", "no PROXY protocol header"),
        (_header(0x11, 0x11, V4), "another version"),
        (_header(0x22, 0x11, V4), "another version or command"),
        (_header(0x21, 0x00, V4), "another family"),
        (_header(0x21, 0x12, V4), "another family"),
        (_header(0x21, 0x31, b"x" * 216), "another family"),
        (_header(0x21, 0x11, b""), "cut short"),
        (_header(0x21, 0x11, V4[:-1]), "cut short"),
        (_header(0x21, 0x21, V4), "cut short"),
        (_header(0x21, 0x11, V4 + b"\x04"), "type-length-value"),
        (_header(0x21, 0x11, V4 + b"\x04\x00"), "type-length-value"),
        (_header(0x21, 0x11, V4 + b"\x04\x00\x02a"), "type-length-value"),
        (_header(0x21, 0x11, V4 + b"\x04\xff\xffa"), "type-length-value"),
        (_header(0x20, 0x11, b"x" * (HEADER_BYTES_MAX - PREFIX_BYTES + 1)), "more than 536 bytes"),
    ],
)
def test_everything_else_is_a_fault(header: bytes, says: str) -> None:
    fault = _read(header if len(header) >= PREFIX_BYTES else header.ljust(PREFIX_BYTES))
    assert isinstance(fault, Fault)
    assert says in fault.detail


def test_the_largest_header_is_taken() -> None:
    size = HEADER_BYTES_MAX - PREFIX_BYTES - len(V4) - 3
    header = _header(0x21, 0x11, V4 + b"\x04" + size.to_bytes(2, "big") + b"\0" * size)
    assert len(header) == 536
    assert isinstance(_read(header), Proxied)


@given(
    command=st.sampled_from([0x20, 0x21, 0x11]), family=st.sampled_from([0, 0x11, 0x21]), rest=st.binary(max_size=80)
)
def test_any_bytes_are_a_source_or_a_fault(command: int, family: int, rest: bytes) -> None:
    read = _read(_header(command, family, rest))
    if isinstance(read, Proxied):
        assert command == 0x21
        assert len(rest) >= {0x11: 12, 0x21: 36}[family]


@given(prefix=st.binary(min_size=PREFIX_BYTES, max_size=PREFIX_BYTES))
def test_any_beginning_without_the_signature_is_a_fault(prefix: bytes) -> None:
    assert isinstance(bytes_behind(prefix), Fault) != prefix.startswith(SIGNATURE)
