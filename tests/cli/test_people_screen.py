from guard.cli.people_screen import releases_text, tokens_text
from guard.model.admins import ReleaseState, Role
from guard.state.admin_views import ReleaseView, TokenView

LATE = 4_102_444_800_000  # 2100-01-01


def token(**changes: object) -> TokenView:
    fields: dict[str, object] = {"id": "gt_1", "name": "alice", "role": Role.ADMIN, "created_at_ms": 1}
    fields |= {"created_by": "root", "expires_at_ms": None, "revoked_at_ms": None, "last_used_at_ms": None}
    return TokenView(**{**fields, **changes})  # type: ignore[arg-type]


def release(**changes: object) -> ReleaseView:
    fields: dict[str, object] = {
        "id": "gr_1",
        "command": "create",
        "key_id": "gk_1",
        "change": None,
        "requested_by": "alice",
    }
    fields |= {"requested_at_ms": 1, "why": "why", "expires_at_ms": LATE, "state": ReleaseState.PENDING}
    return ReleaseView(**{**fields, "settled_by": None, "settled_at_ms": None, **changes})  # type: ignore[arg-type]


def test_no_tokens_and_no_releases_say_so() -> None:
    assert "guard admin tokens create" in tokens_text(())
    assert releases_text(()) == "Nothing waits for a second person."


def test_a_token_is_a_line_with_its_standing() -> None:
    lines = tokens_text(
        (token(), token(expires_at_ms=LATE), token(expires_at_ms=2000), token(revoked_at_ms=3000, last_used_at_ms=1000))
    ).splitlines()
    assert [line.split("  ")[0] for line in lines] == ["ID", "gt_1", "gt_1", "gt_1", "gt_1"]
    for line, told in zip(lines[1:], ("good", "until 2100-01-01", "expired 1970", "revoked 1970"), strict=True):
        assert told in line
    assert "never" in lines[1]
    assert "1970-01-01T00:00:01Z" in lines[4]


def test_what_somebody_wrote_stays_in_its_line_and_steers_no_terminal() -> None:
    text = releases_text((release(why="a\r\n\x1b[31mgr_9  fake", requested_by="e\u2028vil"),))
    assert len(text.splitlines()) == 2
    assert "\x1b" not in text


def test_a_change_of_policies_names_what_it_leads_from_and_to() -> None:
    change = f"{'ab' * 32}:{'cd' * 32}"
    [_, row] = releases_text((release(command="reload", key_id="", change=change),)).split("\n")
    assert row.split("  ")[:3] == ["gr_1", "reload", " policies abababa → cdcdcdc"]
