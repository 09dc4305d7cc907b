"""The operator's log: what starts, stops, fails and recovers. One JSON object a line; text on a terminal."""

import logging
import sys

import structlog

_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access")
"""One line for each malformed request is a way to fill a disk; what matters of it stands in the decision log."""


def configure(level: str) -> None:
    """Send structlog's and the libraries' messages to stderr. Called once, by whoever starts the program."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    for noisy in _QUIET:
        logging.getLogger(noisy).disabled = True
