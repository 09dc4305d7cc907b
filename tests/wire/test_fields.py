import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.facts import Field
from guard.wire.field_names import field_names
from guard.wire.fields import SINGLETONS, fields_defect, in_lower_case
from guard.wire.hop_by_hop import HOP_BY_HOP
from guard.wire.owned_fields import DROPPED_NAMES, OWNED_NAMES, OWNED_PREFIXES, TO_BACKEND, TO_CLIENT
from tests.wire.public_vectors import public

REGISTRY = sorted(OWNED_NAMES | {prefix + b"-x" for prefix in OWNED_PREFIXES} | set(TO_BACKEND) | set(TO_CLIENT))
TOKEN = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"


def fault(*fields: Field) -> str | None:
    defect = fields_defect(fields, field_names(fields))
    if defect is None:
        return None
    assert defect.code == "request.malformed"
    assert defect.detail
    return defect.detail


def test_ordinary_fields_pass() -> None:
    assert fault((b"host", b"h"), (b"x-a", b""), (b"x-b", b"a\tb  c"), (b"cookie", b"a=1"), (b"cookie", b"b=2")) is None
    assert (
        fault(
            (b"host", b"h"),
            (b"te", b"x"),
            (b"guard-key", b"k"),
            (b"x_other", b"v"),
            (b"x.other", b"v"),
            (b"sec-ch-ua", b'"a";v="1"'),
        )
        is None
    )
    assert fault() is None


@pytest.mark.parametrize("byte", sorted(set(range(256)) - set(TOKEN) - set(range(0x41, 0x5B))))
def test_a_byte_that_no_token_has_is_refused_in_a_name(byte: int) -> None:
    assert fault((b"host", b"h"), (b"x" + bytes([byte]) + b"y", b"v")) == "a field name is not a token"


@pytest.mark.parametrize("byte", TOKEN)
def test_every_byte_of_a_token_may_stand_in_a_name(byte: int) -> None:
    assert fault((b"x" + bytes([byte]) + b"y", b"v")) is None


def test_an_empty_name_is_refused() -> None:
    assert fault((b"", b"v")) == "a field name is not a token"
    assert fault((b"a", b"v"), (b"", b"v"), (b"b", b"v")) == "a field name is not a token"


@pytest.mark.parametrize("byte", [*range(0x09), *range(0x0A, 0x20), *range(0x7F, 0x100)])
def test_controls_and_bytes_above_ascii_are_refused_in_a_value(byte: int) -> None:
    assert "neither visible ASCII" in (fault((b"x-a", b"v" + bytes([byte]) + b"w"), (b"x-b", b"v")) or "")


@pytest.mark.parametrize("value", [b" v", b"v ", b"\tv", b"v\t", b" ", b"\t"])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_white_space_left_around_a_value_is_refused(value: bytes, place: int) -> None:
    fields = [(b"x-a", b"v"), (b"x-b", b"v"), (b"x-c", b"v")]
    fields[place] = (b"x-d", value)
    assert fault(*fields) == "a field value begins or ends with white space"


@pytest.mark.parametrize("name", [name for name in sorted({*REGISTRY, *SINGLETONS, *HOP_BY_HOP}) if b"-" in name])
@pytest.mark.parametrize("mark", [b"_", b".", b"~"])
def test_each_alias_of_a_reserved_name_is_refused(name: bytes, mark: bytes) -> None:
    assert "another spelling" in (fault((b"host", b"h"), (name.replace(b"-", mark), b"v")) or "")
    assert "another spelling" in (fault((name.replace(b"-", mark, 1), b"v")) or "")


@pytest.mark.parametrize("name", sorted(DROPPED_NAMES))
def test_a_name_that_is_dropped_in_any_spelling_is_no_reason_to_refuse(name: bytes) -> None:
    assert fault((name.replace(b"-", b"_"), b"v")) is None


@pytest.mark.parametrize(
    "name",
    [*sorted(SINGLETONS), b"guard-key", b"guard-timestamp", b"guard-nonce", b"guard-signature", b"guard-anything"],
)
def test_a_second_one_of_a_field_that_decides_is_refused_even_if_equal(name: bytes) -> None:
    assert "appears twice" in (fault((name, b"v"), (b"x-a", b"v"), (name, b"v")) or "")


def test_lists_may_come_in_several_fields() -> None:
    assert fault((b"accept", b"a"), (b"accept", b"b"), (b"x-forwarded-for", b"a"), (b"x-forwarded-for", b"b")) is None


@pytest.mark.parametrize("name", sorted({*REGISTRY, *SINGLETONS}))
@pytest.mark.parametrize("form", [b"close, %b", b"%b", b"close,\t%b\t,x", b",%b,"])
def test_connection_may_not_list_a_field_that_decides_who_asks_and_what(name: bytes, form: bytes) -> None:
    expected = "Connection lists a field that must not be dropped"
    for spelling in (name, name.upper(), name.replace(b"-", b"_")):
        assert fault((b"connection", (form % spelling).strip())) == expected


def test_connection_may_list_other_fields() -> None:
    assert fault((b"connection", b"close, TE, X-Mine"), (b"connection", b"upgrade")) is None


def test_connection_is_a_list_of_tokens() -> None:
    assert fault((b"connection", b"close, x y")) == "Connection is not a list of tokens"
    assert fault((b"connection", b'"close"')) == "Connection is not a list of tokens"


def test_names_become_lower_case_and_nothing_else_changes() -> None:
    mixed = [(b"Host", b"H"), (b"x-A", b"V"), (b"x-a", b"W")]
    assert in_lower_case(mixed)[0] == ((b"host", b"H"), (b"x-a", b"V"), (b"x-a", b"W"))
    assert in_lower_case([(b"host", b"H")])[0] == ((b"host", b"H"),)


def test_every_published_alias_of_transfer_encoding_is_refused_or_another_field() -> None:
    for corpus, source in (("smuggler_te_gadgets", "defparam/smuggler"), ("portswigger_permutations", "PortSwigger")):
        for case in public(f"http1/{corpus}.json", source):
            gadget = case["gadget"].encode("latin-1").partition(b"\r\n")[0]
            name, _, value = gadget.partition(b":")
            split, names = in_lower_case([(b"content-length", b"5"), (name, value.strip(b" \t"))])
            if fields_defect(split, names) is None and split[1][0] != b"transfer-encoding":
                assert b"".join(split[1][0].split(b"-")) != b"transferencoding", case["name"]


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), max_size=6))
def test_any_bytes_get_an_answer(fields: list[Field]) -> None:
    fields_defect(*in_lower_case(fields))


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x" * 65_536, b"v")],
        [(b"_" * 65_536, b"v")],
        [(b"x-a", b" " * 65_536)],
        [(b"x-a", b" a" * 32_768 + b"\x00")],
        [(b"connection", b"," * 65_536)],
        [(b"connection", b"x-forwarded-fo," * 4_096)],
        [(b"guard-%d" % number, b"v") for number in range(5_000)] + [(b"x", b""), (b"x", b"")],
        [(b"x_%d" % number, b"v") for number in range(5_000)],
        [(b"cookie", b"v")] * 10_000,
    ],
    ids=range(9),
)
def test_hostile_fields_cost_linear_time(fields: list[Field]) -> None:
    begun = time.process_time()
    fields_defect(*in_lower_case(fields))
    assert time.process_time() - begun < 0.5
