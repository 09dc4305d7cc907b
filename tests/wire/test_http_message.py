import base64
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.model.facts import Facts, Field, Transport
from guard.model.names import RequestId, UnixMs
from guard.wire.field_names import field_names
from guard.wire.http_message import facts_from_http
from tests.wire.public_vectors import head, public

HOST: Field = (b"host", b"gateway.test")


def read(*fields: Field, method: bytes = b"GET", target: bytes = b"/v1/orders", peer: str = "192.0.2.1") -> Facts:
    return facts_from_http(
        method=method.decode("latin-1"),
        target=target,
        fields=fields,
        peer=peer,
        secure=False,
        received_at=UnixMs(1_900_000_000_000),
        request_id=RequestId("req_test"),
    )


def faults(*fields: Field, **changes: Any) -> list[str]:
    return [f"{defect.code}: {defect.detail}" for defect in read(*fields, **changes).defects]


def fault(*fields: Field, **changes: Any) -> str:
    [only] = faults(*fields, **changes)
    return only


def test_a_clean_request_is_facts_without_defects() -> None:
    fields = [(b"Host", b"Gateway.test:8080"), (b"Content-Length", b"2"), (b"X-Two", b"a"), (b"x-two", b"b")]
    lowered = ((b"host", b"Gateway.test:8080"), (b"content-length", b"2"), (b"x-two", b"a"), (b"x-two", b"b"))
    assert facts_from_http(
        method="POST",
        target=b"/v1/orders?a=%31&&b",
        fields=fields,
        peer="::ffff:192.0.2.1",
        secure=True,
        received_at=UnixMs(7),
        request_id=RequestId("req_1"),
    ) == Facts(
        transport=Transport.HTTP,
        verb="POST",
        authority=b"Gateway.test:8080",
        path=b"/v1/orders",
        query=b"a=%31&&b",
        fields=lowered,
        names=field_names(lowered),
        body=None,
        body_bytes_announced=2,
        peer="192.0.2.1",  # type: ignore[arg-type]  # canonical by hand
        secure=True,
        received_at=UnixMs(7),
        request_id=RequestId("req_1"),
        defects=(),
    )


@pytest.mark.parametrize("target", [b"/", b"/v1?", b"/v1?a", b"/v1??", b"/v1?a?b=/c"])
def test_the_target_is_kept_byte_for_byte(target: bytes) -> None:
    assert read(HOST, target=target).target == target


@pytest.mark.parametrize(
    "target",
    [b"", b"*", b"orders", b"?a", b"http://gateway.test/v1", b"HTTP://other.test/v1", b"gateway.test:443", b"\\v1"],
)
def test_only_the_origin_form_of_a_target_is_accepted(target: bytes) -> None:
    assert "request.malformed: the request target is not in origin-form" in faults(HOST, target=target)[0]


def test_path_and_query_are_judged_each_with_its_own_code() -> None:
    assert fault(HOST, target=b"/v1/../x?a").startswith("request.bad_path")
    assert fault(HOST, target=b"/v1?a#b").startswith("request.malformed: the query")
    assert fault(HOST, target=b"/v1#b?a").startswith("request.bad_path")
    assert len(faults(HOST, target=b"//?#")) == 2


@pytest.mark.parametrize("method", [b"", b"GE T", b"GET\x00", b"G\xc3\x89T", b"GET:", b"(GET)"])
def test_a_method_is_a_token(method: bytes) -> None:
    assert fault(HOST, method=method) == "request.malformed: the method is not a token"


@pytest.mark.parametrize(
    "method", [b"GET", b"get", b"PROPFIND", b"M-SEARCH", b"TRACE", b"CONNECT", b"!#$%&'*+-.^_`|~1"]
)
def test_unknown_methods_are_left_to_routing(method: bytes) -> None:
    facts = read(HOST, method=method)
    assert facts.defects == ()
    assert facts.verb == method.decode()


def test_there_is_exactly_one_host() -> None:
    assert fault() == "request.malformed: there is no Host"
    assert fault(HOST, HOST) == "request.malformed: a field that may appear once appears twice"


