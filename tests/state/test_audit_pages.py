import pytest

from guard.model.audit import Deed, Subject, Touched
from guard.model.names import UnixMs
from guard.state.audit_pages import RecordFilter, record_page
from guard.state.faults import StateError
from guard.state.sql_schema import AUDIT_RECORDS
from guard.state.vault import Vault

ANY = RecordFilter()


async def filled(vault: Vault, count: int = 6) -> None:
    """Records 1 to `count`: odd ones by alice on a key, even ones by bob on a token; at 10, 20, …"""
    for number in range(1, count + 1):
        actor, kind = ("alice", "key") if number % 2 else ("bob", "admin_token")
        deed = Deed(command=f"c{number}", actor=actor, why="", at=UnixMs(10 * number))
        await vault.trail.append_event(deed, Touched(subject=Subject(kind, f"s{number}")))


async def test_pages_lead_from_the_newest_to_the_first(vault: Vault) -> None:
    await filled(vault)
    first = await record_page(vault.database, ANY, before=None, count_max=4)
    assert ([each.number for each in first.records], first.next) == ([6, 5, 4, 3], 3)
    last = await record_page(vault.database, ANY, before=3, count_max=4)
    assert ([each.number for each in last.records], last.next) == ([2, 1], None)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (RecordFilter(kind="key"), [5, 3, 1]),
        (RecordFilter(subject="s2"), [2]),
        (RecordFilter(actor="bob"), [6, 4, 2]),
        (RecordFilter(command="c3"), [3]),
        (RecordFilter(since_ms=40, until_ms=60), [5, 4]),
        (RecordFilter(kind="key", actor="bob"), []),
    ],
)
async def test_a_filter_is_exact(vault: Vault, wanted: RecordFilter, numbers: list[int]) -> None:
    await filled(vault)
    page = await record_page(vault.database, wanted, before=None, count_max=10)
    assert [each.number for each in page.records] == numbers


async def test_a_page_looks_at_a_bounded_number_and_says_where_to_go_on(vault: Vault) -> None:
    await filled(vault)
    page = await record_page(vault.database, RecordFilter(command="c1"), before=None, count_max=10, rows_max=4)
    assert (page.records, page.next) == ((), 3)
    page = await record_page(vault.database, RecordFilter(command="c1"), before=3, count_max=10, rows_max=4)
    assert ([each.number for each in page.records], page.next) == ([1], None)


async def test_a_record_that_cannot_be_read_is_said(vault: Vault) -> None:
    await filled(vault, 1)
    async with vault.database.writing() as connection:
        await connection.execute(AUDIT_RECORDS.update().values(document=b"{}"))
    with pytest.raises(StateError, match="audit record 1 cannot be read"):
        await record_page(vault.database, ANY, before=None, count_max=1)
