"""Write the table of the papers' claims that heads results/reference/README.md: uv run python benchmarks/evidence.py

Each row is a claim as a file of results/reference has it (FILES). The tables of claims of which no file lies there are
listed below, as not tested.
"""

import re
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import yaml

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
README = REFERENCE / "README.md"
BEGIN, END = "<!-- claims: benchmarks/evidence.py -->", "<!-- end of claims -->"
PAPERS = {"bcgan": "BCGAN", "edgan": "EDGAN"}


class Tested(NamedTuple):
    """One file of claims: its folder and stem, the experiment whose claims it tests, and what it was trained on."""

    file: str
    experiment: str
    on: str


FILES = [
    Tested("bcgan/full_length/claims_synthetic", "bcgan", "the mixture"),
    Tested("bcgan/claims_synthetic", "bcgan", "the mixture"),
    Tested("bcgan/width128/claims_synthetic", "bcgan", "the mixture, a third of the width"),
    Tested("bcgan/claims_constraints", "bcgan", "the mixture"),
    Tested("constraint/faces_claims", "bcgan", "5,000 faces at 32×32"),
    Tested("constraint/cifar10_claims", "bcgan", "a tenth of CIFAR-10, 32×32"),
    Tested(
        "edgan/claims_entropy_distance",
        "edgan",
        "a fifth of CIFAR-10, a quarter of the width; δ by the histogram",
    ),
    Tested("edgan/claims_weight", "edgan", "a fifth of CIFAR-10, a quarter of the width; δ by the histogram"),
    Tested(
        "edgan/digits/claims_entropy_distance", "edgan", "digits, DCGAN's settings, an eighth of the width"
    ),
    Tested("edgan/digits/claims_weight", "edgan", "digits, DCGAN's settings, an eighth of the width"),
]
LENGTH = re.compile(r"Trained for ([\d,]+) iterations(?:; the paper for| instead of) ([\d,]+)")


def length(notes: str) -> str:
    """Which part of the paper's iterations was trained, by the notes under a table, which name what differs."""
    found = LENGTH.search(notes)
    if not found:
        return "as many as published"
    ours, theirs = (int(each.replace(",", "")) for each in found.groups())
    return f"{ours:,} of {theirs:,}"


def tested(each: Tested) -> list[str]:
    """The rows of one file."""
    path = REFERENCE / each.file
    notes, frame = path.with_suffix(".md").read_text("utf-8"), pd.read_csv(path.with_suffix(".csv"))
    where = f"[{each.on}]({each.file}.md), {length(notes)}"
    frame["published"] = frame["published"].fillna("–")
    rule = ", by the earlier rule" if "earlier rule" in notes else ""
    return [
        f"| {row.statement} ({row.source}) | {row.published} | {row.result} | {where} | {row.n} "
        f"| **{row.verdict}**{rule} |"
        for row in frame.itertuples()
    ]


def not_tested(experiment: str) -> list[str]:
    """The claims' tables of an experiment of which no file lies here, by their titles."""
    content = yaml.safe_load((ROOT / "workflow" / "experiments" / f"{experiment}.yaml").read_text("utf-8"))
    done = {Path(each.file).name for each in FILES if each.experiment == experiment}
    rows = []
    for name, output in content["outputs"].items():
        if output["type"] == "claims" and name not in done:
            count = len(output["options"]["claims"])
            title = re.sub(r", tested.*", "", output["title"])
            rows.append(f"- `{name}`: {title}; {count} statement{'s' * (count > 1)}.")
    return rows


def table() -> str:
    """The tables of all papers, in Markdown."""
    lines = []
    for experiment, title in PAPERS.items():
        lines += ["", f"### {title}", ""]
        lines += [
            "| Claim | Published | Ours | On, iterations | Seeds | Verdict |",
            "|---|---|---|---|---:|---|",
        ]
        lines += [row for each in FILES if each.experiment == experiment for row in tested(each)]
        lines += ["", "Tables of claims that have not been made yet:", "", *not_tested(experiment)]
    return "\n".join(lines).strip() + "\n"


def with_table(page: str) -> str:
    """The page with the tables of today between its two marks."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text("utf-8")), encoding="utf-8")
