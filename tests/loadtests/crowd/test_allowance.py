"""Was more admitted than a limit allows?"""

import random
from pathlib import Path

import pytest

from guard.model.policy import Bucket
from guard.service.policies import Rulebook, read_rulebook
from loadtests.crowd.allowance import excess, over_admission

MS = 1_000_000
BUCKET = Bucket(capacity=3, refill_tokens=10, period_ms=1000)  # one every 100 ms
POLICY = """\
version: 1
service: s
upstream: http://127.0.0.1:9
auth: {scheme: guard-v1, window: 5s}
limits:
  key:     {per: [key], rate: 10/s, burst: 3}
  account: {per: [account], rate: 10/s, burst: 4}
  orders:  {per: [key], rate: 10/s, burst: 2, routes: [orders], cost: 2}
  days:    {per: [key], quota: 9/day}
  tried:   {per: [key], rate: 1/s, burst: 3, mode: shadow}
routes:
  GET /v1/orders/{id}: {}
  POST /v1/orders: {group: orders, cost: 3}
"""


def at_once(count: int, cost: int = 1) -> list[tuple[int, int, int]]:
    return [(0, 1 * MS, cost)] * count


def test_a_burst_is_allowed_and_one_more_is_not() -> None:
    assert excess(at_once(3), BUCKET) == 0
    assert excess(at_once(4), BUCKET) == 1
    assert excess(at_once(10), BUCKET) == 7


def test_costs_count_and_not_requests() -> None:
    assert excess(at_once(2, cost=2), BUCKET) == 1


def test_what_has_come_back_may_be_spent() -> None:
    later = [(100 * MS, 101 * MS, 1), (200 * MS, 201 * MS, 1)]
    assert excess([*at_once(3), *later], BUCKET) == 0
    assert excess([*at_once(3), *later, (201 * MS, 202 * MS, 1)], BUCKET) == 1


def test_a_burst_late_in_a_quiet_run_is_seen() -> None:
    minute = 60_000 * MS
    assert excess([(0, MS, 1), *[(minute, minute + MS, 1)] * 5], BUCKET) == 2


def test_a_request_that_may_have_been_admitted_late_is_no_proof() -> None:
    """Sent with the others, but answered a second after them: it may have met a bucket that was full again."""
    assert excess([*at_once(3), (0, 1000 * MS, 1)], BUCKET) == 0


@pytest.mark.parametrize("seed", range(20))
def test_a_bucket_that_obeys_is_never_accused_and_one_with_a_spare_token_too_many_is(seed: int) -> None:
    """A real bucket decides at some moment between the sending and the answer of each request."""
    chance = random.Random(seed)  # noqa: S311  # replayed from its seed
    for spare, accused in ((0, False), (2, True)):
        level_ms, now, passed = (3 + spare) * 100, 0, []
        for _ in range(400):
            waited = chance.randrange(20)
            now, level_ms = now + waited, min((3 + spare) * 100, level_ms + waited)
            if level_ms >= 100:
                level_ms -= 100
                passed.append(((now - chance.randrange(3)) * MS, (now + chance.randrange(3)) * MS, 1))
        chance.shuffle(passed)
        assert (excess(passed, BUCKET) > 0) is accused, f"seed {seed}"


def test_each_bucket_in_force_is_held_against_its_own_subjects_and_costs(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(POLICY)
    rules = read_rulebook(tmp_path)
    assert isinstance(rules, Rulebook)
    reads = [(0, MS)] * 3
    admitted = {
        "k1": {"GET /v1/orders/{id}": reads},
        "k2": {"GET /v1/orders/{id}": reads, "POST /v1/orders": [(0, MS)] * 2},
    }
    found = over_admission(rules.policies.services, admitted, {"k1": "acme", "k2": "acme"})
    assert found == {
        "key": 6,  # k2: three reads of 1 and two orders of 3, of which 3 may be
        "account": 8,  # both keys: six reads and two orders of 3, of which 4 may be
        "orders": 2,  # two orders of 2, of which 2 may be
    }
