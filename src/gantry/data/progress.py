"""One line on stderr that says how far a long piece of work is and when it ends."""

import sys
import time

from gantry.system.formatting import format_duration


class ProgressLine:
    """`what`: done / total unit, rate, ETA; redrawn every second on a terminal, every 30 s in a log."""

    def __init__(self, what: str, total: int, unit: str, done: int = 0) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = self._first = done
        self._terminal = sys.stderr.isatty()
        self._every = 1.0 if self._terminal else 30.0
        self._started = self._shown = time.monotonic()

    def advance(self, amount: int) -> None:
        """Count `amount` more, and show the line when it is time."""
        self.done += amount
        now = time.monotonic()
        if now - self._shown >= self._every:
            self._shown = now
            self._show(now)

    def close(self) -> None:
        """Show where it ended, if it took long enough for anyone to look."""
        now = time.monotonic()
        if self._terminal or now - self._started >= self._every:
            self._show(now)
        if self._terminal:
            print(file=sys.stderr, flush=True)

    def _show(self, now: float) -> None:
        rate = (self.done - self._first) / max(now - self._started, 1e-9)
        left = format_duration((self.total - self.done) / rate) if rate else "?"
        line = f"{self.what}: {self.done:,} / {self.total:,} {self.unit}, {rate:,.0f}/s, ETA {left}"
        sys.stderr.write(f"\r{line}\x1b[K" if self._terminal else f"{line}\n")
        sys.stderr.flush()
