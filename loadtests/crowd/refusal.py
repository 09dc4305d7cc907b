"""What cannot be run as it was asked for."""


class Refusal(Exception):  # noqa: N818  # a fault of whoever asks, not of the program
    """Why, and what to do instead: one line for a person."""
