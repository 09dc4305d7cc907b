"""A key directory for tests: a dictionary."""

from guard.model.halts import Halt, Halts, halts_of
from guard.model.keys import KeyRecord
from guard.model.names import KeyId, UnixMs
from guard.model.questions import Unavailable
from guard.state.protocols import KeyDirectory


class Keys(KeyDirectory):
    """Finds what it was given; `down` makes it answer nothing."""

    def __init__(self, *records: KeyRecord) -> None:
        self.records = {record.id: record for record in records}
        self.touched: list[KeyId] = []
        self.down = False
        self.halted: tuple[Halt, ...] = ()

    @property
    def halts(self) -> Halts:
        return halts_of(self.halted)

    def find(self, key_id: KeyId, now: UnixMs) -> KeyRecord | Unavailable | None:  # noqa: ARG002
        return Unavailable("keys") if self.down else self.records.get(key_id)

    def touch(self, key_id: KeyId, now: UnixMs) -> None:  # noqa: ARG002
        self.touched.append(key_id)
