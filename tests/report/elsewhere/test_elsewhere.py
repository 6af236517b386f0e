"""Runs from elsewhere: what is read of each kind of file, what becomes of it, and what is said of a bad one."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from gantry.cli import run
from gantry.errors import UserError
from gantry.report.elsewhere.runs import read_values
from gantry.report.elsewhere.values import RunNames

OURS, BASELINE = (12.1, 11.7, 12.3), (14.1, 14.6, 14.0)
TIDY = "run,group,seed,metric,value\n" + "".join(
    f"{group[0]}{seed},{group},{seed},fid,{value}\n"
    for group, values in (("ours", OURS), ("baseline", BASELINE))
    for seed, value in enumerate(values)
)
# As W&B exports a project's table of runs: settings and scores side by side, every cell in quotes.
WANDB_RUNS = """"Name","State","Notes","Created","Runtime","seed","lr","best/fid"
"ours-a","finished","-","2026-01-02T03:04:05.000Z","3600","0","0.0002","12.1"
"ours-b","finished","","2026-01-02T03:04:05.000Z","3600","1","0.0002","11.7"
"ours-c","crashed","","2026-01-02T03:04:05.000Z","12","2","0.0002","99.9"
"""
# As W&B exports a chart: a column of steps, and three columns a run.
WANDB_CHART = """"Step","ours-seed0 - fid","ours-seed0 - fid__MIN","ours-seed0 - fid__MAX","base-seed0 - fid"
"100","50.5","50.5","50.5","60"
"200","20.25","20.25","20.25",""
"300","22.5","22.5","22.5","30"
"""


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write a file into the folder in which commands run, and return its name."""
    monkeypatch.chdir(tmp_path)

    def write(text, name="runs.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return name

    return write


def refused(capsys, *arguments) -> str:
    """The one message of a command that is refused."""
    assert run(list(arguments)) == 2
    told = capsys.readouterr().err
    assert "Traceback" not in told and told.startswith("gantry: ")
    return told


def test_a_tidy_csv_becomes_the_table_in_its_three_forms(file, capsys):
    file(TIDY)
    file("group,fid\nbaseline,13.9\n", "published.csv")
    assert run(["table", "--from", "runs.csv", "--published", "published.csv", "--out", "t.csv"]) == 0
    shown = capsys.readouterr().out
    assert shown == Path("t.md").read_text()
    assert "12.03 ± 0.31" in shown and "| published | 13.90 |" in shown and "| difference | +0.33 |" in shown
    frame = pd.read_csv("t.csv").set_index("method")
    assert frame.loc["ours", "ours_mean"] == pytest.approx(np.mean(OURS))
    assert frame.loc["ours", "ours_sd"] == pytest.approx(np.std(OURS, ddof=1))
    assert frame["n"].tolist() == [3, 3] and frame.loc["baseline", "published"] == 13.9
    assert (
        r"12.03 $\pm$ 0.31" in Path("t.tex").read_text() and r"FID $\downarrow$" in Path("t.tex").read_text()
    )


def test_claims_have_welchs_interval_and_a_verdict(file, capsys):
    file(TIDY)
    told = [
        "--claim",
        "fid: ours < baseline",
        "--claim",
        "fid: ours < 0.5 * baseline",
        "--claim",
        "fid: ours > 1",
    ]
    assert run(["claims", "--from", "runs.csv", *told, "--out", "c.csv"]) == 0
    frame = pd.read_csv("c.csv")
    interval = stats.ttest_ind(OURS, BASELINE, equal_var=False).confidence_interval(0.95)
    assert (frame.loc[0, "low"], frame.loc[0, "high"]) == pytest.approx((interval.low, interval.high))
    assert frame["verdict"].tolist() == ["holds", "does not hold", "undecided"]
    assert "**holds**" in capsys.readouterr().out


def test_claims_may_be_a_file_with_all_that_an_experiments_can_say(file):
    curves = "group,seed,iteration,metric,value\n" + "".join(
        f"{group},{seed},{iteration},js,{value + shift}\n"
        for group, shift in (("a", 0.0), ("b", 0.3))
        for seed in range(4)
        for iteration, value in ((10, 0.9), (20, 0.1 + seed / 100), (30, 0.5 + seed / 50))
    )
    file(curves)
    file(
        "claims:\n- name: best\n  statement: a is better at its best\n  published: '0.1 against 0.4'\n"
        "  test: {metric: js, reduction: min, of: a, against: b, expect: lower}\n",
        "claims.yaml",
    )
    assert run(["claims", "--from", "runs.csv", "--claims", "claims.yaml", "--out", "c.csv"]) == 0
    row = pd.read_csv("c.csv").iloc[0]
    assert row["estimate"] == pytest.approx(-0.3) and row["verdict"] == "holds"
    assert row["published"] == "0.1 against 0.4"


@pytest.mark.parametrize(
    ("at", "expected"), [("last", 22.5), ("best", 20.25), ("max", 50.5), ("mean", 31.083333)]
)
def test_a_curve_is_shown_at_one_place(file, at, expected):
    file(WANDB_CHART)
    assert run(["table", "--from", "runs.csv", "--at", at, "--out", "t.csv"]) == 0
    frame = pd.read_csv("t.csv").set_index("method")
    assert frame.loc["ours", "ours_mean"] == pytest.approx(expected) and set(frame.index) == {"ours", "base"}


def test_wandbs_table_of_runs_needs_the_scores_names(file, capsys):
    file(WANDB_RUNS)
    assert "those with numbers: Runtime, seed, lr, best/fid" in refused(
        capsys, "table", "--from", "runs.csv", "--out", "t.csv"
    )
    command = [
        "table",
        "--from",
        "runs.csv",
        "--metrics",
        "best/fid",
        "--runs",
        "{group}-a",
        "--out",
        "t.csv",
    ]
    assert "run 'ours-b' does not fit --runs '{group}-a'" in refused(capsys, *command)
    file(
        WANDB_RUNS.replace('"Notes"', '"Group"')
        .replace('"-",', '"",')
        .replace('"finished","",', '"finished","ours",')
    )
    assert (
        run(["table", "--from", "runs.csv", "--metrics", "best/fid", "--lower", "best/fid", "--out", "t.csv"])
        == 0
    )
    told = capsys.readouterr().out
    assert "best/fid ↓" in told and "11.90 ± 0.28" in told, "12.1 and 11.7, and not that of the crashed run"
    assert "1 of 3 runs are left out, for they did not finish (1 crashed)" in told


def event_files(folder: Path) -> None:
    """True event files, two runs of two groups, with a run that went on after step 20."""
    from torch.utils.tensorboard import SummaryWriter

    for group, shift in (("ours", 0.0), ("baseline", 5.0)):
        for seed in range(2):
            for steps in ((10, 20), (20, 30)):
                writer = SummaryWriter(str(folder / group / f"seed{seed}"))
                for step in steps:
                    writer.add_scalar(
                        "eval/fid", shift + 40 - step + seed + (step == 20) * len(steps[:1]), step
                    )
                    writer.add_scalar("loss/D", 1.0, step)
                writer.close()


def test_tensorboards_folders_are_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("tensorboard", reason="not installed: tensorboard (uv sync)")
    monkeypatch.chdir(tmp_path)
    event_files(tmp_path / "logs")
    assert run(["table", "--from", "logs", "--metrics", "eval/fid", "--out", "t.csv"]) == 0
    assert "eval/fid ↓" in capsys.readouterr().out
    frame = pd.read_csv("t.csv").set_index("method")
    assert frame.loc["ours", "ours_mean"] == pytest.approx(10.5) and frame.loc["baseline", "n"] == 2
    values = read_values([Path("logs")], None, None)
    assert {value.metric for value in values} == {"eval/fid", "loss/D"} and {v.iteration for v in values} == {
        10,
        20,
        30,
    }
    assert "no scalars called fid" in refused(
        capsys, "table", "--from", "logs", "--metrics", "fid", "--out", "t.csv"
    )


def test_a_run_that_diverged_is_counted(file, capsys):
    file(TIDY.replace("14.6", "nan"))
    assert run(["table", "--from", "runs.csv", "--out", "t.csv"]) == 0
    assert "n = 2, 1 of 3 diverged" in capsys.readouterr().out or pd.read_csv("t.csv")[
        "diverged"
    ].tolist() == [0, 1]
    assert run(["claims", "--from", "runs.csv", "--claim", "fid: ours < baseline", "--out", "c.csv"]) == 0
    assert "1 of 3 runs of baseline diverged" in pd.read_csv("c.csv").loc[0, "note"]


@pytest.mark.parametrize(
    ("run_name", "expected"),
    [
        ("bcgan/seed0", ("bcgan", 0)),
        ("bcgan-s3", ("bcgan", 3)),
        ("lsgan_seed=12 (rerun)", ("lsgan", 12)),
        ("runs/digits/bcgan/seed1/ab12/work/events", ("runs/digits/bcgan", 1)),
        ("dcgan-resnets3", ("dcgan-resnets3", None)),
        ("plain", ("plain", None)),
    ],
)
def test_what_a_runs_name_says(run_name, expected):
    assert RunNames().parts(run_name, "here")[:2] == expected


def test_a_pattern_says_more():
    assert RunNames("{dataset}/{group}_s{seed}").parts("cifar/big_gan_s4", "here") == ("big_gan", 4, "cifar")
    for bad in ("{seed}", "{group}{group}", "{group}-{lr}"):
        with pytest.raises(UserError, match=r"needs \{group\}"):
            RunNames(bad)


def test_semicolons_a_byte_order_mark_and_others_names_are_read(file):
    file("\ufeffModel;Seed;Step;Tag;Value\nours;0;5;fid;1.5\nours;0;9;fid;2.5\n\n")
    values = read_values([Path("runs.csv")], None, None)
    assert [(v.group, v.seed, v.iteration, v.metric, v.value) for v in values] == [
        ("ours", 0, 5, "fid", 1.5), ("ours", 0, 9, "fid", 2.5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty; a CSV has a first line"),
        ("run,group,seed,metric,value\n", "no rows below its first line"),
        ("a,b\n1,2\n", "needed are run,group,seed,metric,value"),
        ("run,group,seed,metrc,value\na,b,0,fid,1\n", 'did you mean "metric"'),
        ("seed,metric,value\n0,fid,1\n", "no column group or run"),
        ("group,seed,metric,value\nours,0,fid,abc\n", "runs.csv, line 2: 'abc' is not a number"),
        ("group;seed;metric;value\nours;0;fid;1,5\n", "write a point, not a comma"),
        ("group,seed,metric,value\nours,x,fid,1\n", "line 2: 'x' is not a number"),
        ("group,seed,metric,value\nours,1.5,fid,1\n", "seed '1.5' is not a whole number"),
        ("group,seed,metric,value\nours,nan,fid,1\n", "seed 'nan' is not a whole number"),
        ("group,seed,metric,value\nours,0,fid\n", "line 2: 3 values, and there are 4 columns"),
        (
            "group,seed,metric,value\nours,0,fid,1\nours,0,fid,2\n",
            "line 3: fid of run ours/seed0 is given twice",
        ),
        (
            "run,group,seed,metric,value\na,ours,0,fid,1\nb,ours,0,fid,2\n",
            "runs a and b of group ours have the same",
        ),
        (
            "run,group,seed,metric,value\na,ours,,fid,1\nb,ours,0,fid,2\n",
            "run a has no seed and others have one",
        ),
        ("group,seed,metric,value\n,0,fid,1\n", "line 2: without a group"),
        ("group,group,metric,value\na,a,fid,1\n", "two columns are called 'group'"),
        ('group,seed,metric,value\n"ours,0,fid,1\n', "not a CSV"),
        ("group,seed,metric,value\nours,0,fid,\n", "no numbers"),
    ],
)
def test_bad_files_are_refused_in_one_message(file, capsys, text, words):
    file(text)
    assert words in refused(capsys, "table", "--from", "runs.csv", "--out", "t.csv")
    assert not Path("t.csv").exists()


def test_files_that_are_none(file, capsys, tmp_path):
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    file(TIDY)
    (tmp_path / "folder").mkdir()
    for source, words in {
        "picture.csv": "not a text file in UTF-8", "nowhere.csv": "no such file", "folder": "no event files",
    }.items():  # fmt: skip
        assert words in refused(capsys, "table", "--from", source, "--out", "t.csv")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["table", "--from", "runs.csv", "--metrics", "fidd", "--out", "t.csv"], 'did you mean "fid"'),
        (["table", "--from", "runs.csv", "--lower", "is", "--out", "t.csv"], "--lower: no 'is'"),
        (["table", "--from", "runs.csv", "--out", "runs.csv"], "one of the files that are read"),
        (["table", "bcgan", "table2", "--from", "runs.csv", "--out", "t.csv"], "leave these out"),
        (["table", "--out", "t.csv"], "or runs from elsewhere with --from"),
        (["claims", "--from", "runs.csv", "--out", "c.csv"], "say what is claimed"),
        (["claims", "--from", "runs.csv", "--claim", "fid ours", "--out", "c.csv"], "write METRIC: GROUP < GROUP"),
        (["claims", "--from", "runs.csv", "--claim", "fid: our < baseline", "--out", "c.csv"], 'did you mean "ours"'),
        (["claims", "--from", "runs.csv", "--claim", "is: ours < baseline", "--out", "c.csv"], "no metric 'is'"),
        (["claims", "--from", "runs.csv", "--claim", "fid: ours < -1 * baseline", "--out", "c.csv"], "is above 0"),
        (["claims", "--from", "runs.csv", "--claims", "none.yaml", "--out", "c.csv"], "none.yaml: no such file"),
    ],
)  # fmt: skip
def test_bad_questions_are_refused_in_one_message(file, capsys, arguments, words):
    file(TIDY)
    assert words in refused(capsys, *arguments)
    assert Path("runs.csv").read_text() == TIDY


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- {name: x", "not a YAML file"),
        ("just words", "should be a list of claims"),
        ("[]", "claims.yaml: claims"),
        ("- {name: x, statement: y, test: {metric: fid, of: a, expect: smaller}}", "claims.0.test"),
        ("- {name: x, statement: y, test: {metric: fid, of: nobody, against: ours, expect: lower}}", "runs of nobody"),
        ("- {name: x, statement: y, test: {metric: kid, of: ours, against: ours, expect: lower}}", "unknown metric"),
    ],
)  # fmt: skip
def test_bad_lists_of_claims_are_refused(file, capsys, text, words):
    file(TIDY)
    file(text, "claims.yaml")
    assert words in refused(
        capsys, "claims", "--from", "runs.csv", "--claims", "claims.yaml", "--out", "c.csv"
    )


