import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.facts import Field
from guard.model.names import Address
from guard.model.policy import ClientAddressPolicy
from guard.wire.client_address import (
    canonical,
    client_address,
    in_networks,
    network_of,
    place_of,
    span,
    subject,
    widening,
)
from tests.build import rule

PROXY = Address("10.0.0.1")


def policy(*trust: str, field: bytes = b"x-forwarded-for") -> ClientAddressPolicy:
    return ClientAddressPolicy(rule=rule("client_ip"), trust=trust or ("10.0.0.0/8", "2001:db8:f::/48"), field=field)


def behind_proxy(*values: bytes, field: bytes = b"x-forwarded-for") -> str:
    return client_address(PROXY, [(field, value) for value in values], policy(field=field))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
        ("::FFFF:0102:0304", "1.2.3.4"),
        ("2001:DB8:0:0:0:0:0:1", "2001:db8::1"),
        ("::1", "::1"),
        ("::1.2.3.4", "::102:304"),
        ("0000:0000:0000:0000:0000:ffff:255.255.255.255", "255.255.255.255"),
    ],
)
def test_an_address_has_one_text(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "fe80::1%eth0",
        "::1%",
        "1.2.3",
        "01.2.3.4",
        "1.2.3.4 ",
        "0x7f.1",
        "1.2.3.4:80",
        "[::1]",
        "localhost",
        "１.2.3.4",
        "1.2.3.4\x00",
        "2001:db8::1::",
        "1" * 10_000,
    ],
)
def test_what_is_no_plain_address_is_none(text: str) -> None:
    assert canonical(text) is None


@given(st.text(max_size=50))
def test_canonical_text_is_its_own_canonical_text(text: str) -> None:
    address = canonical(text)
    assert address is None or canonical(address) == address


@given(st.ip_addresses().map(str))
def test_every_address_has_a_canonical_text_and_a_subject(text: str) -> None:
    address = canonical(text)
    if "%" not in text:
        assert address is not None
        assert subject(address, 64)
        assert in_networks(address, (address,))


SPOOFED: list[Field] = [
    (b"x-forwarded-for", b"203.0.113.9"),
    (b"x-real-ip", b"203.0.113.9"),
    (b"forwarded", b"for=203.0.113.9"),
    (b"cf-connecting-ip", b"203.0.113.9"),
    (b"true-client-ip", b"203.0.113.9"),
]


@pytest.mark.parametrize("field", [name for name, _ in SPOOFED])
def test_what_an_untrusted_peer_says_of_addresses_has_no_effect(field: bytes) -> None:
    peer = Address("198.51.100.7")
    assert client_address(peer, SPOOFED, policy(field=field)) == peer


def test_without_trusted_proxies_the_peer_is_the_client() -> None:
    nobody = ClientAddressPolicy(rule=rule("client_ip"))
    assert client_address(PROXY, SPOOFED, nobody) == PROXY


def test_a_trusted_proxy_is_heard_in_the_policys_field_only() -> None:
    others = [(name, value) for name, value in SPOOFED if name != b"x-forwarded-for"]
    assert client_address(PROXY, [(b"x-forwarded-for", b"192.0.2.1"), *others], policy()) == "192.0.2.1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((b"192.0.2.1",), "192.0.2.1"),
        ((b"198.51.100.66, 192.0.2.1",), "192.0.2.1"),
        ((b"198.51.100.66, 192.0.2.1, 10.2.2.2",), "192.0.2.1"),
        ((b"198.51.100.66", b"192.0.2.1 ,\t10.2.2.2"), "192.0.2.1"),
        ((b"192.0.2.1, ::ffff:10.2.2.2",), "192.0.2.1"),
        ((b"192.0.2.1:4711, 10.2.2.2:80",), "192.0.2.1"),
        ((b"[2001:DB8::1]:4711",), "2001:db8::1"),
        ((b"[2001:DB8::1]",), "2001:db8::1"),
        ((b"2001:db8::1, 2001:db8:f::2",), "2001:db8::1"),
        ((b"10.3.3.3, 10.2.2.2",), "10.3.3.3"),
        ((), "10.0.0.1"),
    ],
)
def test_the_client_is_the_right_most_address_that_no_trusted_proxy_has(
    values: tuple[bytes, ...], expected: str
) -> None:
    assert behind_proxy(*values) == expected


