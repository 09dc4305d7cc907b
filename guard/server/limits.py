"""How much a client may send, hold and wait before the listener gives it up. Bytes, counts and milliseconds."""

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The bounds of one listener. What goes over the first four is refused with 431, what is too slow with 408."""

    head_bytes_max: int = 64 * 1024
    """Request line and fields together, with the empty line behind them."""
    fields_max: int = 100
    field_bytes_max: int = 16 * 1024
    """One field: name and value."""
    target_bytes_max: int = 16 * 1024
    chunk_line_bytes_max: int = 256
    """A chunk's size with its extension."""
    chunk_extension_bytes_max: int = 4 * 1024
    """All extensions of one body."""
    trailer_bytes_max: int = 8 * 1024
    """The trailer section."""
    read_ahead_bytes_max: int = 64 * 1024
    """Of a body that nobody has taken yet, or of requests behind the one being answered; beyond it nothing is read."""
    handshake_ms: int = 10_000
    """For the PROXY header and the TLS handshake together."""
    head_ms: int = 10_000
    """From the first byte of a head to its last; for a new connection, from its beginning."""
    body_progress_ms: int = 10_000
    """In each such time, while the application waits for the body, `body_progress_bytes_min` must come or its end."""
    body_progress_bytes_min: int = 1024
    idle_ms: int = 75_000
    """Between an answer and the next request."""
    write_stall_ms: int = 20_000
    """How long a client may leave more than 64 KiB of its answer unread."""
    linger_ms: int = 2_000
    """After the last answer, so that a client that is still sending reads it before the connection is reset."""
    linger_bytes_max: int = 1024 * 1024
    """How much is read and dropped meanwhile."""
    connections_max: int = 10_000
    """Connections beyond are answered 503 and closed unread; with TLS or the PROXY protocol, closed."""
    connections_per_address_max: int = 0
    """The same for one client address (IPv6: a network of 64 bits); 0 does not count them."""
    drain_idle_ms: int = 500
    """When the listener stops: how long an idle client may still send a request, so that none is cut off on its way."""
