"""Domains: pairs of points, disjoint halves, classes; and what samplers translate."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.methods.translators import CYCLEGAN, IMAGES, PIX2PIX, UNET, batch_for, method_of

from gantry.data import open_prepared, prepare
from gantry.data.batches import Streams
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods.domains import INPUTS, SAMPLES, domains_of, part_of, rows_of, streams_of
from gantry.plan.dataset import DatasetSpec


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("turned")
    spec = DatasetSpec(
        title="turned",
        source="gaussian_pair",
        options={"count": 500, "turn": 90.0, "scale": 2.0},
        held_out=80,
    )
    prepare(spec, "turned", folder, None, folder / "data")
    return open_prepared(folder / "data/manifest.json")


def test_pairs_of_points_are_turned_scaled_and_shifted(turned: Any) -> None:
    for part in (turned, turned.held_out()):
        x, y = part.inputs, part.samples
        expected = 2 * np.stack([-x[:, 1], x[:, 0]], 1) + 1
        assert y == pytest.approx(expected, abs=1e-5)
    assert part_of(turned, INPUTS).manifest["variance"] == 0.05 and turned.manifest["variance"] == 0.2
    assert len(part_of(turned, INPUTS).manifest["means"]) == 9
    assert part_of(turned, SAMPLES) is turned


def test_merged_modes_are_three(tmp_path: Any) -> None:
    spec = DatasetSpec(
        title="merged", source="gaussian_pair", options={"count": 90, "merged": 1, "turn": 0.0}
    )
    prepare(spec, "merged", tmp_path, None, tmp_path / "data")
    made = open_prepared(tmp_path / "data/manifest.json")
    assert len(made.manifest["means"]) == 3
    apart = ((made.samples[:, None] - np.array(made.manifest["means"])) ** 2).sum(-1).min(1)
    assert np.sqrt(apart).max() < 5 * np.sqrt(0.05)


def test_no_pair_is_ever_seen(turned: Any) -> None:
    """Inputs and targets come of disjoint halves, whatever the batch."""
    method = method_of(CYCLEGAN, DataShape.of(turned))
    streams = method.streams(turned)
    of_b, of_a = set(streams["x"].rows.tolist()), set(streams["x_a"].rows.tolist())
    assert not of_b & of_a and of_b | of_a == set(range(len(turned)))
    drawn = Streams(turned, streams, 20, 0, "cpu").next()
    rows = {tuple(row) for row in np.asarray(turned.inputs)[sorted(of_a)].tolist()}
    assert all(tuple(row) in rows for row in drawn.data["x_a"].tolist())
    targets = {tuple(row) for row in np.asarray(turned.samples)[sorted(of_b)].tolist()}
    assert all(tuple(row) in targets for row in drawn.data["x"].tolist())


def test_domains_are_classes_by_name_or_number(turned: Any) -> None:
    named = DataShape((2,), classes=3, label_names=("horse", "zebra", "cow"))
    assert domains_of(named, ("zebra", 0)) == (1, 0)
    labelled = replace(turned, inputs=None)
    streams = streams_of(labelled, 3, 8)
    assert set(labelled.labels[streams["x"].rows]) == {8} and set(labelled.labels[streams["x_a"].rows]) == {3}
    for wrong, message in (
        (("mule", 0), "no class 'mule'; it has horse"),
        ((1, "zebra"), "one domain twice"),
    ):
        with pytest.raises(UserError, match=message):
            domains_of(named, wrong)
    with pytest.raises(UserError, match="one domain only"):
        domains_of(DataShape((2,)), (0, 1))
    with pytest.raises(UserError, match="domain 77 has 0 samples"):
        rows_of(labelled, 77)


def test_the_sampler_translates_held_out_samples_in_their_order(turned: Any) -> None:
    method = method_of(CYCLEGAN, DataShape.of(turned))
    sampler = method.sampler(method.kept)
    held_out, unused = turned.held_out(), torch.Generator()
    forth = sampler.inputs("a→b", range(78, 83), unused, held_out)["x"]
    assert np.array_equal(forth, held_out.inputs[[78, 79, 0, 1, 2]])
    assert np.array_equal(sampler.inputs("b→a", range(2), unused, held_out)["x"], held_out.samples[:2])
    assert torch.equal(sampler.sample("a→b", {"x": forth}), method.to_b(forth))
    assert (sampler.reference("a→b"), sampler.reference("b→a")) == (SAMPLES, INPUTS)
    with pytest.raises(UserError, match="held_out: 500"):
        sampler.inputs("a→b", range(2), unused)


def test_skip_and_hole_leave_the_input_where_they_should() -> None:
    x = batch_for(IMAGES, 2).data["input"]
    hole = method_of(PIX2PIX | {"only_hole": True}, IMAGES, networks=UNET).translator
    made, inside = hole(x), torch.zeros(32, 32, dtype=torch.bool)
    inside[8:24, 8:24] = True
    assert torch.equal(made[..., ~inside], x[..., ~inside])
    assert torch.equal(made[..., inside], hole.network(x)[..., inside])
    skip = method_of(PIX2PIX | {"skip": True}, IMAGES, networks=UNET).translator
    assert torch.equal(skip(x), (x + skip.network(x)).clamp(-1, 1))
