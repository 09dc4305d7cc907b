import asyncio
import itertools
import select
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from guard.model.exchange import Sent
from guard.upstream.answer import Answer, UpstreamFailure
from guard.upstream.body_stream import BodyStream
from guard.upstream.connection import Connection
from tests.upstream.asking import asking, until, whole
from tests.upstream.build_allow import monotonic_ms
from tests.upstream.scripted_backend import OK, Peer, answering
from tests.upstream.wire_cases import BROKEN, CASES, CHUNKED, Case

END_MS = 10_000
STREAMED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n"


class Wire(asyncio.Transport):
    """A transport in memory, with a real socket that nothing is sent on."""

    def __init__(self, unsent_bytes: int = 0) -> None:
        super().__init__()
        self.near, self.far = socket.socketpair()
        self.written: list[bytes] = []
        self.calls: list[str] = []
        self.options: list[tuple[int, ...]] = []
        self.unsent_bytes = unsent_bytes
        self.held_bytes_max: int | None = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self if name == "socket" else default

    def fileno(self) -> int:
        return self.near.fileno()

    def setsockopt(self, *option: int) -> None:
        self.options.append(option)

    def get_write_buffer_size(self) -> int:
        return self.unsent_bytes

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002
        self.held_bytes_max = high

    def is_closing(self) -> bool:
        return "abort" in self.calls

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")

    def write(self, data: Any) -> None:
        self.written.append(data)

    def writelines(self, list_of_data: Any) -> None:
        self.written += list_of_data


class Bench:
    """One connection, its wire, its home and its clock."""

    def __init__(self, *, unsent_bytes: int = 0) -> None:
        self.now_ms = 0
        self.came: list[bool] = []
        self.heard: list[str] = []
        self.left = 0
        self.wire = Wire(unsent_bytes)
        self.connection = Connection(self, lambda: self.now_ms, 4000)
        self.connection.connection_made(self.wire)

    def answered(self) -> None:
        self.heard.append("answered")

    def failed(self) -> None:
        self.heard.append("failed")

    def came_back(self, connection: Connection, *, clean: bool) -> None:
        assert connection is self.connection
        self.came.append(clean)

    def gone(self, connection: Connection) -> None:
        assert connection is self.connection
        self.left += 1

    def ask(self, verb: str = "GET", **changes: Any) -> asyncio.Future[Answer]:
        times = {"respond_by_ms": 1000, "end_by_ms": END_MS, **changes}
        return self.connection.ask(verb, b"HEAD", b"BODY", **times)

    def end(self) -> None:
        self.connection.connection_lost(None)
        self.wire.near.close()
        self.wire.far.close()


@pytest.mark.parametrize("name", [*CASES, "streamed"])
@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 120), max_size=8))
def test_every_split_of_an_answer_reaches_its_asker_the_same(name: str, cuts: list[int]) -> None:
    case = CASES.get(name) or Case(
        STREAMED + b"A\r\n0123456789\r\n0\r\nx-sum: 7\r\n\r\n",
        200,
        CHUNKED,
        b"hi0123456789",
        trailers=((b"x-sum", b"7"),),
    )

    async def exchange() -> tuple[object, ...]:
        bench = Bench()
        asked = bench.ask(case.verb)
        edges = [0, *sorted(cut for cut in cuts if cut < len(case.wire)), len(case.wire)]
        for at, to in itertools.pairwise(edges):
            bench.connection.data_received(case.wire[at:to])
        answer = await asked
        body = await whole(answer)
        kept = bench.came == [True] and not bench.wire.is_closing()
        bench.end()
        assert (bench.heard, len(bench.came)) == (["answered"], 1)
        return answer.status, answer.reason, list(answer.fields), body, tuple(answer.trailers), kept

    expected = (case.status, case.reason, case.fields, case.body, case.trailers, case.reusable)
    assert asyncio.run(exchange()) == expected


@pytest.mark.parametrize("name", BROKEN)
@settings(max_examples=10)
@given(cuts=st.lists(st.integers(1, 120), max_size=4))
def test_no_split_makes_an_answer_of_what_is_none(name: str, cuts: list[int]) -> None:
    wire = BROKEN[name]

    async def exchange() -> Sent:
        bench = Bench()
        asked = bench.ask("POST")
        for at, to in itertools.pairwise([0, *sorted(cut for cut in cuts if cut < len(wire)), len(wire)]):
            bench.connection.data_received(wire[at:to])
        with pytest.raises(UpstreamFailure, match=r"upstream\.broken") as failure:
            await whole(await asked)
        assert (bench.came, bench.wire.is_closing()) == ([False], True)
        bench.end()
        return failure.value.sent

    assert asyncio.run(exchange()) in (Sent.UNKNOWN, Sent.YES)


