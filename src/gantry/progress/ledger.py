"""What is done of a workflow, what is under way, and when the whole will be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import geometric_mean
from typing import Any

# Seconds of a job of each rule before any was seen; those of training are estimated by the plan.
USUAL = {
    "prepare": 4.0,
    "classifier": 30.0,
    "label": 60.0,
    "real_statistics": 3.0,
    "figure": 3.0,
    "page": 5.0,
}
OTHERS = 2.0


@dataclass
class Job:
    """One job: `weight` is its estimated seconds, `share` how much of it is done (0 to 1).

    Jobs of one `family` (runs of one workload) differ from their estimates in the same way. `amount` is what the whole
    job goes through, in the units of its progress: a run that is resumed has less to do. By its rate the whole job
    takes `whole` seconds, and it `ends` then.
    """

    rule: str
    label: str = ""
    weight: float = OTHERS
    family: str = ""
    amount: float | None = None
    began: float | None = None
    took: float | None = None
    share: float = 0.0
    ends: float | None = None
    whole: float | None = None
    facts: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.began is not None and self.took is None

    @property
    def correction(self) -> float | None:
        """Seconds of the whole job, by its rate or by what it took, over the estimate; None where none are known."""
        seconds = self.whole or self.took
        return seconds / self.weight if seconds else None

    def left(self, now: float, factor: float) -> float:
        """Seconds to its end: by its own rate, or `factor` times the estimate of what is left of it."""
        if self.ends is not None:
            return max(0.0, self.ends - now)
        return factor * self.weight * (1 - self.share)


@dataclass
class Ledger:
    """The jobs of a workflow by their number."""

    jobs: dict[int, Job] = field(default_factory=dict)
    lanes: int = 1  # jobs at once: as many as were seen, or are known to be

    def expect(self, jobs: Mapping[str, Sequence[Any]], lanes: int = 1) -> None:
        """Note the jobs to come, and how many go at once: number → (rule, and of trainings seconds, family, amount).

        It may come late, since a message and Snakemake's events take two ways: what has begun stays begun.
        """
        self.lanes = max(self.lanes, min(lanes, len(jobs)))
        for number, (rule, *estimated) in jobs.items():
            job = self.jobs.setdefault(int(number), Job(rule))
            job.weight, job.family, job.amount = estimated or (USUAL.get(rule, OTHERS), rule, None)

    def begin(self, number: int, rule: str, label: str, now: float) -> None:
        """Note that a job begins, or begins again."""
        known = self.jobs.get(number) or Job(rule, weight=USUAL.get(rule, OTHERS), family=rule)
        self.jobs[number] = Job(rule, label, known.weight, known.family, known.amount, began=now)
        self.lanes = max(self.lanes, len(self.running))

    def progress(
        self, name: str, done: int, total: int, unit: str, rate: float | None, now: float | None = None
    ) -> None:
        """Note how far the job is whose label is, or ends in, `name`, and at which rate per second it goes on."""
        for job in self.running:
            if job.label.endswith(name):
                job.share = done / total if total else 0.0
                job.facts = f"{done:,}/{total:,} {unit}" + (f" at {rate:,.3g}/s" if rate else "")
                if rate and done and now is not None:
                    job.ends = now + (total - done) / rate
                    job.whole = (job.amount or total) / rate

    def end(self, number: int, now: float) -> None:
        """Note that a job is done."""
        if (job := self.jobs.get(number)) is not None and job.began is not None:
            job.took, job.share = now - job.began, 1.0

    def fail(self, number: int) -> Job | None:
        """Leave a job that failed out of what is to come; return it."""
        return self.jobs.pop(number, None)

    @property
    def running(self) -> list[Job]:
        """The jobs under way, the longest first."""
        return sorted((job for job in self.jobs.values() if job.is_running), key=lambda job: -job.weight)

    @property
    def done(self) -> int:
        """How many jobs are done."""
        return sum(job.took is not None for job in self.jobs.values())

    def seconds_left(self, now: float) -> float:
        """Estimate the seconds until the last job ends.

        A job under way goes on at its rate. Of the others the estimates are corrected by what was seen of their family,
        or else of their rule.
        """
        left = [job.left(now, self._factor(job)) for job in self.jobs.values() if job.took is None]
        return max([sum(left) / self.lanes, *left], default=0.0)

    def _factor(self, job: Job) -> float:
        """Measured over estimated seconds, of the jobs most like `job` of which anything was measured; else 1."""
        for same in ("family", "rule"):
            alike = (other for other in self.jobs.values() if getattr(other, same) == getattr(job, same))
            seen = [other.correction for other in alike if other.correction]
            if seen:
                return geometric_mean(seen)
        return 1.0
