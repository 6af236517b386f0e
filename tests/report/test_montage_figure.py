"""Tables of images and of confusions: every image and number in its row and column, under its name."""

import numpy as np
import pandas as pd
import pytest
from tests.report.conftest import SCORING

from gantry.errors import UserError
from gantry.plan.blocks.sampling import MontageName
from gantry.plan.output_types.figures import ConfusionOptions, MontageOptions
from gantry.report.figures import confusion, montage
from gantry.report.figures.style import styled
from gantry.report.load import load
from gantry.report.specs import parse_spec
from gantry.runs.outputs import record_of
from gantry.runs.paths import scores_name

IMAGES = np.random.default_rng(0).integers(0, 256, (1, 3, 2, 8, 8, 3), dtype=np.uint8)


@pytest.fixture
def loaded(results, make_group, make_spec):
    """A run with a table of three rows and two columns, and with the confusion of three classes."""
    results.run("digits", "cgan", 0, side=8)
    path = results.metrics("digits", "cgan", 0)
    archive = path.parent / scores_name(240, SCORING, ".npz")
    record_of(archive).unlink(missing_ok=True)
    with np.load(archive) as found:
        samples = dict(found)
    names = {
        "montage classes rows": [["zero", "one", "two"]],
        "montage classes columns": [["", "a long name"]],
    }
    np.savez(
        archive, **samples, **{"montage classes": IMAGES}, **{k: np.asarray(v) for k, v in names.items()}
    )
    rows = pd.read_csv(path)
    last = rows[(rows["iteration"] == 240) & (rows["metric"] == "frechet_distance")]
    of = {"G1": [[0.5, 0.25, 0.25], [0, 1, 0], [0.125, 0, 0.875]], "real": np.eye(3)}
    cells = [
        last.assign(metric=f"confusion_{i}_{j}", sampled_from=source, value=value)
        for source, table in of.items()
        for (i, j), value in np.ndenumerate(np.asarray(table))
    ]
    pd.concat([rows, *cells]).to_csv(path, index=False)
    groups = [make_group("cgan", "CGAN", seeds=(0,))]
    return load(parse_spec(make_spec(results, "montage", groups, metrics=["frechet_distance"])))


def test_every_image_stands_in_its_row_and_column(loaded):
    with styled():
        figure = montage.draw(loaded, MontageOptions(of="classes"))
    (ax,) = figure.axes
    picture = np.asarray(ax.images[0].get_array())
    for row in range(3):
        for column in range(2):
            y, x = row * 9, column * 9
            assert np.array_equal(picture[y : y + 8, x : x + 8], IMAGES[0, row, column]), (row, column)
    assert [written.get_text() for written in ax.texts] == ["CGAN", "zero", "one", "two", "", "a long name"]
    heights = [text.get_position()[1] for text in ax.texts[1:4]]
    assert heights == sorted(heights, reverse=True), "the first name stands at the top"
    assert "a row is a class, a column one z" in " ".join(
        written.get_text().replace("\n", " ") for written in figure.texts
    )


def test_a_table_is_no_generator(loaded):
    assert loaded.groups[0].shown.generators == ["G1"]


def test_a_run_without_the_table_is_named(loaded):
    with pytest.raises(UserError, match="no traversal among the scores of digits/cgan"), styled():
        montage.draw(loaded, MontageOptions(of="traversal"))


def test_every_table_has_a_caption():
    assert set(montage.CAPTIONS) == set(MontageName.__args__)


def test_shares_stand_where_they_belong(loaded):
    with styled():
        figure = confusion.draw(loaded, ConfusionOptions())
    ours, real = [ax for ax in figure.axes if ax.images]
    assert [ours.get_title(), real.get_title()] == ["CGAN", "real, unseen"]
    table = np.asarray(ours.images[0].get_array())
    assert table.tolist() == [[0.5, 0.25, 0.25], [0, 1, 0], [0.125, 0, 0.875]]
    assert np.asarray(real.images[0].get_array()).tolist() == np.eye(3).tolist()
    written = {tuple(map(int, text.get_position())): text.get_text() for text in ours.texts}
    assert written[1, 0] == "25" and written[0, 2] == "12" and (0, 1) not in written, (
        "(column, row); no zeros"
    )
    assert [tick.get_text() for tick in ours.get_yticklabels()] == ["zero", "one", "two"]


def test_a_run_without_confusion_is_named(results, make_group, make_spec):
    results.run("digits", "gan", 0)
    found = load(parse_spec(make_spec(results, "confusion", [make_group("gan", "GAN", seeds=(0,))])))
    with (
        pytest.raises(UserError, match="no confusion of classes among the scores of digits/gan/seed0"),
        styled(),
    ):
        confusion.draw(found, ConfusionOptions())
