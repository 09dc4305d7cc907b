"""guard: the security gateway for trading APIs. Start reading in `core/pipeline.py`: the order of all checks."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from guard.app.middleware import GuardMiddleware
    from guard.edges.wrapped import Admitted

__all__ = ["Admitted", "GuardMiddleware", "__version__"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """What needs the whole program is imported when it is asked for."""
    if name == "GuardMiddleware":
        from guard.app.middleware import GuardMiddleware  # noqa: PLC0415

        return GuardMiddleware
    if name == "Admitted":
        from guard.edges.wrapped import Admitted  # noqa: PLC0415

        return Admitted
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
