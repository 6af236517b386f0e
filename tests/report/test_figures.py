"""Figures: every kind draws what it says, in two formats, the same bytes each time."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from gantry.errors import UserError
from gantry.plan.output_types.figures import (
    CurvesOptions,
    GridsOptions,
    HeatmapOptions,
    ScatterOptions,
    TrajectoriesOptions,
)
from gantry.report.figures import curves, grids, heatmap, scatter, trajectories
from gantry.report.figures.make import make_figure
from gantry.report.figures.pictures import mosaic
from gantry.report.figures.style import fitted, short, styled
from gantry.report.load import load
from gantry.report.samples import Arrangement, evenly, nearest_index
from gantry.report.specs import parse_spec


@pytest.fixture
def image_groups(results, make_group):
    for seed in (0, 1):
        results.run("digits", "realnessgan", seed)
        results.run("digits", "bcgan", seed, generators=2)
    return [
        make_group("realnessgan", "RealnessGAN", seeds=(0, 1)),
        make_group("bcgan", "BCGAN", seeds=(0, 1)),
    ]


@pytest.fixture
def point_groups(results, make_group):
    options = {
        "dataset": "mixture",
        "name": "mixture",
        "title": "nine Gaussians",
        "proxy": None,
        "seeds": (0,),
    }
    results.run("mixture", "realnessgan", 0, points=True)
    results.run("mixture", "three", 0, generators=3, points=True)
    return [make_group("realnessgan", "RealnessGAN", **options), make_group("three", "three", **options)]


@pytest.fixture
def make(tmp_path, results, make_spec):
    def figure(kind, groups, **changes):
        png, svg = tmp_path / "f.png", tmp_path / "f.svg"
        make_figure(make_spec(results, kind, groups, **changes), png, svg)
        return png, svg

    return figure


@pytest.mark.parametrize("kind", ["curves", "grids", "trajectories"])
def test_image_figures_are_written(make, image_groups, kind):
    png, svg = make(kind, image_groups)
    check_files(png, svg)


@pytest.mark.parametrize("options", [{}, {"union": True}, {"last_only": True}])
def test_point_figures_are_written(make, point_groups, options):
    png, svg = make("scatter", point_groups, options=options)
    check_files(png, svg)
    # Rasterised: a few pictures, not thousands of markers.
    assert svg.stat().st_size < 400_000 and svg.read_text().count("<use ") < 500


def check_files(png, svg):
    with Image.open(png) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert min(pixels.shape[:2]) > 250 and pixels.std() > 5
    assert ElementTree.fromstring(svg.read_text()).tag.endswith("svg")
    assert svg.stat().st_size < 1_000_000


@pytest.mark.parametrize("kind", ["curves", "grids"])
def test_same_input_same_bytes(make, image_groups, kind):
    first = [path.read_bytes() for path in make(kind, image_groups)]
    assert [path.read_bytes() for path in make(kind, image_groups)] == first


def test_curves_show_mean_band_and_tail(results, make_spec, image_groups):
    for seed, base in ((0, 10.0), (1, 20.0)):
        results.set("frechet_distance", "bcgan", seed, [base + 40, base + 20, base + 10, base])
        results.run("digits", "bcgan", seed, generators=2)
    spec = parse_spec(
        make_spec(results, "curves", image_groups[1:], metrics=["frechet_distance"], usual_iterations=120)
    )
    figure = curves.draw(load(spec), CurvesOptions(tail_checkpoints=2, mark=True))
    whole, tail = figure.axes
    line = next(line for line in whole.lines if line.get_label() == "BCGAN")
    assert line.get_xdata().tolist() == [60, 120, 180, 240]
    assert line.get_ydata().tolist() == [55, 35, 25, 15]
    band = whole.collections[0].get_paths()[0].vertices[:, 1]
    sd = np.std([10, 20], ddof=1)
    assert band.min() == pytest.approx(15 - sd) and band.max() == pytest.approx(55 + sd)
    assert tail.lines[0].get_xdata().tolist() == [180, 240]
    assert any(np.all(np.asarray(line.get_xdata()) == 120) for line in whole.lines)


def test_no_two_of_many_curves_look_the_same(results, make_spec, make_group):
    names = [f"method{place}" for place in range(8)]
    for name in names:
        results.run("digits", name, 0)
    groups = [make_group(name, name, seeds=(0,)) for name in names]
    figure = curves.draw(
        load(parse_spec(make_spec(results, "curves", groups, metrics=["swd"]))), CurvesOptions()
    )
    looks = {
        (line.get_color(), line.get_marker(), str(line._unscaled_dash_pattern))
        for line in figure.axes[0].lines
        if line.get_label() in names
    }
    assert len(looks) == len(names)


def test_without_a_tail_a_data_set_is_a_row_and_its_metrics_stand_side_by_side(
    results, make_spec, image_groups
):
    spec = parse_spec(make_spec(results, "curves", image_groups, metrics=["frechet_distance", "swd"]))
    figure = curves.draw(load(spec), CurvesOptions(tail_checkpoints=0))
    titles = [ax.get_title(loc="left") for ax in figure.axes]
    assert [title.rpartition("· ")[2] for title in titles] == ["FD (embedded classifier) ↓", "SWD×10³ ↓"]
    assert figure.axes[0].get_position().y0 == figure.axes[1].get_position().y0
    assert figure.axes[0].get_position().x1 < figure.axes[1].get_position().x0


@pytest.mark.parametrize("kind", ["curves", "grids", "tiles"])
def test_nothing_is_cut_off_or_overlaps_where_names_are_long(results, make_spec, image_groups, kind):
    long = {"dataset_label": "a data set whose title says much more than its name does"}
    changes = {"metrics": ["frechet_distance", "swd"], "title": "a title that tells of many things " * 6}
    groups = [group | long for group in image_groups]
    spec = parse_spec(make_spec(results, "grids" if kind == "tiles" else kind, groups, **changes))
    draw, options = {
        "curves": (curves.draw, CurvesOptions(tail_checkpoints=0)),
        "grids": (grids.draw, GridsOptions()),
        "tiles": (grids.draw, GridsOptions(methods="tiled")),
    }[kind]
    with styled():
        figure = draw(load(spec), options)
        figure.canvas.draw()
        # Axes keep labels of ticks that they do not draw.
        ticks = {tick for ax in figure.axes for axis in (ax.xaxis, ax.yaxis) for tick in axis.findobj(Text)}
        texts = [
            written for written in figure.findobj(Text) if written.get_text().strip() and written not in ticks
        ]
        boxes = [written.get_window_extent() for written in texts]
    for text, box in zip(texts, boxes, strict=True):
        everything = Bbox.union([figure.bbox, box])
        assert np.allclose(everything.extents, figure.bbox.extents, atol=1), text.get_text()
    for (one, box), (other, beside) in combinations(zip(texts, boxes, strict=True), 2):
        assert not box.padded(-1).overlaps(beside), (one.get_text(), other.get_text())


def test_grids_have_a_row_for_each_method_where_they_go_down(results, make_spec, image_groups):
    second = [group | {"dataset_label": "CIFAR-10", "dataset_name": "cifar10"} for group in image_groups]
    spec = parse_spec(make_spec(results, "grids", [*image_groups, *second]))
    figure = grids.draw(load(spec), GridsOptions(methods="down"))
    rows = np.unique([round(ax.get_position().y0, 3) for ax in figure.axes])
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert len(rows) == 2  # RealnessGAN, BCGAN
    data = ("CelebA (proxy)", "CIFAR-10 (proxy)")
    assert titles == [f"{name}, {generator}" for name in data for generator in ("G1", "G2")]
    # RealnessGAN has no second generator: its places stay empty.
    assert [bool(ax.images) for ax in figure.axes] == [True, False, True, False] + [True] * 4


def test_columns_say_which_generator_or_level_they_are_of():
    """SinGAN's levels are no second generator, and stand beside it all the same."""
    columns = [("SinGAN", "G1"), ("SinGAN", "fine"), ("BCGAN", "G1"), ("BCGAN", "G2"), ("GAN", "G1")]
    assert Arrangement(["digits"], columns, {}).titles == [
        "SinGAN, G1",
        "SinGAN, fine",
        "BCGAN, G1",
        "BCGAN, G2",
        "GAN",
    ]


