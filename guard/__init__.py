"""guard: the security gateway for trading APIs. Start reading in `core/pipeline.py`: the order of all checks."""

__version__ = "0.1.0"
