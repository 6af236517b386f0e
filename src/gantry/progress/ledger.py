"""What is done of a workflow, what is under way, and when the whole will be done."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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
    """One job: `weight` is its estimated seconds, `share` how much of it is done (0 to 1), `rate` per second."""

    rule: str
    label: str = ""
    weight: float = OTHERS
    began: float | None = None
    took: float | None = None
    share: float = 0.0
    facts: str = ""

    @property
    def is_running(self) -> bool:
        """Whether it has begun and not ended."""
        return self.began is not None and self.took is None


@dataclass
class Ledger:
    """The jobs of a workflow by their number."""

    jobs: dict[int, Job] = field(default_factory=dict)
    lanes: int = 1  # as many jobs as were seen at once

    def expect(self, jobs: Mapping[str, Sequence[str | float | None]]) -> None:
        """Note the jobs to come: number → (rule, estimated seconds or None).

        It may come late, since a message and Snakemake's events take two ways: what has begun stays begun.
        """
        for number, (rule, seconds) in jobs.items():
            job = self.jobs.setdefault(int(number), Job(str(rule)))
            job.weight = float(seconds) if seconds is not None else USUAL.get(str(rule), OTHERS)

    def begin(self, number: int, rule: str, label: str, now: float) -> None:
        """Note that a job begins, or begins again."""
        known = self.jobs.get(number)
        weight = known.weight if known else USUAL.get(rule, OTHERS)
        self.jobs[number] = Job(rule, label, weight, began=now)
        self.lanes = max(self.lanes, len(self.running))

    def progress(self, name: str, done: int, total: int, unit: str, rate: float | None) -> None:
        """Note how far the job is whose label is, or ends in, `name`."""
        for job in self.running:
            if job.label.endswith(name):
                job.share = done / total if total else 0.0
                job.facts = f"{done:,}/{total:,} {unit}" + (f" at {rate:,.3g}/s" if rate else "")

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
        """Estimate the seconds until the last job ends: the estimates, corrected by what jobs of a rule have taken."""
        factors = {rule: self._factor(rule, now) for rule in {job.rule for job in self.jobs.values()}}
        left = [
            factors[job.rule] * job.weight * (1 - job.share) for job in self.jobs.values() if job.took is None
        ]
        return max([sum(left) / self.lanes, *left], default=0.0)

    def _factor(self, rule: str, now: float) -> float:
        """Measured over estimated seconds of a rule's jobs; 1 while next to nothing was measured."""
        measured = expected = 0.0
        for job in self.jobs.values():
            if job.rule == rule and job.began is not None and job.share > 0.02:
                measured += job.took if job.took is not None else now - job.began
                expected += job.weight * job.share
        return measured / expected if expected else 1.0
