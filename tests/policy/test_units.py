import pytest

from guard.model.policy import Loss, OnLoss
from guard.policy.units import Rate, UnitFault, duration_ms, percent, quota, rate, share_on_loss, size_bytes, spelled


@pytest.mark.parametrize(
    ("text", "ms"),
    [("1ms", 1), ("250ms", 250), ("5s", 5_000), ("10m", 600_000), ("1h", 3_600_000), ("3d", 259_200_000)],
)
def test_a_duration_is_a_whole_number_and_its_unit(text: str, ms: int) -> None:
    assert duration_ms(text) == ms


@pytest.mark.parametrize(
    "value", ["5", "0s", "05s", "1.5s", "5 s", "s", "", "5S", "-5s", "5s\n", "1m30s", "٥s", None, [], {}, True, 1.5]
)
def test_what_is_not_exactly_a_duration_is_refused(value: object) -> None:
    with pytest.raises(UnitFault, match="is not a duration"):
        duration_ms(value)


def test_a_bare_number_is_refused_with_the_two_spellings_that_were_meant() -> None:
    with pytest.raises(UnitFault) as duration:
        duration_ms(30)
    with pytest.raises(UnitFault) as rated:
        rate(20)
    with pytest.raises(UnitFault) as size:
        size_bytes(64)
    with pytest.raises(UnitFault) as daily:
        quota(200)
    with pytest.raises(UnitFault) as share:
        percent(50)
    assert [fault.value.help_text for fault in (duration, rated, size, daily, share)] == [
        "say 30s or 30ms",
        "say 20/s or 20/m",
        "say 64KiB or 64B",
        "say 200/day or 200/hour",
        "say 50%",
    ]


@pytest.mark.parametrize(
    ("text", "tokens", "period_ms"),
    [("20/s", 20, 1_000), ("300/10s", 300, 10_000), ("1/250ms", 1, 250), ("6000/m", 6_000, 60_000), ("5/ms", 5, 1)],
)
def test_a_rate_is_tokens_and_a_period(text: str, tokens: int, period_ms: int) -> None:
    assert rate(text) == Rate(tokens, period_ms)


@pytest.mark.parametrize(
    "value", ["20", "0/s", "20/0s", "20/", "/s", "1.5/s", "20/fortnight", "20 / s", None, False, [1]]
)
def test_what_is_not_exactly_a_rate_is_refused(value: object) -> None:
    with pytest.raises(UnitFault, match="is not a rate"):
        rate(value)


@pytest.mark.parametrize(
    ("text", "tokens", "period_ms"),
    [("200000/day", 200_000, 86_400_000), ("9/d", 9, 86_400_000), ("5/hour", 5, 3_600_000), ("5/h", 5, 3_600_000)],
)
def test_a_quota_is_tokens_in_each_hour_or_day(text: str, tokens: int, period_ms: int) -> None:
    assert quota(text) == Rate(tokens, period_ms)


@pytest.mark.parametrize("value", ["20/s", "20/2d", "0/day", "20/days", "20 / day", "20/Day", "20/m", "20", None, True])
def test_what_is_not_exactly_a_quota_is_refused(value: object) -> None:
    with pytest.raises(UnitFault, match="is not a quota"):
        quota(value)


@pytest.mark.parametrize(("text", "size"), [("512B", 512), ("256KiB", 262_144), ("1MiB", 1_048_576), ("2GiB", 1 << 31)])
def test_a_size_is_a_whole_number_and_its_unit(text: str, size: int) -> None:
    assert size_bytes(text) == size


@pytest.mark.parametrize("value", ["1MB", "1M", "1kib", "0B", "1.5MiB", "MiB", "", None, True])
def test_what_is_not_exactly_a_size_is_refused(value: object) -> None:
    with pytest.raises(UnitFault, match="is not a size"):
        size_bytes(value)


@pytest.mark.parametrize(("text", "share"), [("1%", 1), ("50%", 50), ("100%", 100)])
def test_a_share_is_a_whole_number_of_percent(text: str, share: int) -> None:
    assert percent(text) == share


@pytest.mark.parametrize("value", ["0%", "101%", "050%", "5.5%", "50 %", "50", "%", "", None, True, 0.5])
def test_what_is_not_exactly_a_share_is_refused(value: object) -> None:
    with pytest.raises(UnitFault, match="is not a share"):
        percent(value)


@pytest.mark.parametrize(("ms", "text"), [(250, "250ms"), (5_000, "5s"), (90_000, "90s"), (86_400_000, "1d")])
def test_a_duration_is_spelled_in_its_largest_whole_unit(ms: int, text: str) -> None:
    assert spelled(ms) == text


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        ("deny", Loss(limits=OnLoss.DENY)),
        ("allow", Loss(limits=OnLoss.ALLOW)),
        ("local 50%", Loss(limits=OnLoss.LOCAL, limits_percent=50)),
    ],
)
def test_limits_without_their_store_are_refused_or_pass_or_are_given_out_in_part(text: str, loss: Loss) -> None:
    assert share_on_loss(text) == loss


@pytest.mark.parametrize("value", ["local", "local50%", "deny 50%", "Deny", "", 50, None, True, [], {}])
def test_nothing_else_can_be_done_with_limits(value: object) -> None:
    with pytest.raises(UnitFault, match="is not what limits can do without their store"):
        share_on_loss(value)
