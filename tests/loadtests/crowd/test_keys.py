"""Who may use which key."""

import pytest

from loadtests.crowd.keys import Role, every, minted, of_worker

TRADER, CROWD = Role("trader"), Role("crowd", shared=True)


def test_no_two_workers_and_no_two_traders_have_a_key_or_an_account_in_common() -> None:
    keys = minted([TRADER], users=3, workers=2)
    mine, theirs = of_worker(keys, "trader", 0), of_worker(keys, "trader", 1)
    assert len(mine) == len(theirs) == 3
    assert len({key.id for key in (*mine, *theirs)}) == 6
    assert len({key.account for key in (*mine, *theirs)}) == 6
    assert len({key.secret for key in every(keys)}) == 6


def test_all_workers_have_the_one_key_of_a_shared_role() -> None:
    keys = minted([TRADER, CROWD], users=3, workers=2)
    assert of_worker(keys, "crowd", 0) == of_worker(keys, "crowd", 1)
    assert len(of_worker(keys, "crowd", 0)) == 1
    assert len(every(keys)) == 7


@pytest.mark.parametrize("worker", [-1, 2])
def test_a_worker_that_was_not_planned_gets_nobody_else_s_keys(worker: int) -> None:
    with pytest.raises(LookupError, match=f"worker {worker} has no keys: the run was planned for 2 workers"):
        of_worker(minted([TRADER], users=1, workers=2), "trader", worker)
