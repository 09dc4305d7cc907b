"""Whether the policies fit how guard will be run: asked for by `guard check --workers`, and judged again at start."""

from guard.policy.diagnostic import Diagnostic


def divided_memory(shown: str, workers: int, *, shares_state: bool) -> Diagnostic | None:
    """P501: several processes, each with a memory of its own. `guard serve` refuses to start with them."""
    if workers < 2 or shares_state:  # noqa: PLR2004  # several
        return None
    message = f"{workers} workers, each with nonces and limits of its own: a message would count once in each"
    return Diagnostic(code="P501", message=message, file=shown, help="set GUARD_STATE_URL=redis://…, or use one worker")
