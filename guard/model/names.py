"""The ids and units that every room shares, as distinct types, so that one cannot be passed for another."""

from typing import NewType

UnixMs = NewType("UnixMs", int)
"""Milliseconds since 1970-01-01T00:00:00Z."""

KeyId = NewType("KeyId", str)
AccountId = NewType("AccountId", str)
RequestId = NewType("RequestId", str)
Address = NewType("Address", str)
"""A client's IP address in canonical text: IPv4-mapped IPv6 is IPv4, no zone id."""
