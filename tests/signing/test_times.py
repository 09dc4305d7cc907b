import pytest
from hypothesis import given
from hypothesis import strategies as st

from guard.signing.scheme import TimeUnit
from guard.signing.times import parse_time, parse_window_ms


@pytest.mark.parametrize(
    ("unit", "text", "ms"),
    [
        ("ms", b"1795347604903", 1795347604903),
        ("ms_or_us", b"1795347604903", 1795347604903),
        ("ms_or_us", b"1795347604903999", 1795347604903),
        ("s", b"1795347604", 1795347604000),
        ("s_decimal", b"1795347604", 1795347604000),
        ("s_decimal", b"1795347604.9", 1795347604900),
        ("s_decimal", b"1795347604.903999999", 1795347604903),
        ("s_or_ms", b"1795347604", 1795347604000),
        ("s_or_ms", b"1795347604903", 1795347604903),
        ("iso8601_ms", b"2020-12-08T09:08:57.715Z", 1607418537715),
        ("iso8601_ms", b"2020-12-08T09:08:57Z", 1607418537000),
        ("iso8601_ms", b"2020-12-08T09:08:57.7159Z", 1607418537715),
        ("fix_utc", b"20240627-11:17:25.223", 1719487045223),
        ("fix_utc", b"20240627-11:17:25", 1719487045000),
        ("fix_utc", b"20240627-11:17:25.223999999", 1719487045223),
    ],
)
def test_a_time_is_read_and_rounded_down(unit: str, text: bytes, ms: int) -> None:
    assert parse_time(TimeUnit(unit), text) == ms


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b" 1795347604903",
        b"1795347604903\n",
        b"+795347604903",
        b"-1795347604903",
        b"0795347604903",
        b"1e12",
        b"1795347604903.0",
        b"0x1795347604",
        b"9" * 400,
        b"179534760490",
        b"17953476049031",
        "١٧٩٥٣٤٧٦٠٤٩٠٣".encode(),
        b"1_795_347_604_90",
        b"17953476.4903",
    ],
)
@pytest.mark.parametrize("unit", list(TimeUnit))
def test_other_forms_of_a_time_are_refused_in_every_unit(unit: TimeUnit, text: bytes) -> None:
    assert parse_time(unit, text) is None


@pytest.mark.parametrize(
    ("unit", "text"),
    [
        ("ms", b"1795347604"),
        ("ms", b"1795347604903999"),
        ("s", b"1795347604903"),
        ("s_or_ms", b"17953476049039"),
        ("ms_or_us", b"1795347604903999999"),
        ("s_decimal", b"1795347604."),
        ("s_decimal", b"1795347604.1234567890"),
        ("iso8601_ms", b"2020-13-08T09:08:57Z"),
        ("iso8601_ms", b"2020-02-30T09:08:57Z"),
        ("iso8601_ms", b"2020-12-08T24:00:00Z"),
        ("iso8601_ms", b"2020-12-08T09:08:57+00:00"),
        ("iso8601_ms", b"2020-12-08 09:08:57Z"),
        ("iso8601_ms", b"0000-12-08T09:08:57Z"),
        ("fix_utc", b"20240627-11:17:60"),
        ("fix_utc", b"20240627 11:17:25"),
        ("fix_utc", b"20240627-11:17:25."),
    ],
)
def test_a_time_of_another_unit_is_never_guessed(unit: str, text: bytes) -> None:
    assert parse_time(TimeUnit(unit), text) is None


@pytest.mark.parametrize(("text", "ms"), [(b"5000", 5000), (b"5000.999", 5000), (b"0.5", 0), (b"1.5", 1)])
def test_a_window_is_never_rounded_up(text: bytes, ms: int) -> None:
    assert parse_window_ms(text) == ms


@pytest.mark.parametrize("text", [b"", b"-1", b"5000.", b"5000.1234", b"1e3", b"1234567890", b" 1", b"1\n"])
def test_other_windows_are_refused(text: bytes) -> None:
    assert parse_window_ms(text) is None


@given(
    st.sampled_from(list(TimeUnit)), st.binary(max_size=40) | st.text("0123456789-:TZ. ", max_size=30).map(str.encode)
)
def test_reading_a_time_never_raises(unit: TimeUnit, text: bytes) -> None:
    parse_time(unit, text)
    parse_window_ms(text)
