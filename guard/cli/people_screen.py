"""How tokens and releases look for a person: tables, with nothing that a terminal would obey."""

from guard.cli.key_files import wall_clock
from guard.cli.key_screen import time_text
from guard.cli.screen import one_line
from guard.state.admin_views import ReleaseView, TokenView


def tokens_text(tokens: tuple[TokenView, ...]) -> str:
    """A table of tokens."""
    if not tokens:
        return "There are no tokens yet: `guard admin tokens create --name NAME --role admin` makes one."
    rows: list[tuple[str, ...]] = [("ID", "NAME", "ROLE", "STATE", "LAST USED", "MADE BY")]
    now = wall_clock()
    for token in tokens:
        used = "never" if token.last_used_at_ms is None else time_text(token.last_used_at_ms)
        rows.append((token.id, token.name, token.role, _standing(token, now), used, one_line(token.created_by)))
    return _table(rows)


def releases_text(releases: tuple[ReleaseView, ...]) -> str:
    """A table of releases."""
    if not releases:
        return "Nothing waits for a second person."
    rows: list[tuple[str, ...]] = [("ID", "COMMAND", "KEY", "ASKED BY", "STATE", "UNTIL", "WHY")]
    for each in releases:
        row = (
            each.id,
            each.command,
            each.key_id or _policies(each),
            one_line(each.requested_by),
            each.state,
            time_text(each.expires_at_ms),
        )
        rows.append((*row, one_line(each.why)))
    return _table(rows)


def _policies(release: ReleaseView) -> str:
    before, _, after = (release.change or "").partition(":")
    return f"policies {before[:7]} → {after[:7]}"


def _standing(token: TokenView, now: int) -> str:
    if token.revoked_at_ms is not None:
        return f"revoked {time_text(token.revoked_at_ms)}"
    if token.expires_at_ms is None:
        return "good"
    return (
        f"expired {time_text(token.expires_at_ms)}"
        if token.expires_at_ms <= now
        else f"until {time_text(token.expires_at_ms)}"
    )


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
