"""The one line that a terminal shows of a whole workflow, and the last one: where the page is."""

import sys
import threading
import time
from pathlib import Path

from tqdm import tqdm

from gantry.progress.channel import Inbox, Message
from gantry.progress.ledger import Ledger
from gantry.system.formatting import format_clock

LOG_EVERY = 30.0  # seconds between two lines where nobody watches


class Display:
    """Jobs done of all, what is under way at which rate, and how long the rest will take.

    On a terminal one line that is written over; elsewhere a line every half minute. What has to be read stands above.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.began = self.shown = time.monotonic()
        self.page: str | None = None
        self.makes_page = False
        self.failed: list[str] = []
        self.is_stopped = False
        self.is_closed = False
        self.bar: tqdm | None = None
        self.lock = threading.RLock()
        self.inbox = Inbox(self._receive, self.refresh)

    def _receive(self, message: Message) -> None:
        with self.lock:
            if "text" in message:
                self.say(message["text"])
            elif "page" in message:
                self.page = message["page"]
            elif "jobs" in message:
                self.makes_page = message["makes_page"]
                self.ledger.expect(message["jobs"], message["lanes"])
            elif "name" in message:
                self.ledger.progress(**message, now=time.monotonic())

    def say(self, text: str) -> None:
        """Print lines to be read."""
        with self.lock:
            if self.bar is not None:
                self.bar.clear()
            print(text, file=sys.stderr, flush=True)

    def begin(self, number: int, rule: str, label: str) -> None:
        """Note that a job begins."""
        with self.lock:
            self.ledger.begin(number, rule, label, time.monotonic())
        self.refresh()

    def end(self, number: int) -> None:
        """Note that a job is done."""
        with self.lock:
            self.ledger.end(number, time.monotonic())
        self.refresh()

    def fail(self, number: int, rule: str, log: list[str]) -> None:
        """Note that a job failed, and print its log."""
        with self.lock:
            job = self.ledger.fail(number)
            if self.is_stopped:
                return
            name = job.label if job else rule
            self.failed.append(name)
            said = [Path(file).read_text(errors="replace").strip() for file in log if Path(file).exists()]
            self.say("\n".join([f"failed: {name}", *(line for line in said if line)]))

    def stop(self) -> None:
        """Note that the user has stopped it: nothing that follows from that has to be read."""
        with self.lock:
            if not self.is_stopped:
                self.is_stopped = True
                self._end_line()
                self.say(
                    "gantry: stopping; what is done and trained so far is kept, and the same command goes on"
                )

    def refresh(self) -> None:
        """Show the line, where it is time."""
        with self.lock:
            now = time.monotonic()
            if self.is_stopped or not self.ledger.jobs:
                return
            if sys.stderr.isatty():
                if self.bar is None:
                    form = "{n_fmt} of {total_fmt} jobs |{bar:12}| {desc}"
                    self.bar = tqdm(bar_format=form, dynamic_ncols=True, leave=False, total=1, mininterval=0)
                self.bar.n, self.bar.total = self.ledger.done, len(self.ledger.jobs)
                self.bar.set_description_str(self._state(now))
            elif now - self.shown >= LOG_EVERY:
                self.shown = now
                self.say(
                    f"gantry: {self.ledger.done} of {len(self.ledger.jobs)} jobs done, {self._state(now)}"
                )

    def _state(self, now: float) -> str:
        under_way = [f"{job.label} {job.facts}".strip() for job in self.ledger.running]
        left = format_clock(self.ledger.seconds_left(now))
        return f"about {left} left" + (f": {', '.join(under_way)}" if under_way else "")

    def nothing_to_do(self) -> None:
        """Say that everything is there."""
        where = f": {self.page}" if self.page and Path(self.page).exists() else ""
        self.say(f"gantry: nothing to do, all that was asked for is there{where}")

    def close(self) -> None:
        """Print the last line."""
        self.is_closed = True
        self.inbox.close()
        with self.lock:
            self._end_line()
            if self.is_stopped:
                return
            took = format_clock(time.monotonic() - self.began)
            if self.failed:
                failed = f"{len(self.failed)} job{'s' * (len(self.failed) > 1)}"
                self.say(
                    f"gantry: {failed} failed ({', '.join(self.failed)}); what is done is kept: mend that, and run the "
                    "same command again"
                )
            elif self.ledger.jobs and self.ledger.done == len(self.ledger.jobs):
                where = f"; open {self.page}" if self.makes_page else ""
                self.say(f"gantry: {self.ledger.done} jobs done in {took}{where}")

    def _end_line(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None
