"""Is there room in every bucket?"""

from guard.model.decision import Deny
from guard.model.questions import Granted, Reading, Short
from guard.model.rules import Mode
from tests.build import NOW, limit, signed
from tests.line import code, decided


def _reading(name: str, *, wait_ms: int | None = 0, short: bool = True, vetoes: bool = True) -> Reading:
    mode = Mode.ENFORCE if vetoes else Mode.SHADOW
    return Reading(limit(name, mode=mode), 2, wait_ms, 10, short=short, cost=3, vetoes=vetoes)


def test_a_short_bucket_refuses_and_names_itself_and_the_wait() -> None:
    denied = decided(signed(), body=b"", receipt=Short(now=NOW, readings=(_reading("key", wait_ms=50),)))
    assert isinstance(denied, Deny)
    assert (denied.code, denied.wait_ms) == ("limit.key", 50)
    assert denied.rule is not None
    assert denied.rule.name == "limits.key"
    assert denied.detail == 'needs 3 of "key", 2 left; try again in 50 ms'


def test_of_several_short_buckets_the_one_with_the_longest_wait_is_named() -> None:
    readings = (_reading("key", wait_ms=50), _reading("orders", wait_ms=900), _reading("fine", short=False))
    assert code(decided(signed(), body=b"", receipt=Short(now=NOW, readings=readings))) == "limit.orders"


def test_a_cost_that_can_never_fit_is_the_longest_wait() -> None:
    readings = (_reading("key", wait_ms=50), _reading("orders", wait_ms=None))
    denied = decided(signed(), body=b"", receipt=Short(now=NOW, readings=readings))
    assert isinstance(denied, Deny)
    assert (denied.code, denied.wait_ms) == ("limit.orders", None)


def test_a_shadow_limit_that_is_short_never_vetoes_the_others() -> None:
    shadow = _reading("weight", wait_ms=None, vetoes=False)
    allowed = decided(signed(), body=b"", receipt=Granted(now=NOW, readings=(shadow,)))
    assert not isinstance(allowed, Deny)
    assert [would.code for would in allowed.shadow] == ["limit.weight"]
    both = Short(now=NOW, readings=(shadow, _reading("key", wait_ms=1)))
    assert code(decided(signed(), body=b"", receipt=both)) == "limit.key"


def test_no_short_limit_hides_what_another_in_shadow_would_refuse() -> None:
    shadow = [_reading(name, wait_ms=wait, vetoes=False) for name, wait in (("a", 1), ("b", 9), ("c", 5))]
    allowed = decided(signed(), body=b"", receipt=Granted(now=NOW, readings=tuple(shadow)))
    assert not isinstance(allowed, Deny)
    assert [would.code for would in allowed.shadow] == ["limit.b", "limit.a", "limit.c"]
    denied = decided(signed(), body=b"", receipt=Short(now=NOW, readings=(*shadow[:1], _reading("key"))))
    assert isinstance(denied, Deny)
    assert (denied.code, [would.code for would in denied.shadow]) == ("limit.key", ["limit.a"])


def test_a_limit_that_is_not_exposed_keeps_its_numbers_to_itself() -> None:
    hidden = _reading("ip")
    hidden = Reading(
        type(hidden.limit)(name="ip", rule=hidden.limit.rule, meter=hidden.limit.meter, per=("ip",), exposed=False),
        2,
        50,
        10,
        short=True,
        cost=3,
    )
    denied = decided(signed(), room=Short(now=NOW, readings=(hidden,)))
    assert isinstance(denied, Deny)
    assert denied.detail == ""
