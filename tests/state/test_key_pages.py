import pytest

from guard.model.keys import KeyState
from guard.model.names import KeyId, UnixMs
from guard.state.key_pages import KeyFilter, key_page
from guard.state.key_rows import view
from guard.state.vault import Vault
from tests.state.key_records import CREATED, deed, record

ANY = KeyFilter()


async def ids(vault: Vault, wanted: KeyFilter = ANY, *, after: str | None = None, most: int = 10) -> list[str]:
    page = await key_page(vault.database, wanted, after=None if after is None else KeyId(after), count_max=most)
    return [key.id for key in page]


async def test_a_page_holds_keys_as_they_are_shown(vault: Vault) -> None:
    await vault.keys.insert([record("k1")], deed())
    found = await vault.keys.find(KeyId("k1"))
    assert found is not None
    assert await key_page(vault.database, ANY, after=None, count_max=1) == (view(found),)


async def test_pages_go_by_age_and_then_by_id(vault: Vault) -> None:
    await vault.keys.insert([record("b"), record("a"), record("c", created_at=UnixMs(CREATED - 1))], deed())
    assert await ids(vault) == ["c", "a", "b"]
    assert await ids(vault, most=2) == ["c", "a"]
    assert await ids(vault, after="c") == ["a", "b"]
    assert await ids(vault, after="a") == ["b"]
    assert await ids(vault, after="b") == []
    assert await ids(vault, after="nobody") == []


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (KeyFilter(account="acme"), ["a"]),
        (KeyFilter(state="suspended"), ["b"]),
        (KeyFilter(scope="trade"), ["b"]),
        (KeyFilter(scope="trad"), []),
        (KeyFilter(scope="trad_"), []),
        (KeyFilter(scope="%"), []),
        (KeyFilter(lineage="b", scope="read"), ["b"]),
        (KeyFilter(algorithm="rsa"), []),
    ],
)
async def test_a_filter_is_exact(vault: Vault, wanted: KeyFilter, found: list[str]) -> None:
    one = record("a", account="acme", scopes=frozenset({"read"}))
    other = record("b", account="beta", scopes=frozenset({"read", "trade"}), state=KeyState.SUSPENDED)
    await vault.keys.insert([one, other], deed())
    assert await ids(vault, wanted) == found
