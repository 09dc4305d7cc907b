"""Nouns that the rooms pass to each other: frozen values, no behaviour beyond what a value says about itself.

Nothing here awaits, reads a clock, opens a file or knows a format.
"""
