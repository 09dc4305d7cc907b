import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.signing.template import Call, Name, Place, Tag, TemplateFault, Text, parse_pointer, parse_template

_NAMES = frozenset({"key", "path", "body", "SOH"})


def test_text_stands_for_itself_and_doubled_braces_for_braces() -> None:
    assert parse_template("a{{b}}\n%", frozenset()) == (Text(b"a"), Text(b"{"), Text(b"b"), Text(b"}"), Text(b"\n%"))


def test_values_are_names_tags_places_and_functions() -> None:
    assert parse_template("{key}-{ fix:35 }{ws:/a~1b/0}{sha256(path, 'x,)', hex(body))}", _NAMES) == (
        Name("key"),
        Text(b"-"),
        Tag(b"35"),
        Place(("a/b", "0")),
        Call("sha256", (Name("path"), Text(b"x,)"), Call("hex", (Name("body"),)))),
    )


def test_a_pointer_is_unescaped_in_the_order_of_the_standard() -> None:
    assert parse_pointer("/a~01/b~1c") == ("a~1", "b/c")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{nobody}", "unknown name 'nobody'"),
        ("{eval(path)}", "unknown function 'eval'"),
        ("{__import__('os')}", "unknown function"),
        ("{path.__class__}", "'}' was expected"),
        ("{key[0]}", "'}' was expected"),
        ("{key!r}", "'}' was expected"),
        ("{key:>10}", "'}' was expected"),
        ("{key", "'}' was expected"),
        ("{}", "was expected"),
        ("}", "nothing opened"),
        ("a}b", "nothing opened"),
        ("{'x'}", "nothing but itself"),
        ("{7}", "nothing but itself"),
        ("{hex(path}", "')' was expected"),
        ("{hex()}", "was expected"),
        ("{hex(path,body)}", "does not take 2"),
        ("{without(path)}", "does not take 1"),
        ("{without(path,key)}", "texts in quotes"),
        ("{split(path,'',0)}", "a separator"),
        ("{split(path,'.','x')}", "a number"),
        ("{sorted_pairs(body)}", "works on a place"),
        ("{sorted_pairs(ws:/a,key)}", "texts in quotes"),
        ("{raw_json(ws:/a,'b')}", "does not take 2"),
        ("{fix:0}", "'}' was expected|unknown"),
        ("{fix:123456}", "unknown name"),
        ("{ws:}", "unknown name"),
        ("{header:Host}", "unknown name"),
        ("{" + "hex(" * 9 + "key" + ")" * 9 + "}", "nested more than 8"),
        ("x" * 5000, "longer than 4096"),
    ],
)
def test_a_template_that_is_not_understood_is_refused_with_a_place(text: str, says: str) -> None:
    with pytest.raises(TemplateFault) as fault:
        parse_template(text, _NAMES)
    assert any(part in str(fault.value) for part in says.split("|"))
    assert "(character " in str(fault.value)


@given(st.text("{}()',:/ \n%abkeyfixwspathexsha256019", max_size=40))
def test_any_text_parses_or_is_refused(text: str) -> None:
    try:
        nodes = parse_template(text, _NAMES)
    except TemplateFault:
        return
    assert isinstance(nodes, tuple)


@given(st.text(max_size=40))
def test_text_without_braces_is_kept_to_the_byte(text: str) -> None:
    try:
        nodes = parse_template(text.replace("{", "{{").replace("}", "}}"), frozenset())
    except UnicodeEncodeError:
        return
    assert b"".join(node.content for node in nodes if isinstance(node, Text)) == text.encode()
