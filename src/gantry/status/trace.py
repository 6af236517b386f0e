"""Where a number of a table comes from: the runs behind one cell, and everything their records say."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from gantry.errors import UserError, suggestion
from gantry.files import canonical_json, sha256_of_file
from gantry.plan import Plan
from gantry.plan.report_specs import report_spec
from gantry.plan.targets import left_out
from gantry.report.cells import MAIN, read_tidy
from gantry.report.layout import number
from gantry.report.load import Run, load
from gantry.report.notes import protocol_notes
from gantry.report.specs import CHANGED, PROXY, parse_spec
from gantry.runs.outputs import verify_output
from gantry.system.formatting import align_columns, format_bytes, format_duration

# What a row is called by, in the order in which its name lists them.
ROW_KEYS = ("part", "dataset", "method", "source", "iteration")


def trace(plan: Plan, table: str, row: str | None, column: str, *, verify: bool = False) -> str:
    """Describe the cell of `table` ('bcgan/table2', or 'table2' if one paper has it) and the runs behind it.

    `row` gives as many of its labels as single it out, separated by '/', e.g. 'CelebA/BCGAN'; `column` is the
    quantity, e.g. 'FID, minimum', or a part of it that only one has. With `verify` every checkpoint is read
    and compared with its record. UserError where nothing, or more than one cell, is meant.
    """
    paper, name = _table(plan, table)
    csv = Path(plan.results, paper, f"{name}.csv")
    verify_output(csv)
    frame = read_tidy(csv)
    if row is None:
        raise UserError(_choose(f"row of {paper}/{name}", map(_title, frame.to_dict("records"))))
    rows = _column(_row(frame, row), column)
    if len(rows) > 1:
        raise UserError(_choose(f"row {row!r}", map(_title, rows.to_dict("records"))))
    cell = rows.to_dict("records")[0]
    loaded = load(parse_spec(report_spec(plan, paper, name)))
    wanted = str(cell["groups"]).split()
    groups = [group for group in loaded.groups if group.group.key in wanted]
    runs = [run for group in groups for run in group.runs]
    lines = [f"{paper}/{name}: {_title(cell)}: {cell['quantity']}", *_numbers(cell)]
    told = loaded.spec.model_copy(update={"groups": tuple(group.group for group in groups)})
    lines += [f"  {note}" for note in protocol_notes(told)]
    for run in {run.key: run for run in runs}.values():
        lines += ["", *_describe(run, verify)]
    return "\n".join(lines)


def _table(plan: Plan, asked: str) -> tuple[str, str]:
    known = {f"{paper}/{name}": (paper, name) for paper, name, out in plan.outputs() if out.family == "table"}
    found = [key for key in known if asked in (key, key.partition("/")[2])]
    if len(found) > 1:
        raise UserError(_choose(asked, found))
    if not found:
        elsewhere = left_out(plan, asked)
        near = suggestion(asked, [*known, *(name for _, name in known.values())])
        raise UserError(f"{asked}: {elsewhere or f'no table of this name{near}'}; known: {', '.join(known)}")
    return known[found[0]]


def _row(frame: pd.DataFrame, asked: str) -> pd.DataFrame:
    """The cells of the rows with these labels; those of the main part if both it and others have them.

    The marks behind labels, "(changed)" and "(proxy)", may be left out.
    """
    records = frame.to_dict("records")
    words = {word.strip().casefold() for word in asked.split("/")}
    chosen = [
        words <= (labels := _with_and_without_marks(record)) or asked.casefold() in labels
        for record in records
    ]
    found = frame[chosen]
    if found.empty:
        rows = list(dict.fromkeys(map(_title, records)))
        raise UserError(
            f"row {asked!r}: not in the table{suggestion(asked, rows)}; its rows: {'; '.join(rows)}"
        )
    main = found[found["part"] == MAIN]
    return found if main.empty else main


def _column(rows: pd.DataFrame, asked: str) -> pd.DataFrame:
    names = list(dict.fromkeys(rows["quantity"]))
    exact = [name for name in names if name.casefold() == asked.casefold()]
    found = exact or [name for name in names if asked.casefold() in name.casefold()]
    if not found:
        raise UserError(
            f"column {asked!r}: not in this row{suggestion(asked, names)}; there are {'; '.join(names)}"
        )
    if len(found) > 1:
        raise UserError(_choose(f"column {asked!r}" if asked else "column", found))
    return rows[rows["quantity"] == found[0]]


def _choose(asked: str, candidates: Iterable[str]) -> str:
    return f"{asked}: which one? " + "; ".join(dict.fromkeys(candidates))


def _labels(record: dict[Any, Any]) -> list[str]:
    return [_text(record[key]) for key in ROW_KEYS]


def _with_and_without_marks(record: dict[Any, Any]) -> set[str]:
    labels = {label.casefold() for label in _labels(record)}
    return labels | {label.removesuffix(f" {mark}") for label in labels for mark in (CHANGED, PROXY)}


def _text(value: Any) -> str:
    return "end" if pd.isna(value) else str(value)


def _title(record: dict[Any, Any]) -> str:
    return "/".join(label for label in _labels(record) if label not in ("", MAIN, "end"))


def _numbers(cell: dict[Any, Any]) -> list[str]:
    ours = f"{cell['ours_mean']:.10g}" if cell["n"] else "not measured"
    if not pd.isna(cell["ours_sd"]):
        ours += f" ± {cell['ours_sd']:.6g}"
    published = "none" if pd.isna(cell["published"]) else number(cell["published"], 2)
    counted = f"{int(cell['n'])} of {int(cell['runs'])} runs, {int(cell['diverged'])} diverged"
    lines = [f"  ours {ours} ({counted}); published {published}"]
    return lines + [f"  {note}" for note in str(cell["note"]).split(" | ") if note]


def _describe(run: Run, verify: bool) -> list[str]:
    last, provenance = run.records[-1], run.provenance
    wall, memory = run.largest("wall_seconds"), run.largest("peak_memory_bytes")
    host = run.largest("peak_host_bytes")
    rows = [
        ("seed", str(run.seed)),
        ("status", run.ending),
        ("iterations", f"{run.iterations:,}"),
        ("commit", str(provenance.get("commit") or "outside git")),
        ("code", str(provenance.get("code_digest", "–"))),
        ("software", run.software),
        ("recipe", f"{last['spec_digest']}  {canonical_json(last['spec']['recipe'])}"),
        ("settings", canonical_json(last["recipe"])),
        ("data", str(last.get("data_digest", "–"))),
        ("device", str(provenance.get("device", "–"))),
        ("steps", str(provenance.get("step", "–"))),
        ("time", "–" if wall is None else format_duration(wall)),
        ("memory", ", ".join(_memory(memory, host)) or "–"),
        ("finished", str(provenance.get("finished_at", "–"))),
    ]
    files = [path for segment in run.files for path in segment]
    rows += [("file", f"{sha256_of_file(path)}  {path}") for path in files if path.exists()]
    # A later segment's record repeats the checkpoints of those before it.
    for entry in last["checkpoints"]:
        path = run.folder / entry["file"]
        rows.append(
            ("checkpoint", f"{entry['sha256']}  {path}{_verdict(path, entry['sha256']) if verify else ''}")
        )
    return [str(run.folder), *(f"  {line}" for line in align_columns(rows))]


def _memory(gpu: float | None, host: float | None) -> list[str]:
    return [f"{format_bytes(size)} of {kind}" for kind, size in (("GPU", gpu), ("host", host)) if size]


def _verdict(path: Path, sha256: str) -> str:
    if not path.exists():
        return "  MISSING"
    return "  verified" if sha256_of_file(path) == sha256 else "  DAMAGED"
