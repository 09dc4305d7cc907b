"""Several workers behind one supervisor: started, replaced and stopped, and nothing in flight is lost."""

import asyncio
import signal
import socket
from collections import Counter
from pathlib import Path

import pytest

from tests.system.running_crew import (
    FOREVER,
    Client,
    RunningCrew,
    clients,
    eventually,
    is_alive,
    kill,
    running_crew,
    until,
)

pytestmark = pytest.mark.system


def _pids(asking: list[Client]) -> set[int]:
    return {pid for client in asking for pid in client.answers}


async def _ready_again(crew: RunningCrew) -> None:
    await until(crew.readyz, lambda answer: answer[0] == 200)


async def test_it_is_ready_once_all_workers_are(tmp_path: Path) -> None:
    crew = RunningCrew(tmp_path, behaviour="wait", workers=3)
    try:
        told = await until(crew.readyz, lambda answer: answer[1] == [f"worker {n}: the test" for n in (1, 2, 3)])
        assert told[0] == 503
        crew.behave("serve")
        await crew.says("ready")
        assert await crew.readyz() == (200, [])
    finally:
        crew.close()


async def test_few_clients_that_keep_their_connections_are_spread_over_all_workers(tmp_path: Path) -> None:
    """Connecting at once, when the first worker that wakes could take all sixteen. Four to each is even. On a busy
    machine a worker that does not run for a moment is given none, so they come twenty times: by chance, without any
    spread, one of eight times looks like one.
    """
    seen: list[list[int]] = []
    async with running_crew(tmp_path, workers=4) as crew:
        for _ in range(20):
            async with clients(crew, 16, times=FOREVER) as asking:
                seen.append([*Counter(next(iter(client.answers)) for client in asking).values()])
    assert sum(map(_is_spread, seen)) >= 10, seen


