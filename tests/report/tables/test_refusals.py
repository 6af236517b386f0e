"""Tables that cannot be made, and the messages that say why."""

import pytest
from tests.report.tables.making import BEST, write_runs

from gantry.errors import UserError


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({"constraint": "nothing"}, r"no row with constraint nothing"),
        ({"constrain": "none"}, r'no column .constrain.; did you mean "constraint"'),
        ("bcgan", r"4 rows with method bcgan: give every key column"),
    ],
)
def test_published_rows_must_be_named_exactly(results, make, make_group, published, method, words):
    write_runs(results)
    with pytest.raises(UserError, match=words):
        make(
            results,
            "scores",
            [make_group("bcgan", "BCGAN", method=method)],
            published=published[5],
            options=BEST,
        )


def test_missing_metric_is_named_with_the_command(results, make, make_group):
    write_runs(results)
    with pytest.raises(
        UserError, match=r"metrics-240-\w+\.csv: no coverage, which bcgan/table2 needs; .*snakemake"
    ):
        make(results, "scores", [make_group("bcgan", "BCGAN")], metrics=["coverage"])


def test_networks_do_not_mix_in_one_table(results, make, make_group):
    write_runs(results)
    results.run("digits", "bcgan", 1, network="inception")
    with pytest.raises(UserError, match="different feature networks do not share a table"):
        make(results, "scores", [make_group("bcgan", "BCGAN")], options=BEST)


def test_skipping_every_checkpoint_is_refused(results, make, make_group):
    write_runs(results)
    with pytest.raises(UserError, match=r"4 scored checkpoints .* first 4"):
        make(results, "scores", [make_group("bcgan", "BCGAN")], options=BEST | {"skip": 4})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"kind": "score"}, r'unknown type .*did you mean "scores"'),
        ({"options": {"skipp": 1}}, r"bcgan/table2: options: skipp"),
    ],
)
def test_unknown_type_or_option(results, make, make_group, changes, words):
    write_runs(results)
    kind = changes.pop("kind", "scores")
    with pytest.raises(UserError, match=words):
        make(results, kind, [make_group("bcgan", "BCGAN")], **changes)
