"""Claims of a paper's text, each with the statistic that tests it and a verdict."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gantry.errors import UserError
from gantry.files import write_text
from gantry.metrics import names
from gantry.plan.output_types.claims import Claim, ClaimTest, Side
from gantry.report.cells import network_of
from gantry.report.costs import COSTS
from gantry.report.layout import decimals, number
from gantry.report.load import Loaded, LoadedGroup, Run, load
from gantry.report.markup import escape_markdown
from gantry.report.notes import protocol_notes, scale_note
from gantry.report.quantities import DERIVED, REACHING, curve_of, reduced
from gantry.report.specs import options_of, parse_spec
from gantry.report.statistics import MOST_SEEDS, Interval, interval, seeds_to_decide, verdict
from gantry.report.titles import title_of

COLUMNS = [
    "name",
    "statement",
    "source",
    "published",
    "quantity",
    "estimate",
    "low",
    "high",
    "n",
    "rank_p",
    "verdict",
    "seeds_to_decide",
    "result",
    "trained_on",
    "marks",
    "note",
    "groups",
]


def make_claims(spec: dict[str, Any], csv: Path, md: Path) -> pd.DataFrame:
    """Test every claim of the spec, write both files, and return the rows (columns: COLUMNS)."""
    parsed = parse_spec(spec)
    options = options_of(parsed)
    loaded = load(parsed)
    claims = [each for claim in options.claims for each in _spread(claim, loaded)]
    frame = pd.DataFrame([_row(claim, loaded) for claim in claims], columns=COLUMNS)
    write_text(csv, frame.to_csv(index=False))
    write_text(md, _markdown(title_of(loaded), frame, [scale_note(parsed), *protocol_notes(parsed)]))
    return frame


def _spread(claim: Claim, loaded: Loaded) -> Iterator[Claim]:
    """A claim about each of several data sets, or against several baselines, as one about each; else as it is."""
    test = claim.test
    for dataset, published in claim.each.items():
        label = next((g.dataset_title for g in loaded.spec.groups if g.dataset_name == dataset), dataset)
        sides = {"of": test.of, "against": test.against}
        there = {key: side and side.model_copy(update={"dataset": dataset}) for key, side in sides.items()}
        yield _about(claim, label, published, there)
    for side, published in zip(claim.sides[1:], claim.baselines.values(), strict=False):
        label = next((g.recipe_title for g in loaded.spec.groups if g.recipe == side.recipe), side.recipe)
        yield _about(claim, f"against {label}", published, {"against": side})
    if not (claim.each or claim.baselines):
        yield claim


def _about(claim: Claim, label: str, published: str, sides: dict[str, Side | None]) -> Claim:
    return claim.model_copy(
        update={
            "name": f"{claim.name}, {label}",
            "statement": f"{label[0].upper()}{label[1:]}: {claim.statement}",
            "published": published,
            "test": claim.test.model_copy(update=sides),
        }
    )


def _row(claim: Claim, loaded: Loaded) -> dict[str, Any]:
    test, sides = claim.test, claim.sides
    groups = [_group(claim, side, loaded) for side in sides]
    values, note = _values(test, sides, groups)
    than = np.log(test.boundary) if test.statistic == "ratio" else test.boundary
    result = interval(values, than)
    others = dict.fromkeys(group.group.trained_on for group in groups if group.group.trained_on)
    all_diverged = bool(groups[0].runs) and not groups[0].complete
    decision = test.if_diverged if all_diverged else verdict(result, test.expect, than)
    shown = _exponential(result) if test.statistic == "ratio" else result
    return {
        "name": claim.name,
        "statement": claim.statement,
        "source": claim.source,
        "published": claim.published,
        "quantity": _quantity(test, loaded),
        "estimate": shown.mean,
        "low": shown.low,
        "high": shown.high,
        "n": shown.n,
        "rank_p": shown.rank_p,
        "verdict": decision,
        "seeds_to_decide": _needed(values, than) if decision == "undecided" else "",
        "result": _result(test, shown, loaded),
        "trained_on": ", ".join(others),
        "marks": ", ".join(dict.fromkeys(mark for group in groups for mark in group.group.marks)),
        "note": "; ".join([*note, *([f"measured on {', '.join(others)}"] if others else [])]),
        "groups": " ".join(dict.fromkeys(group.group.key for group in groups)),
    }


def _group(claim: Claim, side: Side, loaded: Loaded) -> LoadedGroup:
    found = [
        group
        for group in loaded.groups
        if group.group.recipe == side.recipe and side.dataset in (None, group.group.dataset_name)
    ]
    if len(found) != 1:
        what = "no runs of" if not found else "several data sets for"
        known = ", ".join(f"{group.recipe} on {group.dataset_name}" for group in loaded.spec.groups)
        raise UserError(
            f"{loaded.spec.paper}/{loaded.spec.name}: claims.{claim.name}: {what} {side.recipe}"
            f"{f' on {side.dataset}' if side.dataset else ''}; the spec has {known}"
        )
    return found[0]


def _values(test: ClaimTest, sides: list[Side], groups: list[LoadedGroup]) -> tuple[list[float], list[str]]:
    """One value per seed (of pairs: where both sides reached their end), and what was left out."""
    by_seed = [
        {run.seed: _measure(test, side, group, run) for run in group.complete}
        for side, group in zip(sides, groups, strict=True)
    ]
    known = [{seed: value for seed, value in each.items() if not np.isnan(value)} for each in by_seed]
    seeds = sorted(set.intersection(*(set(each) for each in known)))
    note = [
        f"{group.lost} of {len(group.runs)} runs of {group.group.recipe_title} diverged"
        for group in groups
        if group.lost
    ]
    if not seeds and all(group.complete for group in groups):
        note.append("not measured in these runs")
    if len(known) == 1:
        return [known[0][seed] for seed in seeds], note
    pairs = [(known[0][seed], known[1][seed]) for seed in seeds]
    if test.statistic == "difference":
        return [a - b for a, b in pairs], note
    return [float(np.log(a / b)) for a, b in pairs if a > 0 and b > 0], note


def _measure(test: ClaimTest, side: Side, group: LoadedGroup, run: Run) -> float:
    if test.metric in COSTS:
        return COSTS[test.metric].measure(run)
    curve = curve_of(run, test.metric, side.source or group.headline)
    curve = curve[(curve.index >= side.since * run.iterations) & (curve.index <= side.share * run.iterations)]
    curve = curve.iloc[test.skip :]
    return reduced(curve.iloc[-test.checkpoints :] if test.checkpoints else curve, test.reduction, test.level)


def _exponential(result: Interval) -> Interval:
    """A ratio's interval, back from logarithms."""
    mean, low, high = np.exp([result.mean, result.low, result.high])
    return Interval(float(mean), float(low), float(high), result.n, result.rank_p)