def _is_spread(homes: list[int]) -> bool:
    """Whether each of four workers has clients, and none has most of them."""
    return len(homes) == 4 and max(homes) <= 12


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_stopping_under_load_loses_nothing_refuses_newcomers_and_exits_with_0(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with running_crew(tmp_path, answer_ms=20) as crew, clients(crew, 24) as asking:
        pids = _pids(asking)
        crew.signal(number)
        await crew.says("draining")
        assert await crew.ended() == 0
        await eventually(lambda: all(client.running.done() for client in asking))
        assert sum(client.lost for client in asking) == 0
        assert all(client.refused for client in asking)
        assert not any(is_alive(pid) for pid in pids)
        assert "Traceback" not in crew.errors


async def test_a_worker_that_is_killed_is_replaced_and_only_its_own_clients_notice(tmp_path: Path) -> None:
    async with running_crew(tmp_path) as crew, clients(crew, 8, times=FOREVER) as asking:
        victim = next(iter(asking[0].answers))
        own = [client for client in asking if victim in client.answers]
        kill(victim, signal.SIGKILL)
        status, waiting_for = await until(crew.readyz, lambda answer: answer[0] != 200)
        assert status == 503, "not ready while a worker is being replaced"
        assert waiting_for in (["worker 1: starting"], ["worker 2: starting"])
        await _ready_again(crew)
        assert [client.lost for client in asking] == [int(client in own) for client in asking]
        assert not any(client.refused for client in asking), "whoever came meanwhile was served by the other"
        assert (await crew.samples())["guard_worker_restarts_total", ""] == 1
        async with clients(crew, 4) as newcomers:  # whom the kernel may give to the other worker, for a while
            await eventually(lambda: len(_pids([*asking, *newcomers])) == 3)


async def test_a_worker_that_is_told_to_end_finishes_what_it_does_and_is_replaced(tmp_path: Path) -> None:
    async with running_crew(tmp_path, answer_ms=20) as crew, clients(crew, 8) as asking:
        first = _pids(asking)
        kill(min(first), signal.SIGTERM)
        await eventually(lambda: len(_pids(asking)) == 3)
        await _ready_again(crew)
        assert sum(client.lost for client in asking) == 0
        assert not is_alive(min(first))


async def test_metrics_are_the_sum_of_all_workers_and_of_those_that_are_gone(tmp_path: Path) -> None:
    async with running_crew(tmp_path) as crew, clients(crew, 8) as asking:
        kill(min(_pids(asking)), signal.SIGTERM)
        await eventually(lambda: len(_pids(asking)) == 3)
        kill(max(_pids(asking)), signal.SIGTERM)
        await eventually(lambda: len(_pids(asking)) == 4)
        for client in asking:
            await client.end()
        served = sum(client.served for client in asking)
        await until(crew.decisions, lambda decisions: decisions == served)
        samples = await crew.samples()
        assert samples["guard_workers", "ready"] == 2
        assert samples["guard_policy_info", "test"] == 1


async def test_totals_never_go_backwards_when_a_worker_is_killed(tmp_path: Path) -> None:
    async with running_crew(tmp_path) as crew, clients(crew, 4) as asking:
        seen = [await until(crew.decisions, lambda decisions: decisions > 0)]
        kill(min(_pids(asking)), signal.SIGKILL)
        async with asyncio.timeout(20):
            while len(_pids(asking)) < 3:
                seen.append(await crew.decisions())
        await _ready_again(crew)
        seen.append(await until(crew.decisions, lambda decisions: decisions > seen[0]))
        assert seen == sorted(seen)


async def test_workers_whose_supervisor_is_killed_finish_what_they_do_and_end(tmp_path: Path) -> None:
    async with running_crew(tmp_path, answer_ms=50) as crew, clients(crew, 8) as asking:
        await eventually(lambda: len(_pids(asking)) == 2)
        pids = _pids(asking)
        crew.signal(signal.SIGKILL)
        await eventually(lambda: not any(is_alive(pid) for pid in pids))
        await eventually(lambda: all(client.running.done() for client in asking))
        assert sum(client.lost for client in asking) == 0
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", crew.port)) != 0


async def test_a_second_signal_ends_everything_at_once(tmp_path: Path) -> None:
    async with running_crew(tmp_path, grace_s=60) as crew, clients(crew, 4) as asking:
        pids = _pids(asking)
        _, writer = await crew.connect()
        writer.write(b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n")
        for client in asking:
            await client.end()
        crew.signal(signal.SIGTERM)
        await crew.says("draining")
        crew.signal(signal.SIGTERM)
        assert await crew.ended(10) == 1
        assert not any(is_alive(pid) for pid in pids)
        writer.close()
        assert "before they had finished" in crew.errors


@pytest.mark.parametrize(
    ("behaviour", "says"),
    [("refuse", "the test wants no worker"), ("die", "5 workers in a row ended young, the last with code -9")],
)
async def test_workers_that_cannot_start_end_the_supervisor_with_a_clear_message(
    tmp_path: Path, behaviour: str, says: str
) -> None:
    crew = RunningCrew(tmp_path, behaviour=behaviour)
    try:
        assert await crew.ended(30) == 1
        assert says in crew.errors.splitlines()[-1]
        assert "Traceback" not in crew.errors
    finally:
        crew.close()


async def test_a_replacement_that_cannot_start_is_tried_again_while_the_others_serve(tmp_path: Path) -> None:
    async with running_crew(tmp_path) as crew, clients(crew, 4) as asking:
        crew.behave("refuse")
        kill(next(iter(asking[0].answers)), signal.SIGKILL)
        await until(crew.samples, lambda samples: samples["guard_worker_restarts_total", ""] >= 5, 40)
        assert crew.process.poll() is None
        served = asking[0].served
        await eventually(lambda: asking[0].served > served)
        crew.behave("serve")
        await _ready_again(crew)


async def test_a_unix_socket_is_shared_alike_and_gone_in_the_end(tmp_path: Path) -> None:
    async with running_crew(tmp_path, unix=True, workers=3) as crew, clients(crew, 9) as asking:
        await eventually(lambda: len(_pids(asking)) == 3)
        kill(min(_pids(asking)), signal.SIGKILL)
        await eventually(lambda: len(_pids(asking)) == 4)
        crew.signal(signal.SIGTERM)
        assert await crew.ended() == 0
        assert crew.unix is not None
        assert not crew.unix.exists()


async def test_an_address_that_is_taken_is_told_before_any_worker_starts(tmp_path: Path) -> None:
    async with running_crew(tmp_path) as crew:
        other = RunningCrew(tmp_path, port=crew.port)
        assert await other.ended() == 1
        assert "Address already in use" in other.errors
        other.close()
