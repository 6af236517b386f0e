"""The one line that a terminal shows of a whole workflow, and the last one: where the page is."""

import sys
import threading
import time
from collections.abc import Collection
from pathlib import Path

from tqdm import tqdm

from gantry.progress.channel import Inbox, Message
from gantry.progress.ledger import Ledger
from gantry.system.formatting import format_clock
from gantry.system.signals import CONTINUES

LOG_EVERY = 30.0  # seconds between two lines where nobody watches
GOES_ON = "what is done and trained so far is kept, and the same command goes on"


class Display:
    """Jobs done of all, what is under way at which rate, and how long the rest will take.

    On a terminal one line that is written over; elsewhere a line every half minute. What has to be read stands above.
    """

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.began = self.shown = time.monotonic()
        self.page: str | None = None
        self.makes_page = False
        self.failed: dict[int, str] = {}  # by the jobs' numbers; one that is tried again leaves
        self.silent: set[int] = set()  # those of them that left no message
        self.stopped: dict[int, str] = {}  # by a signal, and not by an error
        self.is_stopped = False
        self.is_terminated = False
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
            self.failed.pop(number, None)
            self.stopped.pop(number, None)
            self.silent.discard(number)
            self.ledger.begin(number, rule, label, time.monotonic())
        self.refresh()

    def end(self, number: int) -> None:
        """Note that a job is done."""
        with self.lock:
            self.ledger.end(number, time.monotonic())
        self.refresh()

    def fail(self, number: int, rule: str, log: list[str]) -> None:
        """Note that a job failed, or was stopped by a signal, and print its log."""
        with self.lock:
            job = self.ledger.fail(number)
            if self.is_stopped:
                return
            name = job.label if job else rule
            texts = [Path(file).read_text(errors="replace").strip() for file in log if Path(file).exists()]
            said = [text for text in texts if text]
            if any(text.endswith(CONTINUES) for text in said) or (self.is_terminated and not said):
                self.stopped[number] = name
                self.say("\n".join([f"stopped: {name}", *said]))
                return
            self.failed[number] = name
            self.silent |= set() if said else {number}
            self.say("\n".join([f"failed: {name}", *said]))

    def terminate(self) -> None:
        """Note that SIGTERM has reached Snakemake, which begins no job any more and waits for those under way."""
        with self.lock:
            if not self.is_terminated:
                self.is_terminated = True
                self.say("gantry: SIGTERM: no further job begins; those under way end, or are stopped, first")

    def stop(self) -> None:
        """Note that the user has stopped it: nothing that follows from that has to be read."""
        with self.lock:
            if not self.is_stopped:
                self.is_stopped = True
                self._end_line()
                self.say(f"gantry: stopping; {GOES_ON}")

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
            if self.is_terminated:  # a signal to the whole group may end a step before Snakemake says so
                self.stopped |= {
                    number: self.failed.pop(number) for number in self.silent & self.failed.keys()
                }
            stopped = _counted(self.stopped.values(), "stopped")
            if self.failed:
                ended = ", ".join(filter(None, (_counted(self.failed.values(), "failed"), stopped)))
                self.say(f"gantry: {ended}; what is done is kept: mend that, and run the same command again")
            elif stopped:
                self.say(f"gantry: {stopped}; {GOES_ON}")
            elif self.ledger.jobs and self.ledger.done == len(self.ledger.jobs):
                where = f"; open {self.page}" if self.makes_page else ""
                self.say(f"gantry: {self.ledger.done} jobs done in {took}{where}")
            elif self.is_terminated:
                self.say(
                    f"gantry: stopped with {self.ledger.done} of {len(self.ledger.jobs)} jobs done; {GOES_ON}"
                )

    def _end_line(self) -> None:
        if self.bar is not None:
            self.bar.close()
            self.bar = None


def _counted(names: Collection[str], what: str) -> str:
    """How many jobs have `what` happened to them, and which; nothing for none."""
    return f"{len(names)} job{'s' * (len(names) > 1)} {what} ({', '.join(names)})" if names else ""