@pytest.mark.parametrize(
    "hop",
    [
        b"",
        b"unknown",
        b"fe80::1%eth0",
        b"1.2.3.4.5",
        b"1.2.3.4:",
        b"1.2.3.4:123456",
        b"[1.2.3.4]",
        b"[::1",
        b"\xff",
        b"a b",
    ],
)
def test_a_hop_that_is_no_address_counts_the_trusted_proxy_that_wrote_it(hop: bytes) -> None:
    assert behind_proxy(b"192.0.2.1, " + hop + b", 10.2.2.2") == "10.2.2.2"
    assert behind_proxy(b"192.0.2.1, " + hop) == "10.0.0.1"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((b"for=192.0.2.1",), "192.0.2.1"),
        ((b"For=192.0.2.1;proto=https;by=10.0.0.1",), "192.0.2.1"),
        ((b'for="192.0.2.1:4711"',), "192.0.2.1"),
        ((b'for="[2001:DB8:cafe::17]:4711"',), "2001:db8:cafe::17"),
        ((b'proto=http;for="[2001:db8::1]"',), "2001:db8::1"),
        ((b"for=198.51.100.66, for=192.0.2.1, for=10.2.2.2",), "192.0.2.1"),
        ((b"for=198.51.100.66", b"for=192.0.2.1"), "192.0.2.1"),
        ((b'for=192.0.2.1, for=10.2.2.2;host="a,b;for=198.51.100.66"',), "192.0.2.1"),
        ((b'for="192.0.2\\.1"',), "192.0.2.1"),
        ((b"for=192.0.2.1;",), "192.0.2.1"),
        ((), "10.0.0.1"),
    ],
)
def test_forwarded_is_read_after_rfc_7239(values: tuple[bytes, ...], expected: str) -> None:
    assert behind_proxy(*values, field=b"forwarded") == expected


@pytest.mark.parametrize(
    "element",
    [
        b"for=unknown",
        b"for=_hidden",
        b"proto=http",
        b"for=2001:db8::1",
        b"for=1.2.3.4;for=1.2.3.5",
        b"for =1.2.3.4",
        b"",
        b"for=1.2.3.4 ;proto=http",
        b"for=",
        b'for=""',
        b"1.2.3.4",
        b"for=1.2.3.4;;",
        b"for=1.2.3.4 proto=http",
    ],
)
def test_an_element_without_one_address_counts_the_trusted_proxy_that_wrote_it(element: bytes) -> None:
    trusted = b"for=192.0.2.1, " + element + b", for=10.2.2.2"
    assert behind_proxy(trusted, field=b"forwarded") == "10.2.2.2"
    assert behind_proxy(b"for=192.0.2.1," + element, field=b"forwarded") == "10.0.0.1"


@pytest.mark.parametrize(
    "value", [b'for=192.0.2.1, for="10.2.2.2', b'for=192.0.2.1"', b'for=192.0.2.1, "\\', b'by="a, for=192.0.2.1']
)
def test_an_open_quote_leaves_only_the_peer(value: bytes) -> None:
    assert behind_proxy(value, field=b"forwarded") == "10.0.0.1"


def test_a_field_of_one_address_is_a_list_of_one() -> None:
    assert behind_proxy(b"192.0.2.1", field=b"x-real-ip") == "192.0.2.1"


def test_no_more_than_64_hops_are_walked() -> None:
    hops = [b"192.0.2.1"] + [b"10.1.0.%d" % hop for hop in range(64)]
    assert behind_proxy(b",".join(hops)) == "10.1.0.0"
    assert behind_proxy(b",".join(hops[:64])) == "192.0.2.1"
    elements = b",".join(b"for=" + hop for hop in hops)
    assert behind_proxy(elements, field=b"forwarded") == "10.1.0.0"


@given(st.binary(max_size=80), st.sampled_from([b"forwarded", b"x-forwarded-for"]))
def test_whatever_a_proxy_sends_the_client_is_a_canonical_address(value: bytes, field: bytes) -> None:
    client = behind_proxy(value, field=field)
    assert canonical(client) == client


def test_ipv4_mapped_networks_and_addresses_are_ipv4() -> None:
    assert in_networks(Address("1.2.3.4"), ("::ffff:1.2.3.0/120",))
    assert not in_networks(Address("1.2.4.4"), ("::ffff:1.2.3.0/120",))
    assert in_networks(Address("1.2.3.4"), ("::ffff:0:0/96",))
    assert not in_networks(Address("1.2.3.4"), ("::/0", "::ffff:0:0/90"))
    assert in_networks(Address("2001:db8::1"), ("2001:db8::1",))


