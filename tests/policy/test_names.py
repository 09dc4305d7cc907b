from collections.abc import Callable

import pytest

from guard.policy.names import (
    NameFault,
    field_name,
    host,
    identifier,
    is_variable,
    network,
    network_or_list,
    origin,
    request_path,
    scope,
)

NOT_TEXT: tuple[object, ...] = (5, None, [])

READERS: list[tuple[Callable[[object], str], str, str]] = [
    (identifier, "exchange-2", "exchange-2"),
    (scope, "orders:write", "orders:write"),
    (field_name, "X-API-Key", "x-api-key"),
    (host, "API.Example.com", "api.example.com"),
    (host, "localhost", "localhost"),
    (host, "127.0.0.1", "127.0.0.1"),
    (host, "[2001:DB8::0:1]", "[2001:db8::1]"),
    (network, "10.0.0.0/8", "10.0.0.0/8"),
    (network, "192.0.2.7", "192.0.2.7/32"),
    (network, "2001:DB8::/32", "2001:db8::/32"),
    (origin, "http://127.0.0.1:8081", "http://127.0.0.1:8081"),
    (origin, "HTTPS://Exchange.Internal/", "https://exchange.internal"),
    (origin, "http://[::1]:80", "http://[::1]:80"),
    (origin, "${BACKEND_URL}", "${BACKEND_URL}"),
    (origin, "app", "app"),
    (request_path, "/", "/"),
    (request_path, "/healthz?deep=1", "/healthz?deep=1"),
]


@pytest.mark.parametrize(("read", "text", "canonical"), READERS)
def test_a_good_name_comes_out_in_its_one_spelling(read: Callable[[object], str], text: str, canonical: str) -> None:
    assert read(text) == canonical


@pytest.mark.parametrize(
    ("read", "value", "code"),
    [
        *((identifier, text, "P106") for text in ("", "A", "a_b", "-a", "a-", "a--b", "é", "a\n", "a" * 65)),
        *((scope, text, "P106") for text in ("", "Read", "1a", "a b", "a" * 65)),
        *((field_name, text, "P106") for text in ("", "X Key", "X:Key", "é", "-x")),
        *(
            (host, text, "P108")
            for text in ("", "a b", "a:80", "*.example.com", "a..b", "-a", "a/", "[::g]", "[x", "a_b")
        ),
        *((network, text, "P108") for text in ("", "10.0.0.1/8", "10.0.0/8", "all", "1.2.3.4/33")),
        (network, "file:deny.txt", "P108"),
        (network_or_list, "file:deny", "P106"),
        *(
            (origin, text, "P108")
            for text in ("", "h:1", "ftp://h", "http://", "http://h/x", "http://h?x", "http://h#x")
        ),
        *(
            (origin, text, "P108")
            for text in ("http://u:p@h", "http://@h", "http://h:0", "http://h:99999", "http://h:x")
        ),
        *((origin, text, "P108") for text in ("http://h\n", "http://h\\x", "http://[::1", "http://a_b", "http://h /")),
        *((request_path, text, "P108") for text in ("", "healthz", "/a b", "/a#b", "/é", "/a\n", "/" + "a" * 256)),
        *((origin, text, "P109") for text in ("http://${HOST}:80", "${lower}/", "x${A}")),
        *(
            (read, value, "P103")
            for read in (identifier, scope, field_name, host, network, origin, request_path)
            for value in NOT_TEXT
        ),
    ],
)
def test_a_bad_name_is_refused_with_its_code(read: Callable[[object], str], value: object, code: str) -> None:
    with pytest.raises(NameFault) as fault:
        read(value)
    assert fault.value.code == code


def test_a_network_with_host_bits_is_told_the_network_that_was_meant() -> None:
    with pytest.raises(NameFault) as fault:
        network("10.1.2.3/8")
    assert fault.value.help_text == "did you mean 10.0.0.0/8?"


def test_credentials_in_a_url_are_not_repeated() -> None:
    with pytest.raises(NameFault) as fault:
        origin("http://user:hunter2@h")
    assert "hunter2" not in f"{fault.value.message} {fault.value.help_text}"


@pytest.mark.parametrize(
    ("text", "whole"), [("${A_1}", True), ("${A} ", False), ("$A", False), ("${a}", False), ("", False)]
)
def test_a_variable_is_a_whole_value_in_capitals(text: str, *, whole: bool) -> None:
    assert is_variable(text) is whole
