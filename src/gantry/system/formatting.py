"""Numbers and tables as people read them in a terminal."""

from collections.abc import Sequence


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """The rows as lines, each column as wide as its widest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def count_of(count: int, name: str) -> str:
    """A count with the name of what is counted: '1 run', '1,200 runs'."""
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def format_duration(seconds: float) -> str:
    """Seconds as '12 s', '3.4 min', '5.6 h' or '7.8 days'."""
    for unit, size in (("days", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def format_clock(seconds: float) -> str:
    """Seconds as 'M:SS', 'H:MM:SS' or 'D d H:MM:SS': what is left of something that is watched."""
    whole = round(seconds)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, second = divmod(rest, 60)
    clock = f"{hours}:{minutes:02}:{second:02}" if hours or days else f"{minutes}:{second:02}"
    return f"{days} d {clock}" if days else clock


def format_bytes(count: float) -> str:
    """Bytes as '12 kB', '3.4 MB', '5.6 GB' or '7.8 TB'."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1e3:.0f} kB"
