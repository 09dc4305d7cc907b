"""YAML becomes a compiled policy, once, when it is loaded: strict reading, shape, names, meaning.

Nothing here runs while a request is decided, and nothing here opens a socket. Everything that is wrong is a Diagnostic
with file, line and column; nothing is guessed and nothing is ignored.
"""
