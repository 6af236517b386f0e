"""Scores in text files: a tidy CSV of anyone's, and the two kinds that Weights & Biases exports."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantry.errors import UserError, suggestion
from gantry.report.elsewhere.values import RunNames, Value

# What others call our columns.
ALIASES = {
    "run": ("run", "run_id", "run_name"),
    "group": ("group", "method", "recipe", "model"),
    "seed": ("seed",),
    "dataset": ("dataset", "data"),
    "iteration": ("iteration", "step", "global_step", "epoch"),
    "metric": ("metric", "tag"),
    "value": ("value",),
    "status": ("status", "state"),
}
FAILED = {"diverged"}
TIDY = "run,group,seed,metric,value (and, where there are any, dataset, iteration, status)"
# Columns of W&B's table of runs that are no scores.
WANDB_NAME, WANDB_GROUP, WANDB_STATE = "Name", "Group", "State"
WANDB_FINISHED = {"finished", ""}


@dataclass(frozen=True)
class Rows:
    """A CSV file: its columns, and its rows with the number of their line."""

    path: Path
    columns: tuple[str, ...]
    rows: tuple[tuple[int, dict[str, str]], ...]

    def where(self, line: int) -> str:
        return f"{self.path}, line {line}"


def read_rows(path: Path) -> Rows:
    """Read a CSV with commas, semicolons or tabs; UserError for what is none."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file in UTF-8; export it as CSV (UTF-8)") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from None
    head = text.partition("\n")[0]
    delimiter = max(",;\t", key=head.count)
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True)
    try:
        columns = tuple(name.strip() for name in next(reader, []))
        if not any(columns):
            raise UserError(f"{path}: empty; a CSV has a first line that names its columns: {TIDY}")
        twice = [name for name in columns if columns.count(name) > 1]
        if twice:
            raise UserError(f"{path}: two columns are called {twice[0]!r}")
        rows = []
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(columns):
                raise UserError(
                    f"{path}, line {reader.line_num}: {len(cells)} values, and there are {len(columns)} columns"
                )
            rows.append((reader.line_num, dict(zip(columns, (cell.strip() for cell in cells), strict=True))))
    except csv.Error as error:
        raise UserError(f"{path}, line {reader.line_num}: not a CSV: {error}") from None
    if not rows:
        raise UserError(f"{path}: no rows below its first line")
    return Rows(path, columns, tuple(rows))


def read_text_file(path: Path, names: RunNames, metrics: Sequence[str] | None) -> Iterator[Value]:
    """Yield the scores of a CSV, whichever of the three it is; UserError says what it should have been."""
    table = read_rows(path)
    lower = {name.lower() for name in table.columns}
    if {"metric", "value"} <= lower or "tag" in lower:
        yield from _tidy(table, names)
    elif any(" - " in name for name in table.columns[1:]):
        yield from _wandb_chart(table, names)
    elif WANDB_NAME in table.columns:
        yield from _wandb_runs(table, names, metrics)
    else:
        near = next((s for c in table.columns if (s := suggestion(c, ["metric", "value"]))), "")
        raise UserError(
            f"{path}: columns {', '.join(table.columns)}{near}; needed are {TIDY}, or an export of W&B: a table of "
            f"runs with {WANDB_NAME}, or a chart with Step and “run - metric”"
        )


def _tidy(table: Rows, names: RunNames) -> Iterator[Value]:
    column = {
        ours: next((name for name in table.columns if name.lower() in theirs), None)
        for ours, theirs in ALIASES.items()
    }
    if column["value"] is None or column["metric"] is None or not (column["run"] or column["group"]):
        lacking = (
            "value" if column["value"] is None else "metric" if column["metric"] is None else "group or run"
        )
        raise UserError(f"{table.path}: no column {lacking}; needed are {TIDY}")

    def cell(row: dict[str, str], ours: str) -> str:
        name = column[ours]
        return "" if name is None else row[name]

    for line, row in table.rows:
        where = table.where(line)
        group, seed, dataset = (
            cell(row, "group"),
            whole(cell(row, "seed"), "seed", where),
            cell(row, "dataset"),
        )
        run = cell(row, "run") or f"{dataset}/{group}/seed{'' if seed is None else seed}".lstrip("/")
        if not column["group"]:
            group, of_name, dataset_of_name = names.parts(run, where)
            seed, dataset = of_name if seed is None else seed, dataset or dataset_of_name
        if not (group and cell(row, "metric")):
            raise UserError(f"{where}: without a {'metric' if group else 'group'}")
        failed = cell(row, "status").lower() in FAILED
        if not cell(row, "value") and not failed:
            continue
        yield Value(
            run, group, seed, dataset, whole(cell(row, "iteration"), "iteration", where) or 1, cell(row, "metric"),
            number(cell(row, "value") or "nan", where), where, failed,
        )  # fmt: skip


