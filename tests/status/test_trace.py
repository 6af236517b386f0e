"""`gantry trace` names the runs behind a number, with what their records and files say."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from tests.status.half import SETTINGS, TABLE
from tests.workflow.steps import PLAN, RUN, TWO, Gantry, refused

from gantry.plan import Plan
from gantry.plan.report_specs import report_spec
from gantry.report.cells import read_tidy
from gantry.status import trace

METRICS, SAMPLES = Path(PLAN.metrics(TWO, 20)), Path(PLAN.samples(TWO, 20))
ALONE = [*SETTINGS, "seeds=[0]"]


def test_everything_about_a_cell(here: Path, gantry: Gantry) -> None:
    frame = pd.read_csv(TABLE)
    cell = frame[(frame["method"] == "Two") & (frame["part"] == "main")].iloc[0]
    code, text = gantry("trace", "sketch/modes", "two", cell["quantity"], *ALONE)
    assert code == 0, text
    record = json.loads((RUN / "record-20.json").read_text())
    provenance = record["provenance"]
    assert f"ours {cell['ours_mean']:.10g} (1 of 1 runs, 0 diverged)" in text
    for said in (str(RUN), "seed        0", record["spec_digest"], '"sample_spread":0.1', '"ema":0.0',
                 record["data_digest"], provenance["commit"] or "outside git", provenance["code_digest"],
                 provenance["device"], provenance["step"], provenance["finished_at"], " of host"):  # fmt: skip
        assert said in text
    for name in ("record-10.json", METRICS.name, SAMPLES.name):
        assert f"{hashlib.sha256((RUN / name).read_bytes()).hexdigest()}  {RUN / name}" in text
    for entry in record["checkpoints"]:
        assert f"{entry['sha256']}  {RUN / entry['file']}" in text
    assert "points_one" not in text
    assert "verified" not in text


def test_a_cell_says_what_is_changed_and_is_found_without_its_marks(
    here: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = gantry("trace", "modes", "Two/20", "Modes covered", *ALONE)[1]
    assert "Scored samples: 200 instead of 1,000." in text and "Two (changed)" not in text

    def marked(plan: Plan, paper: str, name: str) -> dict[str, Any]:
        spec = report_spec(plan, paper, name)
        for group in spec["groups"]:
            group["recipe_changes"] = [f"batch_size: 3 instead of 32, of {group['recipe']}"]
        return spec

    # As if the file had been made of such runs, which takes training them.
    monkeypatch.setattr(trace, "report_spec", marked)
    monkeypatch.setattr(trace, "read_tidy", lambda csv: read_tidy(csv).replace({"Two": "Two (changed)"}))
    text = trace.trace(PLAN, "modes", "two/20", "modes covered")
    assert (
        "Two (changed): batch_size: 3 instead of 32, of points_two." in text and "of points_one" not in text
    )


def test_checkpoints_are_verified_when_asked(here: Path, gantry: Gantry) -> None:
    first, second = sorted(RUN.glob("work/*/checkpoints/*.safetensors"))
    first.write_bytes(first.read_bytes() + b"\0")
    code, text = gantry("trace", "--verify", "modes", "Two/20", "Modes covered", *ALONE)
    assert code == 0, text
    assert f"{first}  DAMAGED" in text
    assert f"{second}  verified" in text
    second.unlink()
    assert f"{second}  MISSING" in gantry("trace", "--verify", "modes", "Two/20", "Modes covered", *ALONE)[1]


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        (
            ("mods", "Two", "Modes"),
            ["mods: no table of this name", 'did you mean "modes"?', "known: sketch/modes"],
        ),
        (("places", "Two", "Modes"), ["places: no table", "known: sketch/modes"]),
        (("modes", "Tow", "Modes"), ["row 'Tow': not in the table", "its rows: "]),
        (("modes", "Two/20", "FID"), ["column 'FID': not in this row", "there are "]),
        (("modes", "Two/20", "s"), ["column 's': which one?"]),
        (("modes",), ["row of sketch/modes: which one? ", "/Two/G1"]),
        (("modes", "Two/20"), ["column: which one? "]),
        (("modes", "each generator/Two", "JS"), ["which one?", "Two/G1", "Two/G2"]),
        (("prices", "Two", "Time"), ["prices.csv: table not found"]),
    ],
)
def test_what_is_not_there_or_not_clear(
    here: Path, gantry: Gantry, asked: tuple[str, ...], says: list[str]
) -> None:
    refused(gantry("trace", *asked, *ALONE), *says)


def test_a_run_of_another_recipe_is_not_passed_off_as_the_source(here: Path, gantry: Gantry) -> None:
    changed = 'recipes={"points_two": {"terms": {"sample_spread": 0.7}}}'
    refused(gantry("trace", "modes", "Two/20", "Modes covered", *ALONE, changed), "not found", "again")


def test_a_number_with_a_flipped_bit_is_not_traced(here: Path, gantry: Gantry) -> None:
    table = Path(TABLE)
    table.write_text(table.read_text().replace("1", "3", 1))
    refused(gantry("trace", "modes", "Two/20", "Modes covered", *ALONE), "modes.csv: damaged, or changed")
