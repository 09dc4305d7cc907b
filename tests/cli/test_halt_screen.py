import msgspec
import pytest

from guard.cli.halt_screen import halt_told, halted_json, halted_text, lifted_json, lifted_text, list_json, list_text
from guard.model.halts import HaltKind
from guard.service.enforcement import InForce
from tests.build import NOW, halt

_FORCE = InForce(nodes=2, after_ms=140)
_ACME = halt(HaltKind.ACCOUNT, "acme")


@pytest.mark.parametrize(
    ("reads", "cancels", "sentence"),
    [
        (False, False, "Everything is refused, cancels too (--with-cancels lets them pass)."),
        (True, False, "Reads pass; everything else is refused, cancels too (--with-cancels lets them pass)."),
        (False, True, "Cancels pass; everything else is refused."),
        (True, True, "Reads and cancels pass; everything else is refused."),
    ],
)
def test_a_new_halt_says_what_passes(*, reads: bool, cancels: bool, sentence: str) -> None:
    halted = msgspec.structs.replace(_ACME, reads_only=reads, with_cancels=cancels)
    assert halted_text(halted, _FORCE).splitlines() == [
        "halt_test: account acme is halted, in force on 2 nodes after 140 ms.",
        f"  {sentence}",
        "  `guard halt lift halt_test --why …` ends it.",
    ]


def test_lifting_says_what_is_still_halted() -> None:
    lifted = lifted_text((_ACME,), _FORCE, (halt(),))
    assert lifted.splitlines() == [
        "Lifted halt_test (account acme), in force on 2 nodes after 140 ms.",
        "  Still in force: 1. `guard halt list` shows them.",
    ]
    assert "Nothing else is halted." in lifted_text((_ACME,), _FORCE, ())


def test_a_list_tells_who_and_why_and_lets_nobody_forge_a_line() -> None:
    forged = msgspec.structs.replace(_ACME, why="x\nhalt_2", actor="\x1b[2J", lifted_at=NOW, reads_only=True)
    header, line = list_text((forged,)).splitlines()
    assert header.split() == ["ID", "OVER", "PASSES", "SINCE", "BY", "WHY"]
    assert line.split() == [
        *("halt_test", "account", "acme", "reads"),
        *("2030-03-17T17:46:40Z", "until", "2030-03-17T17:46:40Z", "\\x1b[2J", "x\\nhalt_2"),
    ]
    assert list_text(()) == "Nothing is halted."


def test_programs_get_times_in_milliseconds_by_name() -> None:
    told = halt_told(_ACME)
    assert (told["id"], told["kind"], told["name"], told["since_ms"], told["lifted_at_ms"]) == (
        *("halt_test", "account", "acme"),
        *(NOW, None),
    )
    nodes = {"in_force": True, "nodes": 2, "after_ms": 140, "expired": [], "silent": [], "error": None}
    assert msgspec.json.decode(halted_json(_ACME, _FORCE)) == {**told, "nodes": nodes}
    assert msgspec.json.decode(lifted_json((_ACME,), _FORCE)) == {"lifted": [told], "nodes": nodes}
    assert msgspec.json.decode(list_json((_ACME,))) == [told]