def _wandb_runs(table: Rows, names: RunNames, metrics: Sequence[str] | None) -> Iterator[Value]:
    """The table of a project's runs: one row a run, with settings and scores as columns."""
    numeric = [name for name in table.columns if _is_numeric(table, name)]
    if not metrics:
        raise UserError(
            f"{table.path}: W&B's table of runs mixes scores and settings; say with --metrics which columns are "
            f"scores; those with numbers: {', '.join(numeric) or 'none'}"
        )
    for metric in metrics:
        if metric not in table.columns:
            raise UserError(
                f"{table.path}: no column {metric!r}{suggestion(metric, table.columns)}; those with numbers: "
                f"{', '.join(numeric) or 'none'}"
            )
    seeds = next((name for name in table.columns if name.lower() in ("seed", "config.seed")), None)
    for line, row in table.rows:
        where = table.where(line)
        if row.get(WANDB_STATE, "").lower() not in WANDB_FINISHED:
            continue
        run = row[WANDB_NAME]
        group, seed, dataset = names.parts(run, where)
        if names.pattern is None and row.get(WANDB_GROUP):
            group = row[WANDB_GROUP]
        if seeds is not None:
            seed = whole(row[seeds], "seed", where)
        for metric in metrics:
            if row[metric]:
                yield Value(run, group, seed, dataset, 1, metric, number(row[metric], where), where)


def left_out(path: Path) -> str | None:
    """What of W&B's table of runs is not read, in words: runs that did not finish."""
    table = read_rows(path)
    if WANDB_NAME not in table.columns or WANDB_STATE not in table.columns:
        return None
    states = [row[WANDB_STATE].lower() for _, row in table.rows]
    lost = [state for state in states if state not in WANDB_FINISHED]
    told = ", ".join(f"{lost.count(state)} {state}" for state in dict.fromkeys(lost))
    return (
        f"{path}: {len(lost)} of {len(states)} runs are left out, for they did not finish ({told})"
        if lost
        else None
    )


def _wandb_chart(table: Rows, names: RunNames) -> Iterator[Value]:
    """A chart's data: a column of steps, and a column “run - metric” for each curve."""
    steps = table.columns[0]
    curves = [name for name in table.columns[1:] if " - " in name and not name.endswith(("__MIN", "__MAX"))]
    for line, row in table.rows:
        where = table.where(line)
        step = whole(row[steps], steps, where)
        for name in curves:
            if row[name]:
                run, _, metric = name.rpartition(" - ")
                group, seed, dataset = names.parts(run, where)
                yield Value(run, group, seed, dataset, step or 0, metric, number(row[name], where), where)


def _is_numeric(table: Rows, name: str) -> bool:
    try:
        return bool([number(row[name], "") for _, row in table.rows if row[name]])
    except UserError:
        return False


def number(text: str, where: str) -> float:
    """A number; "nan" and "inf" are numbers of runs that diverged."""
    try:
        return float(text)
    except ValueError:
        hint = "; write a point, not a comma" if text.count(",") == 1 else ""
        raise UserError(f"{where}: {text!r} is not a number{hint}") from None


def whole(text: str, what: str, where: str) -> int | None:
    """A whole number; None for an empty cell."""
    if not text:
        return None
    value = number(text, where)
    if value != value or value in (float("inf"), float("-inf")) or value != int(value) or value < 0:
        raise UserError(f"{where}: {what} {text!r} is not a whole number")
    return int(value)
