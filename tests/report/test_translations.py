"""The figure of translations, and the rows of a table that nobody has trained."""

import numpy as np
import pandas as pd
import pytest
from tests.report.conftest import SCORING

from gantry.errors import UserError
from gantry.plan.output_types.figures import TranslationMatrixOptions, TranslationsOptions
from gantry.plan.output_types.tables import ScoresOptions
from gantry.report.figures import translation_matrix, translations
from gantry.report.figures.style import styled
from gantry.report.load import load
from gantry.report.specs import parse_spec
from gantry.report.tables import scores
from gantry.runs.outputs import record_of
from gantry.runs.paths import scores_name

RANDOM = np.random.default_rng(0)


@pytest.fixture
def translated(results, make_group, make_spec):
    """`translated(points)`: a run of two directions, with inputs, ways back and truths."""

    def make(points: bool):
        results.run("digits", "cyclegan", 0)
        metrics = results.metrics("digits", "cyclegan", 0)
        rows = pd.read_csv(metrics)
        forth, back = rows.assign(sampled_from="a→b"), rows.assign(sampled_from="b→a", value=99.0)
        last = rows[rows["iteration"] == 240]
        untrained = [
            last.assign(sampled_from=name, value=value)
            for name, value in (("identity", 11.0), ("real", 22.0), ("identity b→a", 33.0))
        ]
        pd.concat([forth, back, *untrained]).to_csv(metrics, index=False)
        archive = metrics.parent / scores_name(240, SCORING, ".npz")
        record_of(archive).unlink(missing_ok=True)
        shape = (4, 12, 2) if points else (4, 12, 8, 8, 3)
        draw = lambda: RANDOM.normal(size=shape) if points else RANDOM.integers(0, 256, shape, dtype=np.uint8)  # noqa: E731
        arrays = {f"{what} {way}": draw() for what in ("input", "back", "truth") for way in ("a→b", "b→a")}
        np.savez(
            archive, iterations=np.array([60, 120, 180, 240]), **arrays, **{"a→b": draw(), "b→a": draw()}
        )
        groups = [make_group("cyclegan", "CycleGAN", seeds=(0,))]
        loaded = load(parse_spec(make_spec(results, "translations", groups, metrics=["frechet_distance"])))
        return loaded, arrays

    return make


def test_input_output_back_and_truth_stand_side_by_side(translated):
    loaded, arrays = translated(points=False)
    shown = loaded.groups[0].shown
    assert shown.generators == ["a→b", "b→a"] and loaded.groups[0].headline == "a→b"
    with styled():
        figure = translations.draw(loaded, TranslationsOptions(images=3, both=True))
    panels = [ax for ax in figure.axes if ax.images]
    assert [ax.get_title() for ax in panels] == [
        f"CycleGAN, {way}\ninput  |  output  |  back  |  truth" for way in ("a→b", "b→a")
    ]
    picture = np.asarray(panels[0].images[0].get_array())
    gap = 1
    expected = [arrays["input a→b"], shown.samples["a→b"], arrays["back a→b"], arrays["truth a→b"]]
    for row in range(3):
        for column, images in enumerate(expected):
            y, x = row * (8 + gap), column * (8 + gap)
            assert np.array_equal(picture[y : y + 8, x : x + 8], images[-1][row]), (row, column)
    with styled():
        assert len([ax for ax in translations.draw(loaded, TranslationsOptions()).axes if ax.images]) == 1


def test_a_matrix_has_the_number_of_each_way_at_its_place(results, make_group, make_spec):
    """Three domains, two seeds; a domain into itself is nothing, and a matrix with a hole is refused."""
    for seed in (0, 1):
        results.run("digits", "combogan", seed)
        metrics = results.metrics("digits", "combogan", seed)
        rows = pd.read_csv(metrics)
        ways = [(i, j) for i in range(3) for j in range(3) if i != j]
        told = [rows.assign(sampled_from=f"{i}→{j}", value=10.0 * i + j + 2 * seed) for i, j in ways]
        real = rows.assign(sampled_from="real 1→2", value=99.0)
        pd.concat([*told, real]).to_csv(metrics, index=False)
    spec = make_spec(
        results,
        "translation_matrix",
        [make_group("combogan", "ComboGAN", seeds=(0, 1))],
        metrics=["frechet_distance"],
    )
    with styled():
        (ax,) = translation_matrix.draw(load(parse_spec(spec)), TranslationMatrixOptions()).axes
    assert ax.get_title(loc="left").startswith("ComboGAN · FD")
    found = np.ma.filled(ax.images[0].get_array(), np.nan)
    assert np.array_equal(found, [[np.nan, 2, 3], [11, np.nan, 13], [21, 22, np.nan]], equal_nan=True)
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "2"]
    assert ax.yaxis.get_inverted(), "the first domain is the upper row"
    texts = {tuple(map(round, text.get_position())): text.get_text() for text in ax.texts}
    assert texts[1, 0].startswith("2.0") and "± 1.41" in texts[1, 0] and texts[0, 0] == "·"
    for seed in (0, 1):
        metrics = results.metrics("digits", "combogan", seed)
        rows = pd.read_csv(metrics)
        rows[rows["sampled_from"] != "2→0"].to_csv(metrics, index=False)
    with pytest.raises(UserError, match=r"between any two of several domains \(method combogan\), not"):
        translation_matrix.draw(load(parse_spec(spec)), TranslationMatrixOptions())


def test_lines_go_from_inputs_to_outputs(translated):
    loaded, arrays = translated(points=True)
    with styled():
        (ax,) = translations.draw(loaded, TranslationsOptions(images=2)).axes
    (lines,) = [collection for collection in ax.collections if hasattr(collection, "get_segments")]
    segments = np.array(lines.get_segments())
    assert segments.shape == (8, 2, 2)
    assert segments[:, 0] == pytest.approx(arrays["input a→b"][-1][:8])
    assert segments[:, 1] == pytest.approx(loaded.groups[0].shown.samples["a→b"][-1][:8])


def test_samples_of_generators_are_no_translations(results, make_group, make_spec):
    results.run("digits", "bcgan", 0)
    loaded = load(parse_spec(make_spec(results, "translations", [make_group("bcgan", "BCGAN", seeds=(0,))])))
    with pytest.raises(UserError, match="shows translations, not digits/bcgan"):
        translations.draw(loaded, TranslationsOptions())


def test_rows_that_nobody_trained_stand_last(translated):
    loaded, _ = translated(points=False)
    cells = list(scores.cells(loaded, ScoresOptions(untrained=("identity", "real"))))
    main = [(cell.method, cell.source) for cell in cells if cell.part == "main"]
    assert main == [
        ("CycleGAN", "a→b"),
        ("inputs as they are", "identity"),
        ("held-out real samples", "real"),
    ]
    assert [list(cell.values) for cell in cells if cell.source in ("identity", "real")] == [[11.0], [22.0]]
    assert [(cell.part, cell.source) for cell in cells if cell.source == "b→a"] == [("each generator", "b→a")]
    assert not any(cell.source == "identity b→a" for cell in cells)
