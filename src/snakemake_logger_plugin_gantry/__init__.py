"""Snakemake's terminal by default: one line for all jobs (`logger: [gantry]` in profiles/default).

A dry run, and every flag that asks for more or for less (-p, --verbose, --debug-dag, --quiet), gets what Snakemake
itself prints. The log in .snakemake/log holds everything either way.
"""

import logging
import signal
import sys
import threading
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import psutil  # which Snakemake needs itself
from snakemake.logging import ColorizingTextHandler
from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

from gantry.progress import advice
from gantry.progress.display import Display

BY_USER = "on user request"  # in what Snakemake says when Ctrl-C reaches it
BY_SIGTERM = (
    "Will exit after finishing currently running jobs"  # in what it says when SIGTERM does, again and again
)
NAMES = ("prepared", "dataset", "recipe", "paper", "name")  # wildcards that say what a job is about
NOTHING = "Nothing to be done"
# Of these Snakemake's own words say nothing that the display does not.
AFTER_FAILURE = (
    "At least one job did not complete successfully",
    "Exiting because a job execution failed",
    "CalledProcessError in file",
)


# Snakemake imports its plugins before it reads its command line: here is the one place where that can be looked at
# before Snakemake's own words on it, a traceback.
if Path(sys.argv[0]).name == "snakemake" and (misplaced := advice.misplaced(sys.argv[1:])):
    sys.exit(misplaced)


class LogHandler(LogHandlerBase):
    """Hands what happens to the display, and to Snakemake's own handler what has to be read."""

    def __post_init__(self) -> None:
        asked = self.common_settings
        self.own = ColorizingTextHandler(asked.nocolor, sys.stdout if asked.stdout else sys.stderr)
        in_full = asked.dryrun or asked.printshellcmds or asked.verbose or asked.debug_dag or asked.quiet
        self.display = None if in_full else Display()
        if self.display is not None and threading.current_thread() is threading.main_thread():
            # A step that Ctrl-C stops too may be told as failed before Snakemake says why.
            before = signal.getsignal(signal.SIGINT)
            if before is not signal.SIG_IGN:  # as a shell's background job has it: Snakemake would go on
                signal.signal(signal.SIGINT, partial(_stop_first, self.display, before))

    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        """Give Snakemake's handler its format."""
        super().setFormatter(fmt)
        self.own.setFormatter(fmt)

    def emit(self, record: logging.LogRecord) -> None:
        """Show one event of the workflow."""
        if said := advice.unknown_target(str(record.msg)):
            print(said, file=sys.stderr, flush=True)
            return
        if self.display is None:
            self.own.emit(record)
            return
        facts: dict[str, Any] = vars(record)
        event, text = facts.get("event"), str(record.msg)
        if event == LogEvent.JOB_INFO:
            self.display.begin(
                facts["jobid"], facts["rule_name"], _label(facts["rule_name"], facts["wildcards"] or {})
            )
        elif event == LogEvent.JOB_FINISHED:
            self.display.end(facts["job_id"])
        elif event == LogEvent.JOB_ERROR:
            self.display.fail(facts["jobid"], facts["rule_name"], list(facts["log"] or ()))
        elif BY_USER in text:
            self.display.stop()
        elif BY_SIGTERM in text:
            self.display.terminate()
        elif NOTHING in text:
            self.display.nothing_to_do()
        elif record.levelno >= logging.WARNING and not self._is_known(text):
            self.display.say(self.own.decorate(record, self.format(record)))

    def _is_known(self, text: str) -> bool:
        assert self.display is not None
        return self.display.is_stopped or any(word in text for word in AFTER_FAILURE)

    def close(self) -> None:
        """End the display with its last line."""
        if self.display is not None and not self.display.is_closed:
            self.display.close()
        super().close()

    @property
    def writes_to_stream(self) -> bool:
        """It stands in for Snakemake's own handler."""
        return True

    @property
    def writes_to_file(self) -> bool:
        """Only the terminal."""
        return False

    @property
    def has_filter(self) -> bool:
        """Snakemake's own, which knows what --quiet leaves out."""
        return False

    @property
    def has_formatter(self) -> bool:
        """Snakemake's own."""
        return False

    @property
    def needs_rulegraph(self) -> bool:
        """Not needed."""
        return False


def _stop_first(display: Display, before: Any, number: int, frame: FrameType | None) -> None:
    """Tell the display of Ctrl-C, then the steps under way, then whoever is told of it otherwise.

    A terminal tells the steps, too; `kill -INT` reaches Snakemake alone, which would wait for trainings to end.
    """
    display.stop()
    for step in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if any(Path(word).name == "gantry" for word in step.cmdline()[:2]):
                step.terminate()
    if callable(before):
        before(number, frame)


def _label(rule: str, wildcards: dict[str, str]) -> str:
    """What a job does, and to what: a run, a table or figure, a prepared set."""
    parts = [str(wildcards[name]) for name in NAMES if name in wildcards]
    if "seed" in wildcards:
        parts.append(f"seed{wildcards['seed']}")
    return f"{rule} {'/'.join(parts)}".strip()