async def test_small_request_is_one_write_and_a_large_body_is_not_copied() -> None:
    bench = Bench()
    bench.ask()
    assert bench.wire.written == [b"HEADBODY"]
    body = b"x" * 70_000
    other = Bench()
    other.connection.ask("POST", b"HEAD", body, respond_by_ms=1, end_by_ms=1)
    assert other.wire.written[1] is body
    bench.end()
    other.end()


async def test_request_is_with_the_kernel_before_the_loop_turns() -> None:
    async with asking(answering(OK)) as it:
        connection = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        await until(lambda: it.backend.connections == 1)
        asked = connection.ask("POST", b"HEAD", b"BODY", respond_by_ms=1, end_by_ms=1)
        arrived = select.poll()
        arrived.register(it.backend.peers[0].writer.get_extra_info("socket").fileno(), select.POLLIN)
        assert arrived.poll(1000)  # blocks the loop, so that nothing can be sent meanwhile
        connection.withdraw(asked)


def _kernel_bytes_max() -> int:
    """The most that the system buffers between two sockets: what one may send, and what the other may receive."""
    limits = (Path(f"/proc/sys/net/ipv4/tcp_{way}mem").read_text() for way in "wr")
    return sum(int(limit.split()[2]) for limit in limits)


async def test_body_larger_than_the_kernel_takes_is_sent_whole_and_makes_the_next_piece_wait() -> None:
    piece = b"x" * (_kernel_bytes_max() + 1)

    async def script(peer: Peer) -> None:
        received = await peer.request()
        assert len(received.body) == 2 * len(piece)
        await peer.send(OK)

    async with asking(script) as it:
        connection = await it.pool.take(monotonic_ms() + 1000, stranger=False)
        end_ms = monotonic_ms() + 15_000
        head = b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % (2 * len(piece))
        asked = connection.ask("POST", head, b"", respond_by_ms=end_ms, end_by_ms=end_ms, more=True)
        for _ in range(2):
            sending = asyncio.ensure_future(connection.send(piece))
            await asyncio.sleep(0)
            assert not sending.done()
            await sending
            assert not connection._transport.get_write_buffer_size()
        connection.sent_all(end_ms)
        assert (await asked).status == 200


async def test_delay_of_small_packets_is_off() -> None:
    bench = Bench()
    assert bench.wire.options == [(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)]
    bench.end()
    async with asking(answering(OK)) as it:
        await it.ask()
        sock = it.pool._idle[0]._transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0


async def test_clean_exchange_comes_back_clean_once() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.connection.data_received(OK)
    assert ((await asked).body, bench.came, bench.wire.calls) == (b"hi", [True], [])
    bench.connection.withdraw(asked)
    assert bench.came == [True]
    bench.end()
    assert bench.left == 1


async def test_answer_to_head_is_whole_without_its_body() -> None:
    bench = Bench()
    asked = bench.ask("HEAD")
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    assert ((await asked).body, bench.came) == (b"", [True])
    bench.end()


@pytest.mark.parametrize(("said", "sent"), [(b"HTTP/1.1 200 OK\r\n", Sent.UNKNOWN), (STREAMED[:-4], Sent.YES)])
async def test_failure_says_whether_the_head_of_an_answer_came(said: bytes, sent: Sent) -> None:
    bench = Bench()
    asked = bench.ask()
    bench.connection.data_received(said)
    bench.connection.eof_received()
    with pytest.raises(UpstreamFailure) as failure:
        await whole(await asked)
    assert failure.value.sent == sent
    bench.end()


async def test_answer_to_a_request_that_was_not_sent_to_its_last_byte_ends_the_connection() -> None:
    bench = Bench(unsent_bytes=1)
    asked = bench.ask()
    bench.connection.data_received(OK)
    assert ((await asked).body, bench.came, bench.wire.calls) == (b"hi", [False], ["abort"])
    bench.end()


async def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    bench = Bench()
    bench.connection.rest()
    bench.connection.data_received(OK)
    assert (bench.wire.calls, bench.came) == (["abort"], [])
    bench.end()


async def test_end_that_comes_at_rest_closes_the_connection() -> None:
    bench = Bench()
    bench.connection.rest()
    bench.connection.eof_received()
    assert bench.wire.calls == ["abort"]
    bench.end()


@pytest.mark.parametrize(("rested", "said", "hung_up"), [(True, b"", True), (False, b"", False), (True, b"H", False)])
async def test_only_a_rested_connection_that_says_nothing_has_hung_up(rested: bool, said: bytes, hung_up: bool) -> None:  # noqa: FBT001
    bench = Bench()
    if rested:
        bench.connection.rest()
    asked = bench.ask()
    if said:
        bench.connection.data_received(said)
    bench.connection.eof_received()
    with pytest.raises(UpstreamFailure) as failure:
        await asked
    assert (failure.value.code, failure.value.sent) == ("upstream.broken", Sent.UNKNOWN)
    assert (bench.connection.hung_up, bench.came) == (hung_up, [False])
    bench.end()


