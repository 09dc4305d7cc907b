from guard.policy.diagnostic import Severity
from guard.policy.document import Document, Path, Span
from guard.policy.yaml_source import read_document


def document(text: str) -> Document:
    read = read_document(text.encode(), "policies/p.yaml", "p.yaml")
    assert isinstance(read, Document)
    return read


TEXT = "a:\n  b: [x, yy]\n  'c d': 5\n"


def test_every_key_and_value_has_its_place() -> None:
    read = document(TEXT)
    assert read.span(("a",), key=True) == Span(1, 1, 1)
    assert read.span(("a", "b", 1)) == Span(2, 10, 2)
    assert read.span(("a", "c d"), key=True) == Span(3, 3, 5)
    assert read.span(("a", "c d")) == Span(3, 10, 1)


def test_a_path_that_the_file_does_not_name_is_found_at_the_nearest_one_above() -> None:
    read = document(TEXT)
    nowhere: Path = ("a", "b", 1, "deeper", 7)
    assert read.span(nowhere) == read.span(("a", "b", 1))
    assert read.span(("zzz",), key=True) == Span(1, 1, 2)


def test_a_fault_names_the_shown_file_and_carries_its_line() -> None:
    fault = document(TEXT).fault("P101", ("a", "b"), "message", help_text="help", severity=Severity.WARNING)
    assert (fault.file, fault.line, fault.column, fault.width) == ("policies/p.yaml", 2, 6, 7)
    assert (fault.source_line, fault.help, fault.severity) == ("  b: [x, yy]", "help", Severity.WARNING)


def test_a_hidden_value_is_masked_in_the_line_and_the_rest_is_kept() -> None:
    fault = document("a: secret # why\n").fault("P108", ("a",), "m", hide=True)
    assert fault.source_line == "a: ****** # why"


def test_a_value_over_several_lines_is_underlined_to_the_end_of_the_first() -> None:
    assert document("a: [x,\n  y]\n").span(("a",)) == Span(1, 4, 3)