def test_grids_are_tiled_line_after_line_where_methods_are_many(results, make_spec, image_groups):
    second = [group | {"dataset_label": "CIFAR-10", "dataset_name": "cifar10"} for group in image_groups]
    spec = parse_spec(make_spec(results, "grids", [*image_groups, *second]))
    figure = grids.draw(load(spec), GridsOptions(methods="tiled"))
    shown = [ax.get_title().replace("\n", " ") for ax in figure.axes if ax.images]
    assert shown == [
        f"{name}, {data} (proxy){generator}"
        for data in ("CelebA", "CIFAR-10")
        for name, generator in (("RealnessGAN", ""), ("BCGAN", ", G1"), ("BCGAN", ", G2"))
    ]
    rows = [round(ax.get_position().y0, 3) for ax in figure.axes]
    assert len(rows) == 8 and len(set(rows[:4])) == len(set(rows[4:])) == 1 and rows[0] > rows[4]
    alone = grids.draw(
        load(parse_spec(make_spec(results, "grids", image_groups))), GridsOptions(methods="tiled")
    )
    assert [ax.get_title() for ax in alone.axes] == ["RealnessGAN", "BCGAN, G1", "BCGAN, G2"]


def test_curves_say_what_diverged_and_what_stands_in(results, make_spec, image_groups):
    results.run("digits", "bcgan", 1, generators=2, diverged_at=130)
    figure = curves.draw(load(parse_spec(make_spec(results, "curves", image_groups))), CurvesOptions())
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["RealnessGAN", "BCGAN (1 of 2 diverged)"]
    assert "PROXY DATA: handwritten digits (scikit-learn) in place of CelebA" in figure._supxlabel.get_text()
    assert [line.get_marker() for line in figure.axes[0].lines].count("x") == 1