async def test_timeout_is_no_hanging_up() -> None:
    bench = Bench()
    bench.connection.rest()
    asked = bench.ask(respond_by_ms=5)
    bench.now_ms = 5
    with pytest.raises(UpstreamFailure, match="timeout"):
        await asked
    assert not bench.connection.hung_up
    bench.end()


async def test_lost_connection_fails_the_exchange() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.connection.connection_lost(ConnectionResetError("reset"))
    with pytest.raises(UpstreamFailure, match="reset"):
        await asked
    assert (bench.came, bench.left) == ([False], 1)
    bench.end()


async def test_one_timer_follows_the_deadline_lazily() -> None:
    bench = Bench()
    bench.ask(respond_by_ms=20)
    bench.connection.data_received(OK)
    bench.now_ms = 10
    asked = bench.ask(respond_by_ms=40)
    bench.now_ms = 25
    await asyncio.sleep(0.06)  # the first timer fires, too early for this exchange
    assert not asked.done()
    bench.now_ms = 40
    with pytest.raises(UpstreamFailure, match="timeout"):
        await asyncio.wait_for(asked, 1)
    bench.end()


async def test_time_for_the_head_ends_with_the_time_for_all() -> None:
    bench = Bench()
    asked = bench.ask(respond_by_ms=9000, end_by_ms=5)
    bench.now_ms = 5
    with pytest.raises(UpstreamFailure, match="timeout"):
        await asyncio.wait_for(asked, 1)
    bench.end()


async def test_nearer_deadline_replaces_a_farther_one() -> None:
    bench = Bench()
    bench.connection.rest()
    asked = bench.ask(respond_by_ms=10)
    bench.now_ms = 10
    with pytest.raises(UpstreamFailure, match="timeout"):
        await asyncio.wait_for(asked, 1)
    await asyncio.sleep(0.005)
    bench.end()


async def test_rest_ends_after_the_idle_limit() -> None:
    bench = Bench()
    bench.connection._idle_ms = 5
    bench.connection.rest()
    bench.now_ms = 5
    await until(bench.wire.is_closing)
    assert (bench.came, bench.left) == ([], 0)
    bench.end()


async def test_timer_of_a_closed_connection_does_nothing() -> None:
    bench = Bench()
    bench.connection._idle_ms = 5
    bench.connection.rest()
    bench.connection.close()
    bench.now_ms = 5
    await asyncio.sleep(0.02)
    assert bench.wire.calls == ["abort"]
    bench.end()


async def test_withdrawing_ends_the_exchange_that_it_belongs_to() -> None:
    bench = Bench()
    asked = bench.ask()
    asked.cancel()
    bench.connection.withdraw(asked)
    assert (bench.came, bench.wire.calls) == ([False], ["abort"])
    bench.end()


async def test_withdrawing_after_the_head_abandons_the_body() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.connection.data_received(STREAMED)
    bench.connection.withdraw(asked)
    bench.connection.withdraw(asked)
    assert (bench.came, bench.wire.calls) == ([False], ["abort"])
    with pytest.raises(UpstreamFailure, match="nobody read"):
        await whole(asked.result())
    bench.end()


async def test_withdrawing_after_a_failure_changes_nothing() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.connection.eof_received()
    bench.connection.withdraw(asked)
    assert bench.came == [False]
    bench.end()


@pytest.mark.parametrize(("wire", "clean"), [(OK, True), (STREAMED, False), (b"nonsense", False)])
async def test_what_comes_for_an_asker_who_was_just_cancelled_reaches_nobody(wire: bytes, clean: bool) -> None:  # noqa: FBT001
    bench = Bench()
    asked = bench.ask()
    asked.cancel()
    bench.connection.data_received(wire)
    bench.connection.withdraw(asked)
    assert bench.came == [clean]
    bench.end()


async def test_reading_pauses_when_nobody_reads_and_goes_on_when_somebody_does() -> None:
    bench = Bench()
    asked = bench.ask()
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n" + b"x" * 200_000)
    assert bench.wire.calls == []
    bench.connection.data_received(b"x" * 100_000)
    assert bench.wire.calls == ["pause"]
    body = (await asked).body
    assert isinstance(body, BodyStream)
    assert len(await anext(body)) == 300_000
    assert bench.wire.calls == ["pause", "resume"]
    bench.connection.data_received(b"x" * 300_000)
    bench.connection.close()
    assert len(await anext(body)) == 300_000
    assert bench.wire.calls == ["pause", "resume", "pause", "abort"]
    bench.end()