def test_published_numbers_of_other_groups_are_refused(file, capsys):
    file(TIDY)
    for text, words in {
        "group,fid\nsomebody,1\n": "nothing of these runs: their groups are baseline, ours",
        "name,fid\nours,1\n": "no column group",
        "group,fid\nours,x\n": "published.csv, line 2: 'x' is not a number",
    }.items():
        file(text, "published.csv")
        told = refused(
            capsys, "table", "--from", "runs.csv", "--published", "published.csv", "--out", "t.csv"
        )
        assert words in told


def test_the_best_of_an_unknown_metric_needs_a_side(file, capsys):
    file(TIDY.replace("fid", "zest"))
    command = ["table", "--from", "runs.csv", "--at", "best", "--out", "t.csv"]
    assert "say --lower zest or --higher zest" in refused(capsys, *command)
    assert run([*command, "--higher", "zest"]) == 0 and "zest ↑" in capsys.readouterr().out


def test_groups_of_two_data_sets_are_claimed_of_each(file):
    rows = [
        f"{dataset},{group},{seed},fid,{base + shift + seed / 10}"
        for dataset, base in (("digits", 10), ("faces", 20))
        for group, shift in (("ours", 0), ("baseline", 5))
        for seed in range(3)
    ]
    file("dataset,group,seed,metric,value\n" + "\n".join(rows))
    assert run(["claims", "--from", "runs.csv", "--claim", "fid: ours < baseline", "--out", "c.csv"]) == 0
    frame = pd.read_csv("c.csv")
    assert frame["estimate"].tolist() == pytest.approx([-5, -5]) and set(frame["verdict"]) == {"holds"}
    assert run(["table", "--from", "runs.csv", "--out", "t.csv"]) == 0
    assert set(pd.read_csv("t.csv")["dataset"]) == {"digits", "faces"}
