"""What a plan's results say of each method of the handbook: its row of the table, and a picture of samples."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from gantry.files import write_with
from gantry.metrics import names
from gantry.plan import Plan
from gantry.plan.configuration import Output
from gantry.plan.report_specs import overrides_of, report_spec
from gantry.report.cells import MAIN, read_tidy
from gantry.report.colours import COLOURS
from gantry.report.figures import translations
from gantry.report.figures.style import REAL, new_figure, no_ticks, styled
from gantry.report.layout import ARROWS, NOTHING, decimals, number
from gantry.report.markup import escape_markdown
from gantry.report.specs import Group, ReportSpec
from gantry.report.tables.scores import UNTRAINED

TABLE = "scores"
SIDE = 1.8  # inches of a picture
PICTURES = 4  # images a side
LINES = "Lines go from held-out inputs to their outputs, the dots, coloured by the input; grey: the target domain."
IMAGES = "Held-out inputs, outputs, and, where there are, the way back and the truth."
BESIDE = (names.INPUT, names.BACK, names.TRUTH, "montage")  # what is stored with samples and is none


def results_of(plan: Plan, paper: str, out: Path) -> dict[str, str]:
    """Markdown by recipe, for those whose row or picture is there; pictures are written to the folder `out.stem`.

    Of a recipe that several tables show, the first says.
    """
    found: dict[str, list[str]] = {}
    for other, name, output in plan.outputs():
        csv = Path(plan.results, paper, f"{name}.csv")
        if other != paper or output.type != TABLE or not csv.is_file():
            continue
        table = read_tidy(csv)
        spec = ReportSpec.model_validate(report_spec(plan, paper, name))
        groups: dict[str, list[Group]] = {}
        for group in spec.groups:
            groups.setdefault(group.recipe, []).append(group)
        for recipe, same in groups.items():
            if recipe in found:
                continue
            rows = _rows_of(table, same)
            row = [_row(table, rows)] if len(rows) else []
            picture = _picture(plan, output, same[0], out)
            found[recipe] = [*row, _told(plan, spec, same, rows), *picture] if row or picture else []
    return {recipe: "\n".join(lines) + "\n" for recipe, lines in found.items() if lines}


def _rows_of(table: pd.DataFrame, groups: list[Group]) -> pd.DataFrame:
    """The main table's rows of these runs; a title may be that of several recipes, of points and of digits.

    What nobody has trained, such as the inputs as they are, is measured by one of the runs and is not its own.
    """
    keys = {group.key for group in groups}
    theirs = table["groups"].map(lambda runs: not keys.isdisjoint(runs.split()))
    return table[(table["part"] == MAIN) & theirs & ~table["source"].isin(UNTRAINED)]


def _told(plan: Plan, spec: ReportSpec, groups: list[Group], rows: pd.DataFrame) -> str:
    """What a recipe's numbers and picture are of: scale, data sets, seeds, and all that is not as described."""
    data = "; ".join(dict.fromkeys(group.trained_on or group.dataset_label for group in groups))
    seeds = f"; seeds: {int(rows['n'].max())}" if len(rows) else ""
    overrides = tuple(overrides_of(plan, {groups[0].recipe: groups[0].recipe_label}))
    own = spec.model_copy(update={"groups": tuple(groups), "overrides": overrides})
    told = [f"Scale {plan.scale_name}; {data}{seeds}.", *own.shortened, *own.overrides, *own.changes]
    return escape_markdown(" ".join(told)) + "\n"