@pytest.mark.parametrize(
    "host",
    [
        b"h",
        b"gateway.test",
        b"GATEWAY.test.",
        b"a_b.c-d:8080",
        b"127.0.0.1:1",
        b"[::1]",
        b"[2001:db8::1]:443",
        b"h:",
        b"h:65535",
        b"a" * 261,
    ],
)
def test_a_host_is_a_name_or_address_and_perhaps_a_port(host: bytes) -> None:
    facts = read((b"host", host))
    assert facts.defects == ()
    assert facts.authority == host


@pytest.mark.parametrize(
    "host",
    [
        *(
            b"",
            b".",
            b"..",
            b"a..b",
            b".a",
            b"a/b",
            b"a,b",
            b"a b",
            b"u@h",
            b"u:p@h",
            b"h:80:80",
            b"h:65536",
            b"h:123456",
        ),
        *(b"h:http", b"h:-1", b"h?a", b"h#a", b"h\\a", b"%68", b"[::1", b"::1", b"[::1].", b"x[::1]", b"[1.2.3.4]"),
        *(b"[fe80::1%25eth0]", b"[::1]x", b"[:::]", b"[]", b"h;x", b"h*", b"(h)", b"a" * 262),
    ],
)
def test_anything_else_in_host_is_refused(host: bytes) -> None:
    assert fault((b"host", host)).startswith("request.malformed: Host ")


def test_every_host_of_nginx_is_taken_or_refused_as_published() -> None:
    for case in public("http1/nginx_host.json", "nginx/nginx-tests http_host.t"):
        raw = head(case["raw_base64"])
        assert raw is not None
        method, target, fields = raw
        defects = read(*fields, method=method, target=target).defects
        future = case["authority"].startswith("[v")  # an address format that nobody has defined: refused too
        taken = case["form"] == "host" and case["gateway_expect"] == "accept-or-421" and not future
        assert (defects == ()) == taken, case["name"]


@pytest.mark.parametrize(
    ("fields", "body", "announced"),
    [
        ([], b"", None),
        ([(b"content-length", b"0")], b"", 0),
        ([(b"content-length", b"000")], b"", 0),
        ([(b"content-length", b"0005")], None, 5),
        ([(b"content-length", b"9223372036854775808")], None, 9_223_372_036_854_775_808),
        ([(b"transfer-encoding", b"chunked")], None, None),
    ],
)
def test_the_framing_says_whether_a_body_follows(
    fields: list[Field], body: bytes | None, announced: int | None
) -> None:
    facts = read(HOST, *fields, method=b"POST")
    assert (facts.defects, facts.body, facts.body_bytes_announced) == ((), body, announced)


@pytest.mark.parametrize("length", [b"", b"+5", b"-5", b"5x", b"0x5", b"1_0", b"5, 5", b"5 5", b"1" * 20, b"1.0"])
def test_a_length_is_digits(length: bytes) -> None:
    assert fault(HOST, (b"content-length", length)).startswith("request.malformed: Content-Length is not")
    assert read(HOST, (b"content-length", length)).body is None


@pytest.mark.parametrize(
    "coding",
    [b"", b"Chunked", b"identity", b"gzip, chunked", b"chunked, identity", b"chunked;a=b", b"xchunked", b'"chunked"'],
)
def test_the_only_coding_is_chunked(coding: bytes) -> None:
    assert fault(HOST, (b"transfer-encoding", coding)).startswith("request.malformed: Transfer-Encoding is something")
    assert read(HOST, (b"transfer-encoding", coding)).body is None


def test_two_framings_are_refused() -> None:
    two = (b"content-length", b"5"), (b"transfer-encoding", b"chunked")
    assert fault(HOST, *two) == "request.malformed: both Content-Length and Transfer-Encoding"


@pytest.mark.parametrize(
    ("expect", "taken"), [(b"100-continue", True), (b"100-Continue", True), (b"x", False), (b"", False)]
)
def test_nothing_but_100_continue_may_be_expected(expect: bytes, *, taken: bool) -> None:
    assert (faults(HOST, (b"expect", expect)) == []) is taken


@pytest.mark.parametrize("peer", ["fe80::1%eth0", "", "unix:/run/guard.sock", "1.2.3"])
def test_a_peer_without_a_plain_address_is_refused(peer: str) -> None:
    assert fault(HOST, peer=peer) == "request.malformed: the peer has no plain IP address"
    assert read(HOST, peer=peer).peer == "0.0.0.0"  # noqa: S104  # not bound


