"""Scores of runs that were trained elsewhere, row by row, and what a run's name says of it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gantry.errors import UserError

# What a run's name says, where no column and no pattern does: "bcgan/seed0", "bcgan-s3", "lsgan_seed=1 (rerun)".
USUAL = re.compile(r"(?P<group>.+?)[/_.\s-]*(?:seed|(?<![A-Za-z])s)[_= -]?(?P<seed>\d+)(?:[/_.\s(-].*)?")


@dataclass(frozen=True)
class Value:
    """One number of one run: NaN or ±∞ says that the run diverged there.

    `where` is its file and line, for messages. A seed of None is numbered in the order of the runs.
    """

    run: str
    group: str
    seed: int | None
    dataset: str
    iteration: int
    metric: str
    value: float
    where: str
    diverged: bool = False


class RunNames:
    """Reads group, seed and data set out of a run's name, by a pattern such as "{dataset}/{group}_s{seed}"."""

    def __init__(self, pattern: str | None = None) -> None:
        self.pattern = pattern
        self.regex = USUAL if pattern is None else _compiled(pattern)

    def parts(self, run: str, where: str) -> tuple[str, int | None, str]:
        """Return (group, seed, data set); UserError for a name that the given pattern does not fit."""
        found = self.regex.fullmatch(run)
        if found is None:
            if self.pattern is not None:
                raise UserError(f"{where}: run {run!r} does not fit --runs {self.pattern!r}")
            return run, None, ""
        parts = found.groupdict()
        seed = parts.get("seed")
        return parts["group"], None if seed is None else int(seed), parts.get("dataset") or ""


def _compiled(pattern: str) -> re.Pattern[str]:
    fields = re.findall(r"\{(\w*)\}", pattern)
    if "group" not in fields or set(fields) - {"group", "seed", "dataset"} or len(set(fields)) < len(fields):
        raise UserError(
            f"--runs {pattern!r}: needs {{group}}, and may have {{seed}} and {{dataset}}, each once"
        )
    expressions = {"group": "(?P<group>.+?)", "seed": r"(?P<seed>\d+)", "dataset": "(?P<dataset>[^/]+?)"}
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile("".join(expressions[p] if i % 2 else re.escape(p) for i, p in enumerate(parts)))


def numbered(values: Iterable[Value]) -> list[Value]:
    """Give every run a seed, and refuse what cannot be one table: UserError names the lines.

    That is a number given twice, and two runs of one group with the same seed.
    """
    values = list(values)
    seen: dict[tuple[str, str, str, str, int], Value] = {}
    runs: dict[tuple[str, str], dict[str, int | None]] = {}
    for value in values:
        key = (value.dataset, value.group, value.run, value.metric, value.iteration)
        if key in seen:
            raise UserError(
                f"{value.where}: {value.metric} of run {value.run} is given twice, also in {seen[key].where}; "
                "several runs need a column `seed` or `run`, several checkpoints a column `iteration`"
            )
        seen[key] = value
        seeds = runs.setdefault((value.dataset, value.group), {})
        if seeds.setdefault(value.run, value.seed) != value.seed:
            raise UserError(f"{value.where}: run {value.run} has another seed in an earlier line")
    return [
        replace(value, seed=_seeds(runs[value.dataset, value.group], value)[value.run]) for value in values
    ]


def _seeds(runs: dict[str, int | None], value: Value) -> dict[str, int]:
    """The seeds of a group's runs: their own, or numbers where none has one."""
    given = {run: seed for run, seed in runs.items() if seed is not None}
    if given and len(given) < len(runs):
        lacking = next(run for run in runs if run not in given)
        raise UserError(
            f"{value.where}: of group {value.group}, run {lacking} has no seed and others have one"
        )
    if len(set(given.values())) < len(given):
        first, second = next((a, b) for a in given for b in given if a < b and given[a] == given[b])
        raise UserError(
            f"{value.where}: runs {first} and {second} of group {value.group} have the same seed, {given[first]}; "
            "each run of a group needs its own"
        )
    return given or {run: index for index, run in enumerate(runs)}
