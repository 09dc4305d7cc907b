"""Backends through reloads: what stayed is kept, what went ends when nothing of it is under way."""

import asyncio
from collections.abc import Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from guard.model.policy import Service
from guard.model.upstream_policy import UpstreamTls
from guard.upstream.backend import Backend
from guard.upstream.succession import Succession
from tests.build import service
from tests.upstream.asking import until
from tests.upstream.build_allow import monotonic_ms


class _Watched(Backend):
    """A backend that tells what became of it."""

    begun = 0
    closed = 0
    asked = 0

    @property
    def busy(self) -> int:
        return self.asked

    def start(self) -> None:
        self.begun += 1

    async def aclose(self) -> None:
        self.closed += 1
        await super().aclose()


def _at(*names: str, port: int = 9, **changes: Any) -> tuple[Service, ...]:
    upstream = msgspec.structs.replace(service().upstream, urls=(f"http://127.0.0.1:{port}",), **changes)
    return tuple(service(name=name, upstream=upstream) for name in names)


class _Succession(Succession):
    def __init__(self, linger_s: float = 0) -> None:
        self.made: list[_Watched] = []
        self.lingered: list[frozenset[str]] = []

        def make(served: Service) -> Backend:
            self.made.append(_Watched(served.upstream, monotonic_ms))
            return self.made[-1]

        def linger(services: Iterable[Service]) -> float:
            self.lingered.append(frozenset(each.name for each in services))
            return linger_s

        super().__init__(make, linger)

    def take(self, *services: Service) -> None:
        self.adopt(self.prepared(services))


@asynccontextmanager
async def _succession(linger_s: float = 0) -> Any:
    succession = _Succession(linger_s)
    yield succession
    await succession.aclose()


async def test_a_service_whose_backend_stayed_as_it_was_keeps_it() -> None:
    async with _succession() as succession:
        [before], [after] = _at("a"), _at("a")
        succession.take(before)
        succession.take(after)
        assert succession.of(after) is succession.made[0]
        assert len(succession.made) == 1
        await until(lambda: not succession._retiring)
        assert (succession.made[0].begun, succession.made[0].closed) == (1, 0)
        with pytest.raises(KeyError):
            succession.of(before)


async def test_a_message_that_was_judged_before_finds_the_backend_of_its_own_policy() -> None:
    async with _succession(linger_s=60) as succession:
        [before], [after] = _at("a"), _at("a", port=10)
        succession.take(before)
        succession.take(after)
        assert succession.of(before) is succession.made[0]
        assert succession.of(after) is succession.made[1]
        await asyncio.sleep(0)
        assert succession.lingered == [frozenset({"a"})]
        assert succession.made[0].closed == 0


async def test_what_is_under_way_keeps_a_removed_backend_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("guard.upstream.succession._IDLE_POLL_S", 0.001)
    async with _succession() as succession:
        gone, stays = _at("a", "b")
        succession.take(gone, stays)
        succession.made[0].asked = 1
        succession.take(stays)
        await asyncio.sleep(0.02)
        assert succession.made[0].closed == 0
        succession.made[0].asked = 0
        await until(lambda: succession.made[0].closed == 1)
        assert succession.made[1].closed == 0


async def test_what_is_prepared_and_not_adopted_changes_nothing() -> None:
    async with _succession() as succession:
        [before] = _at("a")
        succession.take(before)
        succession.prepared(_at("a", port=10))
        assert succession.made[1].begun == 0
        assert succession.of(before) is succession.made[0]


async def test_a_service_that_comes_back_before_it_was_forgotten_stays() -> None:
    async with _succession(linger_s=0.02) as succession:
        [one], [two] = _at("a"), _at("a", port=10)
        succession.take(one)
        succession.take(two)
        succession.take(one)
        await until(lambda: not succession._retiring)
        assert succession.of(one) is succession.made[0]
        assert (succession.made[0].closed, succession.made[1].closed) == (0, 1)


async def test_a_certificate_that_was_replaced_makes_a_new_backend(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    async with _succession() as succession:
        succession.take(*_at("a", tls=UpstreamTls(ca=str(ca))))
        ca.write_text("first")
        succession.take(*_at("a", tls=UpstreamTls(ca=str(ca))))
        succession.take(*_at("a", tls=UpstreamTls(ca=str(ca))))
        assert len(succession.made) == 2


async def test_all_are_closed_at_the_end_those_that_linger_too() -> None:
    async with _succession(linger_s=60) as succession:
        succession.take(*_at("a"))
        succession.take(*_at("a", port=10))
    assert [backend.closed for backend in succession.made] == [1, 1]


async def test_a_service_that_stands_in_for_another_has_its_backend_and_both_are_found() -> None:
    succession = _Succession(linger_s=60)
    [base] = _at("spot")
    succession.take(base)
    [first], [second] = _at("spot"), _at("spot")
    succession.stand_in({first: base})
    succession.stand_in({second: base})
    backend = succession.of(base)
    assert succession.of(first) is succession.of(second) is backend
    assert (len(succession.made), succession.made[0].begun, succession.made[0].closed) == (1, 1, 0)
    await succession.aclose()
