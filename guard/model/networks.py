"""Networks in CIDR form, of which there may be very many."""


class Networks(tuple[str, ...]):  # noqa: SLOT001  # a tuple takes none
    """They hash once: a tuple of thousands, asked for with each request as a key of a cache, would do so each time."""

    _hash: int | None = None

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = super().__hash__()
        return self._hash
