"""How far one piece of work is, and when it ends."""

import sys
import time
from typing import Any

from gantry.progress.channel import send

LOG_EVERY = 15.0  # seconds between two lines where nobody watches
SEND_EVERY = 0.5


class ProgressBar:
    """tqdm's bar on a terminal, sparse lines of the same in a log, messages to a display where one is at work.

    `name` says what is done, `unit` is what is counted, `total` how many there are; `done` of them are done already.
    """

    def __init__(self, name: str, total: int, unit: str, done: int = 0) -> None:
        self.name, self.total, self.unit = name, total, unit
        self.done = self.first = done
        self.facts = ""
        self.began = self.shown = time.monotonic()
        self.bar: Any = None
        is_watched = send(self._message(None))
        if sys.stderr.isatty() and not is_watched:
            from tqdm import tqdm  # not needed where nobody watches

            self.bar = tqdm(
                desc=name, total=total, unit=f" {unit}", initial=done, dynamic_ncols=True, smoothing=0.05
            )

    def advance(self, amount: int) -> None:
        """Count `amount` more."""
        self.show(self.done + amount)

    def show(self, done: int, facts: str = "", rate: float | None = None) -> None:
        """Set how far it is, with `facts` to be read beside it; `rate`, per second, where it is known better."""
        now = time.monotonic()
        amount, self.done, self.facts = done - self.done, done, facts
        if self.bar is not None:
            self.bar.set_postfix_str(facts, refresh=False)
            self.bar.update(amount)
        elif now - self.shown >= SEND_EVERY and send(self._message(rate or self._rate(now))):
            self.shown = now
        elif now - self.shown >= LOG_EVERY:
            self._line(now)

    def close(self) -> None:
        """Show where it ended; in a log, if it took long enough for anyone to look."""
        now = time.monotonic()
        if self.bar is not None:
            self.bar.close()
        elif not send(self._message(self._rate(now))) and now - self.began >= LOG_EVERY:
            self._line(now)

    def _rate(self, now: float) -> float:
        return (self.done - self.first) / max(now - self.began, 1e-9)

    def _message(self, rate: float | None) -> dict[str, object]:
        return {"name": self.name, "done": self.done, "total": self.total, "unit": self.unit, "rate": rate}

    def _line(self, now: float) -> None:
        from tqdm import tqdm

        self.shown = now
        line = tqdm.format_meter(
            self.done,
            self.total,
            now - self.began,
            prefix=self.name,
            unit=f" {self.unit}",
            initial=self.first,
            postfix=self.facts or None,
            bar_format="{desc}: {percentage:.0f} % of {total_fmt}{unit}, {rate_noinv_fmt}, {remaining} left{postfix}",
        )
        print(line, file=sys.stderr, flush=True)
