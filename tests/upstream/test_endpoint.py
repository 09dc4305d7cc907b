from guard.model.upstream_policy import BreakerPolicy, HealthPolicy
from guard.upstream.breaker import Breaker
from guard.upstream.endpoint import Endpoint
from guard.upstream.health import Health
from guard.upstream.origin import Origin
from tests.upstream.build_allow import upstream

URL = "http://127.0.0.1:1"
CHECKS = HealthPolicy(path=b"/", every_ms=1000, timeout_ms=1000, healthy=1, unhealthy=2)


class Bench:
    """An endpoint, its clock, and what the operator hears of it."""

    def __init__(self) -> None:
        self.now_ms = 0
        self.heard: list[tuple[str, str]] = []
        self.breaker = Breaker(BreakerPolicy(failures_percent=50, exchanges_min=2, window_ms=1000, open_ms=100))
        self.endpoint = Endpoint(
            Origin(URL, None),
            upstream(urls=(URL,), health=CHECKS),
            lambda: self.now_ms,
            health=Health(lambda: 0.5),
            breaker=self.breaker,
            notice=lambda event, url: self.heard.append((event, url)),
        )


def test_fit_before_aside_before_unhealthy() -> None:
    fit, aside, later, unhealthy = (Bench().endpoint for _ in range(4))
    fit.turn = 9
    aside.unreachable()
    later.unreachable()
    later.health.aside_until_ms += 1
    for passed in (False, False):
        unhealthy.checked(passed)
    ranks = [endpoint.rank(0) for endpoint in (fit, aside, later, unhealthy)]
    assert ranks == sorted(ranks)
    assert len(set(ranks)) == 4


def test_operator_hears_each_turn_once() -> None:
    bench = Bench()
    for _ in range(5):
        bench.endpoint.failed()
    for passed in (False, False, False, True, True):
        bench.endpoint.checked(passed)
    bench.now_ms = 100
    assert bench.breaker.begin(100)
    bench.endpoint.answered()
    bench.endpoint.answered()
    assert [event for event, url in bench.heard if url == URL] == [
        *("breaker.opened", "endpoint.set_aside", "endpoint.unhealthy", "endpoint.healthy", "breaker.closed"),
    ]


def test_connection_that_is_not_taken_counts_for_the_breaker_only_when_the_request_failed_with_it() -> None:
    bench = Bench()
    for _ in range(5):
        bench.endpoint.unreachable()
    assert not bench.breaker.open
    bench.endpoint.count_failure(0)
    bench.endpoint.count_failure(0)
    assert bench.breaker.open
