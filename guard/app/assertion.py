"""The key that signs assertions, opened from its file."""

from guard.settings import Settings
from guard.signing.assertion import AssertionKey
from guard.state.key_file import KeyFile


def open_assertion_key(settings: Settings) -> AssertionKey:
    """The key, made now if there is none yet. Raises KeyFileError if its file cannot be used."""
    file = KeyFile(settings.assertion_key, "assertion key", "name the file with GUARD_ASSERTION_KEY_FILE")
    return AssertionKey(file.load_or_create())
