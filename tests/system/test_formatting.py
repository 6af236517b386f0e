"""Numbers as people read them in a terminal."""

import pytest

from gantry.system.formatting import align_columns, format_bytes, format_clock, format_duration


@pytest.mark.parametrize(
    ("seconds", "rough", "clock"),
    [
        (4.4, "4 s", "0:04"),
        (200, "3.3 min", "3:20"),
        (3599.6, "60.0 min", "1:00:00"),
        (4000, "1.1 h", "1:06:40"),
        (86400, "1.0 days", "1 d 0:00:00"),
        (90061, "1.0 days", "1 d 1:01:01"),
    ],
)
def test_durations(seconds: float, rough: str, clock: str) -> None:
    assert (format_duration(seconds), format_clock(seconds)) == (rough, clock)


@pytest.mark.parametrize(
    ("count", "text"), [(12e3, "12 kB"), (3.44e6, "3.4 MB"), (5.6e9, "5.6 GB"), (7.8e12, "7.8 TB")]
)
def test_sizes(count: float, text: str) -> None:
    assert format_bytes(count) == text


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    assert align_columns([("a", "bb", "c"), ("dddd", "e", "")]) == ["a     bb  c", "dddd  e"]