@pytest.mark.parametrize(
    "field",
    [(b"X_Forwarded_For", b"1.2.3.4"), (b"guard.key", b"k"), (b"GUARD_KEY", b"k"), (b"x-a", b"\xff"), (b"x a", b"v")],
)
def test_defects_of_the_fields_are_the_messages(field: Field) -> None:
    assert fault(HOST, field).startswith("request.malformed: a field ")


def test_fields_called_like_derived_components_are_only_fields() -> None:
    facts = read(HOST, (b"request-line", b"DELETE / HTTP/1.1"), (b":path", b"/x"), (b"method", b"DELETE"))
    assert (facts.verb, facts.path) == ("GET", b"/v1/orders")
    assert [defect.detail for defect in facts.defects] == ["a field name is not a token"]


def test_all_that_is_wrong_is_told() -> None:
    many = faults(
        (b"host", b"a b"), (b"expect", b"x"), (b"content-length", b"x"), method=b"G T", target=b"//?#", peer=""
    )
    assert len(many) == 7


def test_every_published_transfer_encoding_gadget_is_refused_or_leaves_one_framing() -> None:
    for corpus, source in (("smuggler_te_gadgets", "defparam/smuggler"), ("portswigger_permutations", "PortSwigger")):
        for case in public(f"http1/{corpus}.json", source):
            raw = head(case["raw_base64"])
            if raw is None or b"\r\n" in case["gadget"].encode("latin-1").strip():
                continue
            method, target, fields = raw
            if not read(*fields, method=method, target=target).defects:
                assert b"transfer-encoding" not in dict(fields), case["name"]


def test_no_spoofing_field_of_the_bypass_corpus_changes_what_was_asked() -> None:
    corpus = public("paths/bypass.json", "devploit/nomore403")
    plain = read(HOST)
    for line in corpus["spoof_headers"]:
        name = line.replace(":", " ").split(" ")[0].encode().lower()
        facts = read(HOST, (name, b"/admin/keys"))
        unchanged = (facts.verb, facts.path, facts.peer) == (plain.verb, plain.path, plain.peer)
        assert unchanged
        assert facts.authority == plain.authority or facts.defects


def test_no_method_of_the_corpora_is_misread() -> None:
    corpora = public("paths/bypass.json", "devploit/nomore403"), public("paths/fuzzdb.json", "fuzzdb")
    for method in [method for corpus in corpora for method in corpus["methods"]]:
        assert read(HOST, method=method.encode()).verb == method


FIELD = st.tuples(
    st.sampled_from([b"host", b"Content-Length", b"x_a", b"connection"]) | st.binary(max_size=9), st.binary()
)


@given(st.binary(max_size=9), st.binary(max_size=40), st.lists(FIELD, max_size=6), st.text(max_size=12))
def test_any_bytes_become_facts(method: bytes, target: bytes, fields: list[Field], peer: str) -> None:
    facts = read(*fields, method=method, target=target, peer=peer)
    assert facts.target == target
    assert [value for _, value in facts.fields] == [value for _, value in fields]


def test_every_request_of_the_llhttp_and_gunicorn_corpora_gets_an_answer() -> None:
    for corpus, source in (("llhttp", "nodejs/llhttp"), ("gunicorn", "benoitc/gunicorn"), ("desync_guardian", "aws")):
        for case in public(f"http1/{corpus}.json", source):
            raw = head(case["raw_base64"])
            if raw is not None:
                read(*raw[2], method=raw[0], target=raw[1])
            assert base64.b64decode(case["raw_base64"]) is not None


@pytest.mark.parametrize(
    "host",
    [b"a" * 65_536, b"a." * 32_768, b"[" + b":" * 65_535, b"h:" + b"0" * 65_534, b"-" * 65_535 + b"/"],
    ids=range(5),
)
def test_hostile_hosts_cost_linear_time(host: bytes) -> None:
    begun = time.process_time()
    read((b"host", host), (b"content-length", b"1" * 65_536), (b"transfer-encoding", b"chunked," * 8192))
    assert time.process_time() - begun < 0.5
