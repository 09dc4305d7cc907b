"""The policies that were in force, newest last, with the contents of their files, so that each can be had again.

A version is written with its audit record, in one transaction under the head. Nodes that share a database read the same
files: the second to come to a version finds it there, and writes nothing.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import ColumnElement, RowMapping, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from guard.model.audit import Deed, Subject, Touched
from guard.model.policy_versions import DIGEST_DIGITS, VERSIONS_MAX, Narrowing, PolicyVersion
from guard.state.audit import append
from guard.state.database import Also, Database, nothing_else
from guard.state.head import locked_head
from guard.state.releases import write_in_force
from guard.state.sql_schema import POLICY_VERSIONS

_SUBJECT = Subject("policy", "files")
_ORDERED_DEADLINE_S = 2.0
_KNOWN = (
    POLICY_VERSIONS.c.number,
    POLICY_VERSIONS.c.digest,
    POLICY_VERSIONS.c.at,
    POLICY_VERSIONS.c.actor,
    POLICY_VERSIONS.c.why,
    POLICY_VERSIONS.c.summary,
)


class Contents(msgspec.Struct, frozen=True):
    """Policy files by path, the fingerprint that names them, and what was held back of each scheme when they came."""

    fingerprint: str
    files: Mapping[str, bytes]
    held: Mapping[str, Narrowing] = {}

    @property
    def digest(self) -> str:
        """What people call them by. It tells nothing apart that somebody wants to be taken for the same."""
        return self.fingerprint[:DIGEST_DIGITS]


class PolicyHistory:
    """The versions of one database. Raises DatabaseError if it cannot be used."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self,
        before: Contents,
        after: Contents,
        summary: str,
        deed: Deed,
        *,
        ordered: bool = False,
        also: Also = nothing_else,
    ) -> int:
        """`after` comes in the place of `before`, which is kept too if nobody has written it down. Gives its number.

        An `ordered` version is written in any case: every node takes it. `also` is written in any case too.
        """
        async with self._database.writing() as connection:
            await locked_head(connection)  # one node after the other
            last = await _last(connection)
            number, newest = (0, None) if last is None else (last["number"], last["fingerprint"])
            same = newest == after.fingerprint
            await write_in_force(connection, after.fingerprint)
            await also(connection)
            if same and not ordered:
                return number
            if not same and newest != before.fingerprint:
                number += 1
                await _write(connection, number, before, Deed(command="", actor="", why="", at=deed.at), "")
            await _write(connection, number + 1, after, deed, summary, ordered=ordered)
            oldest = number + 1 - VERSIONS_MAX
            await connection.execute(delete(POLICY_VERSIONS).where(POLICY_VERSIONS.c.number <= oldest))
            touched = Touched(
                subject=_SUBJECT,
                before={"digest": before.digest},
                after={"digest": after.digest, "summary": summary},
            )
            await append(connection, deed, [touched])
            return number + 1

    async def began(self, contents: Contents, deed: Deed) -> None:
        """These are in force from a start on: what comes later has a predecessor with an author."""
        async with self._database.writing() as connection:
            await locked_head(connection)
            last = await _last(connection)
            await write_in_force(connection, contents.fingerprint)
            if last is not None and last["fingerprint"] == contents.fingerprint:
                return
            await _write(connection, 1 if last is None else last["number"] + 1, contents, deed, "")
            before = None if last is None else {"digest": last["digest"]}
            await append(
                connection, deed, [Touched(subject=_SUBJECT, before=before, after={"digest": contents.digest})]
            )

    async def ordered(self) -> PolicyVersion | None:
        """The last version that every node is to take. Asked each second, so it is one round trip: a slow database has
        no connections to spare for more.
        """
        query = select(*_KNOWN).where(POLICY_VERSIONS.c.ordered).order_by(POLICY_VERSIONS.c.number.desc()).limit(1)
        async with self._database.asking(_ORDERED_DEADLINE_S) as connection:
            row = (await connection.execute(query)).mappings().first()
        return None if row is None else _version(row)

    async def last(self) -> Contents | None:
        """What came into force last, on any node."""
        query = select(POLICY_VERSIONS.c.fingerprint, POLICY_VERSIONS.c.files, POLICY_VERSIONS.c.held)
        async with self._database.reading() as connection:
            row = (await connection.execute(query.order_by(POLICY_VERSIONS.c.number.desc()).limit(1))).first()
        if row is None:
            return None
        files = msgspec.msgpack.decode(row.files, type=dict[str, bytes])
        return Contents(row.fingerprint, files, msgspec.json.decode(row.held, type=dict[str, Narrowing]))

    async def all(self) -> tuple[PolicyVersion, ...]:
        """Every version that is kept, newest first."""
        async with self._database.reading() as connection:
            rows = await connection.execute(select(*_KNOWN).order_by(POLICY_VERSIONS.c.number.desc()))
            return tuple(_version(row) for row in rows.mappings())

    async def files(self, digest: str) -> dict[str, bytes] | None:
        """The contents of the newest version that is called so, by path; None if there is none."""
        return await self._files(POLICY_VERSIONS.c.digest == digest)

    async def files_of(self, version: PolicyVersion) -> dict[str, bytes] | None:
        """The contents of this very version, by path; None if it is not kept."""
        return await self._files(POLICY_VERSIONS.c.number == version.number)

    async def _files(self, chosen: ColumnElement[bool]) -> dict[str, bytes] | None:
        query = select(POLICY_VERSIONS.c.files).where(chosen).order_by(POLICY_VERSIONS.c.number.desc()).limit(1)
        async with self._database.reading() as connection:
            found = await connection.scalar(query)
        return None if found is None else msgspec.msgpack.decode(found, type=dict[str, bytes])


async def _last(connection: AsyncConnection) -> RowMapping | None:
    known = POLICY_VERSIONS.c.number, POLICY_VERSIONS.c.digest, POLICY_VERSIONS.c.fingerprint
    rows = await connection.execute(select(*known).order_by(POLICY_VERSIONS.c.number.desc()).limit(1))
    return rows.mappings().first()


async def _write(
    connection: AsyncConnection, number: int, contents: Contents, deed: Deed, summary: str, *, ordered: bool = False
) -> None:
    row = {
        "number": number,
        "digest": contents.digest,
        "fingerprint": contents.fingerprint,
        "at": deed.at,
        "actor": deed.actor,
        "why": deed.why,
        "summary": summary,
        "files": msgspec.msgpack.encode(dict(contents.files)),
        "ordered": ordered,
        "held": msgspec.json.encode(contents.held).decode(),
    }
    await connection.execute(insert(POLICY_VERSIONS), [row])


def _version(row: RowMapping) -> PolicyVersion:
    return PolicyVersion(**row)
