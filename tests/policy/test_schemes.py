from pathlib import Path

import pytest

from guard.model.facts import Transport
from guard.policy.load import Invalid, Loaded, load_text
from guard.policy.schemes import shipped_schemes
from guard.signing.scheme import Guarantee
from tests.policy_text import HEAD

OWN = "scheme: acme\nextends: binance\ntime: {unit: ms, past_ms: 3000, future_ms: 500, past_ms_max: 9000}\n"
USES = HEAD + "auth: {scheme: acme}\nroutes:\n  GET /v1/x: {}\n"


def told(**files: str) -> list[tuple[str, str, int, str]]:
    result = load_text({f"{name}.scheme.yaml": text for name, text in files.items()} | {"p.yaml": USES})
    assert isinstance(result, Invalid)
    return [(one.code, one.file, one.line, one.message) for one in result.diagnostics]


def test_three_schemes_ship_and_each_says_what_it_is_worth() -> None:
    shipped = shipped_schemes().compiled
    assert {name: (scheme.transport, scheme.guarantee) for name, scheme in shipped.items()} == {
        "guard-v1": (Transport.HTTP, Guarantee.EXACT),
        "binance": (Transport.HTTP, Guarantee.WINDOW),
        "api-key": (Transport.HTTP, Guarantee.NONE),
    }


def test_a_shipped_scheme_that_cannot_be_read_is_a_bug(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "profiles").mkdir()
    (tmp_path / "profiles" / "a.txt").write_text("not a profile")
    (tmp_path / "profiles" / "b.yaml").write_text("a: 1\na: 2\n")
    monkeypatch.setattr("guard.policy.schemes.resources.files", lambda _package: tmp_path)
    shipped_schemes.cache_clear()
    with pytest.raises(ValueError, match="duplicate key"):
        shipped_schemes()


def test_the_api_key_moves_to_another_field_under_a_name_of_its_own() -> None:
    scheme = shipped_schemes().api_key_in("x-api-key")
    assert scheme.name == "api-key:x-api-key"
    assert scheme.credential_fields == scheme.secret_fields == {b"x-api-key"}


def test_a_scheme_of_the_directory_extends_a_shipped_one() -> None:
    result = load_text({"acme.scheme.yaml": OWN, "p.yaml": USES})
    assert isinstance(result, Loaded)
    scheme = result.schemes["acme"]
    assert (scheme.window_default.past_ms, scheme.window_past_ms_max) == (3000, 9000)
    assert b"x-mbx-apikey" in scheme.credential_fields


def test_a_scheme_of_the_directory_extends_another_one() -> None:
    result = load_text({"a.scheme.yaml": OWN, "b.scheme.yaml": "scheme: b\nextends: acme\n", "p.yaml": USES})
    assert isinstance(result, Loaded)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("extends: binance\n", ("P105", "acme.scheme.yaml", 1, "the field `scheme` is missing: it names the scheme")),
        ("scheme: Acme\n", ("P106", "acme.scheme.yaml", 1, "`Acme` is not a name")),
        ("scheme: 5\n", ("P103", "acme.scheme.yaml", 1, "`5` is not text")),
        ("extends: binance\nscheme: binance\n", ("P205", "acme.scheme.yaml", 2, "`binance` ships with guard")),
    ],
)
def test_a_scheme_needs_a_name_of_its_own(text: str, fault: tuple[str, str, int, str]) -> None:
    assert told(acme=text) == [fault]


def test_two_files_may_not_define_one_scheme() -> None:
    assert told(acme=OWN, other=OWN) == [("P205", "other.scheme.yaml", 1, "`acme` is also defined in acme.scheme.yaml")]


def test_a_profile_that_does_not_compile_is_told_at_its_key() -> None:
    ((code, file, line, message),) = told(acme=OWN + "base: '{nonsense}'\n")
    assert (code, file, line) == ("P204", "acme.scheme.yaml", 4)
    assert message.startswith("the scheme `acme`: ")


def test_an_unreadable_scheme_is_told_like_any_other_file() -> None:
    assert told(acme="scheme: acme\nscheme: b\n") == [("Y004", "acme.scheme.yaml", 2, "duplicate key `scheme`")]
