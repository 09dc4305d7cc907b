"""Load upon a running gateway. Neither part of the program nor of its tests."""
