import json

from guard.policy.diagnostic import (
    Diagnostic,
    Severity,
    concise,
    did_you_mean,
    in_order,
    nearest,
    quoted,
    render,
    to_json,
    visible,
)

ENFORCED = Diagnostic(
    code="P102",
    message="`enforced` is not one of shadow, enforce, off",
    file="policies/exchange.yaml",
    line=4,
    column=7,
    width=8,
    source_line="mode: enforced",
    help="did you mean `enforce`?",
)


def test_the_long_form_points_at_the_fault() -> None:
    assert render(ENFORCED) == (
        "policies/exchange.yaml:4:7: error[P102]: `enforced` is not one of shadow, enforce, off\n"
        "  |\n"
        "4 | mode: enforced\n"
        "  |       ^^^^^^^^\n"
        "  = help: did you mean `enforce`?"
    )


def test_the_gutter_is_as_wide_as_the_line_number() -> None:
    duplicate = Diagnostic(
        code="Y004",
        message="duplicate key `key`",
        file="p.yaml",
        line=11,
        column=3,
        width=3,
        source_line="  key: {per: [ip]}",
        help="first defined at line 10",
    )
    assert render(duplicate).splitlines()[1:] == [
        "   |",
        "11 |   key: {per: [ip]}",
        "   |   ^^^",
        "   = help: first defined at line 10",
    ]


def test_a_fault_of_the_whole_file_shows_no_line() -> None:
    assert render(Diagnostic(code="P192", message="no policy here", file="policies")) == (
        "policies: error[P192]: no policy here"
    )


def test_a_warning_says_so_on_one_line() -> None:
    warning = Diagnostic(code="P401", severity=Severity.WARNING, message="open", file="p.yaml", line=2, column=1)
    assert concise(warning) == "p.yaml:2:1: warning[P401]: open"


def test_an_endless_line_is_not_printed() -> None:
    long = Diagnostic(code="P101", message="m", file="p.yaml", line=1, column=1, source_line="x" * 401)
    assert render(long) == "p.yaml:1:1: error[P101]: m"


def test_nothing_that_a_terminal_acts_on_is_printed() -> None:
    nasty = Diagnostic(code="Y003", message="m", file="p\x1b[2J.yaml", line=1, column=2, source_line="a\x1b[31m\u202eb")
    assert all(line.isprintable() for line in render(nasty).splitlines())
    assert visible("a\tb") == "a�b"


def test_json_has_every_field() -> None:
    (one,) = json.loads(to_json([ENFORCED]))
    assert one == {
        "code": "P102",
        "severity": "error",
        "message": "`enforced` is not one of shadow, enforce, off",
        "file": "policies/exchange.yaml",
        "line": 4,
        "column": 7,
        "width": 8,
        "source_line": "mode: enforced",
        "help": "did you mean `enforce`?",
    }


def test_diagnostics_come_by_file_and_position_and_once() -> None:
    def at(file: str, line: int, column: int) -> Diagnostic:
        return Diagnostic(code="P101", message="m", file=file, line=line, column=column)

    mixed = [at("b", 1, 1), at("a", 10, 1), at("a", 2, 5), at("a", 2, 3), at("a", 2, 5)]
    assert [(one.file, one.line, one.column) for one in in_order(mixed)] == [
        ("a", 2, 3),
        ("a", 2, 5),
        ("a", 10, 1),
        ("b", 1, 1),
    ]


def test_quoted_text_is_cut_short() -> None:
    assert quoted("x" * 1000) == "`" + "x" * 60 + "…`"
    assert quoted("cots") == "`cots`"


def test_a_word_is_only_suggested_if_it_comes_close() -> None:
    assert did_you_mean("cots", {"cost", "group"}) == "did you mean `cost`?"
    assert did_you_mean("zzz", {"cost", "group"}) == ""
    assert nearest(5, {"cost"}) is None
