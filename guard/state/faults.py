"""What goes wrong with what state depends on: a file or a database, named, with the remedy. Never about a client."""


class StateError(Exception):
    """Something that state depends on did not answer or cannot be used. The text says what, where and the remedy."""
