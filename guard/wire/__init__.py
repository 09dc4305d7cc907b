"""Bytes to values and back: HTTP fields, paths, addresses, structured fields, problems. No sockets, no policy."""