def test_scatter_has_a_panel_per_row_and_snapshot_and_equal_counts(results, make_spec, point_groups):
    spec = parse_spec(make_spec(results, "scatter", point_groups))
    figure = scatter.draw(load(spec), ScatterOptions(union=True))
    assert len(figure.axes) == 1 + 3 * 3  # real; RealnessGAN, three, three's mixture × 3 snapshots
    drawn = [
        sum(len(c.get_offsets()) for c in ax.collections[1:]) for ax in figure.axes if ax.collections[1:]
    ]
    assert len(drawn) == 9 and max(drawn) - min(drawn) <= 2


def test_panels_after_divergence_say_so(results, make_spec, point_groups, make_group):
    results.run("mixture", "realnessgan", 0, points=True, diverged_at=130)
    spec = parse_spec(make_spec(results, "scatter", point_groups))
    figure = scatter.draw(load(spec), ScatterOptions())
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert texts.count("diverged\nat 130") == 1


def test_trajectories_stand_at_the_papers_share_of_training(results, make_spec, image_groups):
    """Of 1,000,000: 100k, 500k, 760k and the end; of 240 the checkpoints nearest to 24, 120, 182 and 240."""
    spec = parse_spec(make_spec(results, "trajectories", image_groups, paper_iterations=1_000_000))
    options = TrajectoriesOptions(at=(100_000, 200_000, 500_000, 760_000, 1_000_000))
    figure = trajectories.draw(load(spec), options)
    titles = [ax.get_title() for ax in figure.axes if ax.get_title()]
    assert titles == ["60 iter.", "120", "180", "240"]


def test_names_of_trajectories_are_not_cut(results, make_spec, image_groups):
    groups = [
        group | {"recipe_label": f"{group['recipe_label']}, not grown (control)"} for group in image_groups
    ]
    figure = trajectories.draw(
        load(parse_spec(make_spec(results, "trajectories", groups))), TrajectoriesOptions()
    )
    names = [text for ax in figure.axes for text in ax.texts if "control" in text.get_text()]
    assert names and min(text.get_window_extent().x0 for text in names) > 0


def test_heat_map_has_a_cell_for_each_recipe(results, make_spec, make_group):
    """The mean of each recipe's best, at its place; a recipe of which every run diverged says so."""
    recipes = [["a", "b"], ["c", "d"]]
    for place, recipe in enumerate("abcd"):
        for seed in (0, 1):
            curve = [90.0, 10.0 * (place + 1) + seed, 80.0, 85.0]
            results.set("frechet_distance", recipe, seed, curve)
            results.run("digits", recipe, seed, diverged_at=30 if recipe == "d" else None)
    groups = [make_group(recipe, recipe, seeds=(0, 1)) for recipe in "abcd"]
    groups[2]["recipe_changes"] = ["batch_size: 3 instead of 32"]
    spec = parse_spec(make_spec(results, "heatmap", groups, metrics=["frechet_distance"]))
    options = HeatmapOptions(x="λ_G", x_values=(0, 1), y="λ_D", y_values=(0, 1), cells=recipes)
    (ax,) = heatmap.draw(load(spec), options).axes
    assert np.ma.filled(ax.images[0].get_array(), np.nan).tolist()[0] == [10.5, 20.5]
    texts = {tuple(map(round, text.get_position())): text.get_text() for text in ax.texts}
    assert texts[0, 1] == "30.50\n± 0.71\n(changed)" and texts[1, 1] == "diverged\n(2 of 2)"
    assert texts[0, 0] == "10.50\n± 0.71"
    with pytest.raises(ValueError, match="2 rows"):
        HeatmapOptions(x="x", x_values=(0, 1), y="y", y_values=(0, 1), cells=(("a", "b"),))