async def test_sending_waits_for_room_and_ends_with_the_connection() -> None:
    bench = Bench()
    bench.ask(more=True)
    bench.connection.pause_writing()
    sending = asyncio.create_task(bench.connection.send(b"more"))
    await asyncio.sleep(0)
    assert not sending.done()
    bench.connection.resume_writing()
    await sending
    bench.connection.pause_writing()
    sending = asyncio.create_task(bench.connection.send(b"and more"))
    await asyncio.sleep(0)
    bench.connection.close()
    bench.connection.connection_lost(None)
    await sending
    await bench.connection.send(b"too late")
    assert bench.wire.written == [b"HEADBODY", b"more", b"and more"]
    bench.end()


async def test_early_answer_is_read_before_more_is_sent() -> None:
    bench = Bench()
    bench.ask(more=True)
    bench.wire.far.send(OK)
    sending = asyncio.create_task(bench.connection.send(b"more"))
    await asyncio.sleep(0)
    assert bench.wire.written == [b"HEADBODY"]
    bench.connection.data_received(OK)
    await sending
    assert (bench.came, bench.wire.written) == ([False], [b"HEADBODY"])
    bench.connection.sent_all(1)
    bench.end()


async def test_connection_is_quiet_until_the_backend_speaks_or_leaves() -> None:
    bench, other = Bench(), Bench()
    assert bench.connection.quiet()
    bench.wire.far.send(b"x")
    other.wire.far.close()
    assert (bench.connection.quiet(), other.connection.quiet()) == (False, False)
    bench.end()
    other.end()


async def test_writer_that_was_cancelled_while_waiting_harms_nobody() -> None:
    bench = Bench()
    bench.ask(more=True)
    bench.connection.pause_writing()
    sending = asyncio.create_task(bench.connection.send(b"more"))
    await asyncio.sleep(0)
    sending.cancel()
    await asyncio.wait((sending,))
    bench.connection.resume_writing()
    bench.end()


async def test_time_for_the_head_is_over_once_the_head_is_here() -> None:
    bench = Bench()
    asked = bench.ask(respond_by_ms=5)
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")
    bench.now_ms = 50
    await asyncio.sleep(0.02)
    bench.connection.data_received(b"hi")
    assert (await asked).body == b"hi"
    bench.end()


async def test_whole_answer_is_told_once_and_a_broken_one_as_a_failure() -> None:
    bench = Bench()
    bench.ask()
    bench.connection.data_received(OK)
    assert bench.heard == ["answered"]
    asked = bench.ask()
    bench.connection.data_received(b"nonsense\r\n\r\n")
    with pytest.raises(UpstreamFailure):
        await asked
    assert bench.heard == ["answered", "failed"]
    bench.end()
    assert bench.heard == ["answered", "failed"]


async def test_answer_after_which_the_connection_closes_is_an_answer() -> None:
    bench = Bench()
    bench.ask()
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
    assert (bench.heard, bench.came) == (["answered"], [False])
    bench.end()


async def test_backend_is_not_blamed_for_leaving_at_rest() -> None:
    bench = Bench()
    bench.connection.rest()
    asked = bench.ask()
    bench.connection.eof_received()
    with pytest.raises(UpstreamFailure):
        await asked
    assert bench.heard == []
    bench.end()


async def test_backend_is_not_blamed_for_what_its_client_has_not_sent() -> None:
    bench = Bench()
    asked = bench.ask(more=True, respond_by_ms=5)
    bench.now_ms = 5
    with pytest.raises(UpstreamFailure, match="timeout"):
        await asked
    assert bench.heard == []
    bench.end()


async def test_backend_is_not_blamed_for_what_its_client_leaves_unread() -> None:
    bench = Bench()
    asked = bench.ask(end_by_ms=20)
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 900000\r\n\r\n" + b"x" * 300_000)
    bench.now_ms = 20
    body = (await asked).body
    await until(bench.wire.is_closing)
    with pytest.raises(UpstreamFailure, match="timeout"):
        await whole(await asked)
    assert isinstance(body, BodyStream)
    assert bench.heard == []
    bench.end()


@pytest.mark.parametrize(("says", "rests_ms"), [(b"timeout=3", 2000), (b"timeout=60, max=9", 4000), (b"max=9", 4000)])
async def test_connection_rests_no_longer_than_its_backend_says(says: bytes, rests_ms: int) -> None:
    bench = Bench()
    bench.ask()
    bench.connection.data_received(b"HTTP/1.1 200 OK\r\nkeep-alive: %b\r\ncontent-length: 0\r\n\r\n" % says)
    bench.connection.rest()
    assert [bench.connection.overdue(at_ms) for at_ms in (rests_ms - 1, rests_ms)] == [False, True]
    bench.end()
