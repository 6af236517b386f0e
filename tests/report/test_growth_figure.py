"""The timeline of growth: what was shown when, in images."""

import numpy as np
import pytest

from gantry.errors import UserError
from gantry.plan.output_types.figures import GrowthOptions
from gantry.report.figures import growth
from gantry.report.figures.style import styled
from gantry.report.load import load
from gantry.report.specs import parse_spec

# 16 pixels for 40 iterations of 10 images, a fade to 32 for 20 of 5, then 32.
STAGES = [
    {"start": 0, "size": 16, "batch_size": 10, "fades": False},
    {"start": 40, "size": 32, "batch_size": 5, "fades": True},
    {"start": 60, "size": 32, "batch_size": 5, "fades": False},
]
HISTORY = {
    "iteration": [40, 60, 100],
    "loss_d": [1.0, 2.0, 3.0],
    "loss_g": [3.0, 2.0, 1.0],
    "iterations_per_second": [100.0, 50.0, 20.0],
}


def test_images_are_counted_in_the_batches_of_their_stages():
    assert list(growth.images_shown(STAGES, np.asarray([0, 10, 40, 50, 60, 100]))) == [
        0,
        100,
        400,
        450,
        500,
        700,
    ]
    xs, heights = growth.sizes_over_images(STAGES, 100)
    assert list(xs) == [0, 400, 400, 500, 500, 700]
    assert list(heights) == [16, 16, 16, 32, 32, 32]


def loaded_with(provenance, results, make_group, make_spec):
    results.set("frechet_distance", "grown", 0, [4.0, 3.0, 2.0, 1.0])
    results.run("digits", "grown", 0)
    loaded = load(parse_spec(make_spec(results, "growth", [make_group("grown", "Grown", seeds=(0,))])))
    loaded.groups[0].runs[0].provenance.update(provenance)
    return loaded


def test_every_panel_has_its_numbers_at_the_images_shown(results, make_group, make_spec):
    loaded = loaded_with({"stages": STAGES, "history": HISTORY}, results, make_group, make_spec)
    with styled():
        sizes, losses, times = growth.draw(loaded, GrowthOptions()).axes
    (line,) = sizes.lines
    assert list(line.get_ydata()) == [16, 16, 16, 32, 32, 32]
    drawn = {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in losses.lines}
    assert drawn == {"D": ([400, 500, 700], [1, 2, 3]), "G": ([400, 500, 700], [3, 2, 1])}
    assert list(times.lines[0].get_ydata()) == [10, 20, 50]
    assert len(times.patches) == 1, "one fade is shaded"


def test_a_method_without_stages_is_named(results, make_group, make_spec):
    loaded = loaded_with({}, results, make_group, make_spec)
    with pytest.raises(UserError, match="tells of no stages: a figure of type growth is of method growing"):
        growth.draw(loaded, GrowthOptions())