def test_mosaic_puts_image_after_image():
    images = np.stack([np.full((24, 24, 3), value, dtype=np.uint8) for value in range(5)])
    canvas = mosaic(images, 4)
    assert canvas.shape == (49, 49, 3)
    assert [canvas[0, 0, 0], canvas[0, 48, 0], canvas[48, 0, 0], canvas[48, 48, 0]] == [0, 1, 2, 3]
    assert (canvas[24] == 255).all()


@pytest.mark.parametrize(("kind", "points"), [("scatter", False), ("grids", True), ("trajectories", True)])
def test_the_wrong_kind_of_data_is_refused(make, image_groups, point_groups, kind, points):
    with pytest.raises(UserError, match=rf"{kind}.*(images|points)"):
        make(kind, point_groups if points else image_groups)


def test_unknown_type(make, image_groups):
    with pytest.raises(UserError, match=r'unknown type .curve.; did you mean "curves"'):
        make("curve", image_groups)


def test_short_counts_and_choices():
    assert [short(n) for n in (60, 1500, 20_000, 1_000_000)] == ["60", "1.5k", "20k", "1M"]
    assert evenly(range(10), 4) == [0, 3, 6, 9]
    assert [nearest_index(np.array([10, 20, 30]), n) for n in (5, 20, 29, 99)] == [0, 1, 1, 2]


def test_tables_import_neither_torch_nor_matplotlib_and_figures_no_pyplot():
    code = (
        "import sys, gantry.report.make, gantry.report.page.make\n"
        "assert not {'torch', 'matplotlib', 'scipy'} & sys.modules.keys(), 'tables'\n"
        "import gantry.report.figures.make\n"
        "assert not {'torch', 'matplotlib.pyplot', 'scipy'} & sys.modules.keys(), 'figures'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_tail_of_a_short_run_is_its_second_half(results, make_spec, image_groups):
    spec = make_spec(results, "curves", image_groups, metrics=["frechet_distance"])
    figure = curves.draw(load(parse_spec(spec)), CurvesOptions(tail_checkpoints=10))
    assert figure.axes[1].lines[0].get_xdata().tolist() == [180, 240]
    assert figure.axes[1].get_title(loc="left") == "its last 2 checkpoints"


def test_the_same_picture_in_a_notebook_and_with_settings_of_ones_own(tmp_path):
    """A notebook sets MPLBACKEND for what is started from it, to a module that only it has."""
    code = (
        "import sys; from pathlib import Path; from gantry.report.figures import style\n"
        "with style.styled():\n"
        "    figure = style.new_figure(2, 2)\n"
        "    figure.subplots().plot([1, 2], label=style.label('costs $5 or $6 $'))\n"
        "    figure.legend()\n"
        "    style.save(figure, *map(Path, sys.argv[1:]))\n"
    )
    settings = tmp_path / "settings/matplotlibrc"
    settings.parent.mkdir()
    settings.write_text(
        "backend: nonsense\nfont.size: 20\nsavefig.bbox: tight\naxes.facecolor: red\nsavefig.transparent: True\n"
        "axes.labelcolour: 1\naxes.prop_cycle: cycler('color', 'rgb')\nlines.linestyle: :\nsvg.fonttype: none\n"
    )
    plain = {name: value for name, value in os.environ.items() if not name.startswith("MPL")}
    made = []
    for name, more in (
        ("plain", {}),
        ("notebook", {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}),
        ("settings", {"MATPLOTLIBRC": str(settings)}),
        ("homeless", {"HOME": "/proc/nowhere", "MPLBACKEND": "nonsense"}),
    ):
        paths = [str(tmp_path / f"{name}.{suffix}") for suffix in ("png", "svg")]
        done = subprocess.run(
            [sys.executable, "-c", code, *paths], env=plain | more, capture_output=True, text=True
        )
        assert done.returncode == 0, (name, done.stderr)
        made.append([Path(path).read_bytes() for path in paths])
    assert all(content == made[0] for content in made[1:])


def test_a_line_does_not_end_within_a_relation() -> None:
    lines = fitted("with the entropy distance, λ = 1", 1.8, 9).split("\n")
    assert lines[-1].endswith("λ = 1") and len(lines) > 1