@pytest.mark.parametrize(
    ("address", "expected"),
    [("10.1.2.3", True), ("192.168.7.7", True), ("192.168.8.1", False), ("2001:db8::5", True), ("::a01:203", False)],
)
def test_in_networks_compares_addresses_of_one_family(address: str, *, expected: bool) -> None:
    assert in_networks(Address(address), ("10.0.0.0/8", "192.168.7.0/24", "2001:db8::/64", "10.1.0.0/16")) is expected


def test_the_network_of_everything_contains_its_own_family() -> None:
    assert in_networks(Address("255.255.255.255"), ("0.0.0.0/0",))
    assert not in_networks(Address("::1"), ("0.0.0.0/0",))
    assert in_networks(Address("::1"), ("::/0",))


def test_no_networks_contain_nothing() -> None:
    assert not in_networks(Address("10.0.0.1"), ())


def test_a_network_that_is_none_is_an_error() -> None:
    with pytest.raises(ValueError, match="appear to be"):
        in_networks(Address("10.0.0.1"), ("ten/8",))


def test_ipv6_subjects_are_networks_and_ipv4_subjects_addresses() -> None:
    assert subject(Address("192.0.2.1"), 64) == "192.0.2.1"
    assert subject(Address("2001:db8:1:2:3:4:5:6"), 64) == "2001:db8:1:2::/64"
    assert subject(Address("2001:db8:1:2:ffff::"), 64) == "2001:db8:1:2::/64"
    assert subject(Address("2001:db8:1:2:3:4:5:6"), 48) == "2001:db8:1::/48"


def test_ten_thousand_addresses_of_one_network_are_one_subject() -> None:
    assert len({subject(Address(f"2001:db8::{number:x}"), 64) for number in range(10_000)}) == 1


@pytest.mark.parametrize(
    "hostile",
    [
        b"," * 65_536,
        b"10.0.0.1," * 7_000,
        b'"' * 65_535,
        b"for=" * 16_384,
        b'for="' + b"\\a" * 32_000,
        b"for=1.2.3.4;" * 5_000,
        b"a=b;" * 16_000,
        b"[" * 65_536,
        b":" * 65_536,
        b'a="' * 20_000,
        b"1" * 65_536,
    ],
    ids=range(11),
)
@pytest.mark.parametrize("field", [b"forwarded", b"x-forwarded-for"])
def test_hostile_fields_cost_linear_time(hostile: bytes, field: bytes) -> None:
    begun = time.process_time()
    behind_proxy(hostile, field=field)
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    ("address", "prefix", "expected"),
    [
        ("192.0.2.1", 32, "192.0.2.1"),
        ("192.0.2.1", 24, "192.0.2.0/24"),
        ("192.0.2.1", 8, "192.0.0.0/8"),
        ("2001:db8:1:2:3::", 64, "2001:db8:1:2::/64"),
        ("2001:db8:1:2:3::", 32, "2001:db8::/32"),
    ],
)
def test_a_network_around_an_address_is_named_as_limits_name_it(address: str, prefix: int, expected: str) -> None:
    assert network_of(Address(address), prefix) == expected


@pytest.mark.parametrize(
    ("address", "v6_prefix", "expected"),
    [
        ("192.0.2.1", 64, ("192.0.2.1", "192.0.2.0/24", "192.0.0.0/16", "192.0.0.0/8")),
        ("2001:db8:1:2::3", 64, ("2001:db8:1:2::/64", "2001:db8:1::/48", "2001:db8::/32", "2001::/16")),
        ("2001:db8:1:2::3", 48, ("2001:db8:1::/48", "2001:db8::/32", "2001::/16")),
    ],
)
def test_an_address_has_wider_and_wider_names_down_to_few(
    address: str, v6_prefix: int, expected: tuple[str, ...]
) -> None:
    assert widening(Address(address), v6_prefix) == expected


def test_all_addresses_stand_in_one_order_and_a_network_is_a_part_of_it() -> None:
    assert span("192.0.2.0/24") == (0xC0000200, 0xC00002FF)
    assert span("192.0.2.7") == (0xC0000207, 0xC0000207)
    assert span("255.255.255.255")[1] + 1 == span("::/128")[0]
    assert place_of(Address("192.0.2.7"), 64) == 0xC0000207
    assert place_of(Address("2001:db8::7"), 64) == span("2001:db8::/64")[0]
