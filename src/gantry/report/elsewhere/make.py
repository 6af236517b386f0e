"""The report's table and claims of runs from elsewhere."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from pydantic import ValidationError

from gantry.errors import UserError, suggestion
from gantry.files import write_text
from gantry.metrics import names
from gantry.plan.output_types.claims import Claim, ClaimsOptions
from gantry.report.cells import MAIN, Cell, series, tidy
from gantry.report.claims import write_claims
from gantry.report.elsewhere.runs import SOURCE
from gantry.report.elsewhere.text import number, read_rows
from gantry.report.latex import latex
from gantry.report.layout import arrange
from gantry.report.load import Loaded, LoadedGroup, Run
from gantry.report.markup import markdown
from gantry.report.quantities import reduced

PLACES = ("last", "best", "min", "max", "mean")
# "fid: ours < baseline", "fid best: ours < 0.9 * baseline", "accuracy: ours > 0.75"
COMPARISON = re.compile(
    r"\s*(?P<metric>.+?)(?:\s+(?P<place>last|best|min|max|mean))?\s*:\s*(?P<of>.+?)\s*(?P<sign>[<>])\s*(?P<rest>.+?)\s*"
)
FACTOR = re.compile(r"(?P<factor>[\d.eE+-]+)\s*[*×]\s*(?P<group>.+)")


def write_table(
    loaded: Loaded, published: Path | None, at: str, csv: Path, notes: Sequence[str]
) -> pd.DataFrame:
    """Write the table of groups and metrics as CSV, Markdown and LaTeX (beside `csv`), and return its tidy frame."""
    cells = list(_cells(loaded, Published(published, loaded), at))
    parts, footnotes = arrange(cells)
    frame = tidy(cells)
    title = loaded.spec.title
    write_text(csv, frame.to_csv(index=False))
    write_text(csv.with_suffix(".md"), markdown(title, parts, footnotes, notes))
    write_text(csv.with_suffix(".tex"), latex(title, csv.stem, parts, footnotes, notes))
    return frame


def write_claims_of(loaded: Loaded, claims: Sequence[Claim], csv: Path, notes: Sequence[str]) -> pd.DataFrame:
    """Test claims on these runs and write them as CSV and as Markdown (beside `csv`)."""
    return write_claims(loaded, claims, csv, csv.with_suffix(".md"), notes)


class Published:
    """Published numbers by data set, group and metric, from a CSV: a row a group, or group,metric,value."""

    def __init__(self, path: Path | None, loaded: Loaded) -> None:
        self.values: dict[tuple[str, str, str], float] = {}
        if path is None:
            return
        table = read_rows(path)
        key = next(
            (name for name in table.columns if name.lower() in ("group", "method", "recipe", "model")), None
        )
        if key is None:
            raise UserError(f"{path}: no column group; it has {', '.join(table.columns)}")
        groups = {group.group.recipe for group in loaded.groups}
        tidy_rows = {"metric", "value"} <= set(table.columns)
        for line, row in table.rows:
            where, dataset = table.where(line), row.get("dataset", "")
            given = {row["metric"]: row["value"]} if tidy_rows else row
            for metric in loaded.spec.metrics:
                if given.get(metric):
                    self.values[dataset, row[key], metric] = number(given[metric], where)
        if not any(group in groups for _, group, _ in self.values):
            raise UserError(
                f"{path}: nothing of these runs: their groups are {', '.join(sorted(groups))}, their metrics "
                f"{', '.join(loaded.spec.metrics)}"
            )

    def value(self, group: LoadedGroup, metric: str) -> float | None:
        """The number of a group; one without a data set counts for every data set."""
        name = group.group.recipe
        found = self.values.get((group.group.dataset_label, name, metric))
        return self.values.get(("", name, metric)) if found is None else found


def _cells(loaded: Loaded, published: Published, at: str) -> Iterator[Cell]:
    places = {metric: _place(metric, at) for metric in loaded.spec.metrics}
    for group in loaded.groups:
        for metric, place in places.items():
            yield Cell(
                part=MAIN,
                dataset=group.group.dataset_label,
                method=group.group.recipe_label,
                source=SOURCE,
                heads=(names.label(metric), "" if place == "last" else at),
                values=[_at(run, metric, place) for run in group.complete],
                runs=len(group.runs),
                diverged=group.lost,
                groups=(group.group.key,),
                published=published.value(group, metric),
                metric=metric,
                feature_network="inception" if names.metric(metric).uses_network else "",
            )


def _at(run: Run, metric: str, place: str) -> float:
    return reduced(series(run, metric, SOURCE), place, None)


def _place(metric: str, at: str) -> str:
    """How a curve becomes a number; UserError for the best of a metric of which no side is better."""
    if at != "best":
        return at
    direction = names.metric(metric).direction
    if direction == "half":
        raise UserError(
            f"{metric}: best is not known to be low or high; say --lower {metric} or --higher {metric}"
        )
    return "min" if direction == "lower" else "max"


def read_claims(path: Path) -> list[Claim]:
    """Read a YAML list of claims, written as in an experiment's `claims:` (docs/claims.md)."""
    try:
        content: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not a YAML file: {error}") from None
    listed = content.get("claims") if isinstance(content, dict) else content
    if not isinstance(listed, list):
        raise UserError(f"{path}: should be a list of claims, or a mapping with the key claims")
    try:
        return list(ClaimsOptions.model_validate({"claims": listed}).claims)
    except ValidationError as error:
        lines = [f"{path}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise UserError("\n".join(lines)) from None


def claim_of(text: str, loaded: Loaded) -> Claim:
    """Read a claim such as "fid: ours < baseline", "fid best: ours < 0.9 * baseline" or "accuracy: ours > 0.75"."""
    found = COMPARISON.fullmatch(text)
    if found is None:
        raise UserError(
            f"--claim {text!r}: write METRIC: GROUP < GROUP, or > for more, or a number on the right"
        )
    metric = _known("metric", found["metric"], loaded.spec.metrics, text)
    expect = "lower" if found["sign"] == "<" else "higher"
    test: dict[str, Any] = {
        "metric": metric, "reduction": _place(metric, found["place"] or "last"),
        "of": {"recipe": _group(found["of"], loaded, text)}, "expect": expect,
    }  # fmt: skip
    factor = FACTOR.fullmatch(found["rest"])
    try:
        test |= {"statistic": "value", "threshold": float(found["rest"])}
    except ValueError:
        against = _group(factor["group"] if factor else found["rest"], loaded, text)
        test["against"] = {"recipe": against}
        if factor:
            test |= {"statistic": "ratio", "threshold": number(factor["factor"], f"--claim {text!r}")}
    datasets = list(dict.fromkeys(group.group.dataset_name for group in loaded.groups))
    each = dict.fromkeys(datasets, "") if len(datasets) > 1 else {}
    content = {"name": text, "statement": text, "test": test, "each": each}
    try:
        return Claim.model_validate(content)
    except ValidationError as error:
        raise UserError(f"--claim {text!r}: {'; '.join(e['msg'] for e in error.errors())}") from None


def _group(name: str, loaded: Loaded, text: str) -> str:
    return _known("group", name, [group.group.recipe for group in loaded.groups], text)


def _known(what: str, name: str, known: Sequence[str], text: str) -> str:
    if name not in known:
        near = suggestion(name, known)
        raise UserError(
            f"--claim {text!r}: no {what} {name!r} in these files{near}; they have {', '.join(dict.fromkeys(known))}"
        )
    return name
