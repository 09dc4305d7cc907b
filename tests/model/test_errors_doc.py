"""docs/errors.md says of each row of the reasons table what the table says, and has no row of its own."""

import re
from pathlib import Path

import msgspec
import pytest

from guard.model.reasons import TABLE, Reason

_DOC = Path(__file__).parents[2] / "docs" / "errors.md"
_ROW = re.compile(r"^\| `(?P<code>[a-z]+\.[a-z_*]+)` \| (?P<status>[0-9]{3}) \|(?P<rest>.*)\|$", re.MULTILINE)


class Row(msgspec.Struct, frozen=True):
    """A row of the document: code, status, what the client sees, and the three columns for people."""

    code: str
    status: int
    seen: str
    means: str
    client: str
    operator: str


def _rows() -> tuple[Row, ...]:
    found = []
    for match in _ROW.finditer(_DOC.read_text()):
        seen, means, client, operator = (cell.strip() for cell in match["rest"].split("|"))
        found.append(Row(match["code"], int(match["status"]), seen.strip("`"), means, client, operator))
    return tuple(found)


_BY_CODE = {row.code: row for row in _rows()}


def test_the_document_has_the_rows_of_the_table_in_its_order() -> None:
    assert [row.code for row in _rows()] == [row.code for row in TABLE]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_the_document_tells_status_and_public_code_as_the_table_does(row: Reason) -> None:
    told = _BY_CODE[row.code]
    assert told.status == row.status
    assert told.seen == row.public.replace("*", "NAME")


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.code)
def test_the_document_says_what_a_code_means_and_where_the_operator_looks(row: Reason) -> None:
    assert _BY_CODE[row.code].means
    assert _BY_CODE[row.code].operator
