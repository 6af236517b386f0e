"""What is edited while jobs wait, and put back, changes no result: jobs are told of the plan as it was made."""

import shutil

from tests.workflow.checkout import POINTS_TWO, Sketch

TITLE = "Modes"


def test_a_file_edited_in_the_midst_and_put_back(spoilt: Sketch) -> None:
    """The scores' job edits the paper and the data sets, as an editor would; the table sees them as they were."""
    straight = (spoilt.folder / "results/tiny/sketch/modes.csv").read_bytes()
    for name in ("sketch", "runs/mixture"):
        shutil.rmtree(spoilt.folder / "results/tiny" / name)
    text = spoilt.paper.read_text(encoding="utf-8")
    smk = spoilt.folder / "workflow/rules/evaluate.smk"
    edit = (
        f"sed -i s/Two/Three/ {spoilt.paper} && echo broken: [ > {spoilt.folder}/workflow/datasets.yaml && "
    )
    smk.write_text(smk.read_text().replace('"gantry score-run', f'"{edit}gantry score-run'), encoding="utf-8")
    done = spoilt.make("results/tiny/sketch/modes.csv")
    assert done.code == 0, done.output
    assert spoilt.paper.read_text(encoding="utf-8") != text, "nothing was edited"
    assert (spoilt.folder / "results/tiny/sketch/modes.csv").read_bytes() == straight


def test_the_plan_is_written_once_and_read_by_its_digest(sketch: Sketch) -> None:
    (plan,) = (sketch.folder / "results/tiny/plans").glob("*.yaml")
    assert "sample_spread" in plan.read_text(encoding="utf-8")
    assert (sketch.folder / POINTS_TWO / "record-20.json").is_file()