def _needed(values: list[float], than: float) -> str:
    """How many seeds would decide, in words."""
    if not values:
        return ""
    if len(values) < 2:
        return "two seeds at least are needed for an interval"
    needed = seeds_to_decide(values, than)
    if needed is None:
        return f"more than {MOST_SEEDS} seeds would be needed to decide"
    return f"about {needed} seeds would decide, if mean and spread stay as they are"


REDUCED = {
    "min": "lowest ",
    "max": "highest ",
    "mean": "mean ",
    "std": "deviation over checkpoints of ",
    "last": "",
}


def _quantity(test: ClaimTest, loaded: Loaded) -> str:
    """What was measured, in words."""
    if test.metric in COSTS:
        return COSTS[test.metric].title
    if test.metric in DERIVED:
        title = DERIVED[test.metric][0]
    else:
        title = names.label(test.metric, network_of(loaded.groups, test.metric))
    if test.reduction in REACHING:
        comparison = "≤" if test.reduction == "first_below" else "≥"
        return f"iterations until {title} {comparison} {test.level:g}"
    tail = f" of the last {test.checkpoints} checkpoints" if test.checkpoints else ""
    return (
        f"{REDUCED.get(test.reduction, '')}{title}{tail}{' at the end' if test.reduction == 'last' else ''}"
    )


def _result(test: ClaimTest, result: Interval, loaded: Loaded) -> str:
    """The statistic in one phrase."""
    kind = {"value": "", "difference": "difference in ", "ratio": "ratio of "}[test.statistic]
    head = f"{kind}{_quantity(test, loaded)}: "
    if not result.n:
        return head + "no value"
    places = decimals(np.asarray([result.mean]))
    text = f"{head}{number(result.mean, places)}"
    if result.n < 2:
        return f"{text} (one seed, no interval)"
    low, high = (number(value, places) for value in (result.low, result.high))
    ranks = "" if np.isnan(result.rank_p) else f", signed-rank p = {result.rank_p:.2g}"
    side = (
        "" if test.threshold is None else f"; claimed {test.expect} than {test.threshold:g}".replace("-", "−")
    )
    return f"{text} (95 % interval {low} to {high}, {result.n} seeds{ranks}{side})"


def _markdown(title: str, frame: pd.DataFrame, notes: list[str]) -> str:
    lines = ["| Claim | Published | Ours | Verdict |", "| :-- | :-- | :-- | :-- |"]
    for row in frame.to_dict("records"):
        ours = "; ".join(filter(None, [row["result"], row["seeds_to_decide"], row["note"]]))
        statement = f"{row['statement']} ({row['source']})" if row["source"] else row["statement"]
        marks = f" ({row['marks']})" if row["marks"] else ""
        cells = [statement, row["published"] or "–", ours]
        lines.append("| " + " | ".join(map(escape_markdown, cells)) + f" | **{row['verdict']}**{marks} |")
    body = "\n".join(f"- {escape_markdown(note)}" for note in notes)
    return f"**{escape_markdown(title)}**\n\n" + "\n".join(lines) + f"\n\n{body}\n"