def _row(table: pd.DataFrame, rows: pd.DataFrame) -> str:
    """The method's line of the table, with its heads, or one for each of several data sets; ± is the deviation."""
    lines: dict[str, dict[str, str]] = {}
    for cell in rows.to_dict("records"):
        same = table.loc[table["quantity"] == cell["quantity"], "ours_mean"]
        places = decimals(same.to_numpy(dtype=float))
        metric = str(cell["metric"])
        head = str(cell["quantity"]) + (ARROWS[names.metric(metric).direction] if metric else "")
        entry = number(float(cell["ours_mean"]), places) if cell["n"] else "diverged"
        spread = f" ± {number(cell['ours_sd'], places)}" if cell["ours_sd"] == cell["ours_sd"] else ""
        lines.setdefault(str(cell["dataset"]), {})[head] = entry + spread
    heads = list(dict.fromkeys(head for line in lines.values() for head in line))
    first = ["Trained on"] if len(lines) > 1 else []
    written = [map(escape_markdown, [*first, *heads]), [":--"] * len(first) + ["--:"] * len(heads)]
    for dataset, line in lines.items():
        written.append(
            map(escape_markdown, [dataset] * len(first) + [line.get(head, NOTHING) for head in heads])
        )
    return "\n".join("| " + " | ".join(line) + " |" for line in written) + "\n"


def _picture(plan: Plan, output: Output, group: Group, out: Path) -> list[str]:
    """Draw the samples of the first run that has some; the line that shows them, if so."""
    recipe, label = group.recipe, group.recipe_title
    runs = [(run, ends) for run, ends in plan.runs_of(output) if run.recipe_name == recipe]
    for run, ends in runs:
        archive = Path(plan.samples(run, ends[-1]))
        if not archive.is_file():
            continue
        with np.load(archive, allow_pickle=False) as arrays:
            samples = {name: arrays[name] for name in arrays.files}
        if not len(samples["iterations"]):
            continue
        has_inputs = any(name.startswith(names.INPUT) for name in samples)
        if has_inputs and not plan.datasets[run.dataset].redistributable:
            return ["*No picture: the licence of these images does not let them be passed on.*\n"]
        path = out.parent / out.stem / f"{recipe}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        with styled():
            figure = _drawn(samples)
            write_with(path, lambda file, figure=figure: _save(figure, file))  # type: ignore[misc]
        told = f"after {int(samples['iterations'][-1]):,} iterations, seed {run.seed}"
        shown = f"({out.stem}/{recipe}.png)\n"
        if has_inputs:
            what = LINES if run.workload.resolution is None else IMAGES
            return [f"![Translations by {label}, {_source(samples)}, {told}]{shown}", f"*{what}*\n"]
        return [f"![Samples of {label} {told}]{shown}"]
    return []


def _save(figure: Figure, file: Any) -> None:
    figure.savefig(file, format="png", dpi=110, metadata={"Software": None})


def _source(samples: dict[str, np.ndarray]) -> str:
    """The first of the sources that samples are of."""
    return next(
        name for name in samples if name not in ("iterations", "real") and not name.startswith(BESIDE)
    )


def _drawn(samples: dict[str, np.ndarray]) -> Figure:
    """The last samples of the first source: points over the real ones, images, or translations of inputs."""
    source = _source(samples)
    last = samples[source][-1]
    figure = new_figure(SIDE, SIDE, constrained=False)
    if last.ndim == 2:
        ax = figure.add_axes((0.01, 0.01, 0.98, 0.98))
        if f"{names.INPUT} {source}" in samples:
            translations.lines(ax, samples, source, PICTURES**2)
            return figure
        real = samples["real"]
        limit = 1.25 * float(np.abs(real).max())
        ax.scatter(real[:, 0], real[:, 1], s=1, color=REAL, linewidths=0)
        ax.scatter(last[:, 0], last[:, 1], s=2, color=COLOURS[0], linewidths=0)
        ax.set_xlim(-limit, limit)
        ax.set_ylim(-limit, limit)
    else:
        ax = figure.add_axes((0, 0, 1, 1))
        if f"{names.INPUT} {source}" in samples:
            translations.rows(ax, samples, source, PICTURES)
        else:
            shown = last[: PICTURES**2]
            tiled = [np.concatenate(list(shown[i::PICTURES]), axis=0) for i in range(PICTURES)]
            ax.imshow(np.concatenate(tiled, axis=1), interpolation="nearest")
    no_ticks(ax)
    return figure
