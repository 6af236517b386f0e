"""A target that Snakemake takes for something else."""

import pytest

from gantry.progress.advice import explain_targets, misplaced, unknown_target


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--config", "scale=quick", "bcgan"], "bcgan: stands after --config, which takes it for one of its settings"),
        (["-n", "-C", "scale=quick", "results/a.csv", "-p"], "snakemake results/a.csv -C …"),
        (["bcgan", "--config", "scale=quick", "-n"], None),
        (["--config", "scale=quick", "--cores", "2"], None),
        (["--cores", "2", "bcgan"], None),
        (["--resources", "gpu=1", "bcgan"], "bcgan: stands after --resources, which takes it for one of its resources"),
        (["--config", "seeds=[0,", "1]"], "1]: a piece of a setting that the shell has cut; quote it"),
        ([], None),
    ],
)  # fmt: skip
def test_a_target_after_an_option_that_takes_every_word(words: list[str], says: str | None) -> None:
    said = misplaced(words)
    assert said is None if says is None else says in str(said)


def test_only_snakemakes_word_on_a_missing_rule_is_replaced() -> None:
    explain_targets(lambda asked: f"<{asked}>")
    text = "MissingRuleException:\nNo rule to produce a/b.csv (if you use input functions make sure that …)."
    assert unknown_target(text) == "gantry: <a/b.csv>"
    assert unknown_target("MissingInputException: a/b.csv") is None
