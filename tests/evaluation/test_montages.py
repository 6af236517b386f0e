"""Tables of images: what stands in which row and column, held against the networks asked one by one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from tests.methods.test_growing import RECIPE as GROWING
from tests.methods.test_lapgan import RECIPE as LAPGAN
from tests.methods.test_singan import RECIPE as SINGAN
from tests.training.test_growing_runs import STYLES

from gantry.data import open_prepared, prepare
from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.montages import MONTAGES, WHITE, Montage, arrays, montage
from gantry.evaluation.sample import SHOWN_SEED, to_uint8
from gantry.methods import Sampler, build_method
from gantry.methods.domains import SAMPLES
from gantry.methods.styled import StyleSampler
from gantry.plan.blocks.sampling import MontageName
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe

BASE: dict[str, Any] = {
    "workload": "",
    "networks": {"family": "dcgan", "width": 2, "head": "linear"},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 4,
}
RECIPES: dict[str, dict[str, Any]] = {
    "conditional": {"method": {"name": "conditional", "generator": "concat", "discriminator": "planes"}},
    "infogan": {"method": {"name": "infogan", "categorical": [3], "continuous": 1}},
    "bigan": {"method": {"name": "joint", "encoder": "deterministic", "discriminator": "joined"}},
    "stargan": {
        "method": {"name": "stargan"},
        "networks": {"family": "label_resnet", "width": 2, "patch_width": 2, "blocks": 1},
        "objective": {"name": "wasserstein"},
    },
    "combogan": {
        "method": {"name": "combogan", "domains": [3, 5, 8]},
        "networks": {"family": "resnet_halves", "width": 2, "patch_width": 2, "blocks": 2, "patches": 1},
        "objective": {"name": "least_squares"},
    },
    "gran": {"networks": {"family": "gran", "width": 2, "steps": 2}},
    "lrgan": {"networks": {"family": "lrgan", "width": 2, "steps": 2}},
    "ssgan": {"method": "ssgan"},
    "lapgan": LAPGAN,
    "singan": SINGAN,
    "stylegan": STYLES | {"method": GROWING["method"] | {"first": 4}},
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    """Digits, of which some are held out."""
    out = tmp_path_factory.mktemp("digits")
    spec = DatasetSpec(title="digits", source="digits", fraction=0.2, held_out=60)
    prepare(spec, "digits", out, 32, out)
    return open_prepared(out / "manifest.json")


@pytest.fixture(scope="module")
def sampler_of(digits: PreparedSet) -> Callable[[str], Any]:
    """The sampler of a method with fresh networks, in evaluation mode."""

    def make(name: str) -> Any:
        torch.manual_seed(0)
        told = BASE | {"workload": ""} | RECIPES[name]
        if name in ("stargan", "combogan"):
            told.pop("latent")
        recipe = Recipe.model_validate(told)
        method = build_method(recipe, DataShape.of(digits))
        if name in ("stylegan", "singan"):
            method.enter(method.stages()[-1])
        if name == "singan":
            method.scales.amplitudes.fill_(0.5)
        return method.sampler(method.kept.eval())

    return make


def drawn(sampler: Sampler, count: int, digits: PreparedSet) -> dict[str, torch.Tensor]:
    randomness = torch.Generator().manual_seed(SHOWN_SEED)
    return sampler.inputs(sampler.sources[0], range(count), randomness, digits.held_out())


def close(images: np.ndarray, expected: torch.Tensor) -> bool:
    """Whether images (N, H, W, 3) are these, but for rounding where batches are of other sizes."""
    told = to_uint8(expected.detach()).numpy().astype(int)
    return images.shape == told.shape and bool(np.abs(images.astype(int) - told).max() <= 1)


def test_a_row_is_a_class_and_a_column_a_z(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("conditional")
    images, rows, columns = montage("classes", sampler, digits)
    assert images.shape == (10, 10, 32, 32, 3) and rows == tuple("0123456789") and len(columns) == 10
    given = drawn(sampler, 10, digits)
    with torch.no_grad():
        for number in (0, 3, 9):
            asked = {"z": given["z"], "labels": torch.full((10,), number)}
            assert close(images[number], sampler.sample("G1", asked)), number
    assert not np.array_equal(images[0], images[1]) and not np.array_equal(images[:, 0], images[:, 1])


def test_the_way_between_classes_begins_at_one_and_ends_at_the_next(
    sampler_of: Any, digits: PreparedSet
) -> None:
    sampler = sampler_of("conditional")
    images, rows, _ = montage("interpolation", sampler, digits)
    assert rows[2] == "2 → 3" and rows[9] == "9 → 0"
    z = drawn(sampler, 1, digits)["z"].expand(10, -1)
    with torch.no_grad():
        pure = sampler.sample("G1", {"z": z, "labels": torch.arange(10)})
    assert close(images[:, 0], pure) and close(images[:, -1], pure.roll(-1, 0))


def test_one_code_changes_along_a_row(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("infogan")
    images, rows, _ = montage("traversal", sampler, digits)
    assert images.shape[:2] == (8, 10) and rows[0] == "c1: 0 … 2" and rows[4] == "c2: −2 … 2"
    given = drawn(sampler, 4, digits)
    z, code = given["z"][1].expand(10, -1), given["code"][1].expand(10, -1)
    with torch.no_grad():
        values = torch.cat([torch.eye(3), code[:3, 3:]], dim=1)
        assert close(images[1, :3], sampler.sample("G1", {"z": z[:3], "code": values}))
        reach = torch.cat([code[:, :3], torch.linspace(-2, 2, 10)[:, None]], dim=1)
        assert close(images[5], sampler.sample("G1", {"z": z, "code": reach}))
    assert (images[:4, 3:] == WHITE).all(), "a code of three values has three images"


def test_a_reconstruction_stands_below_its_image(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("bigan")
    images, rows, _ = montage("reconstructions", sampler, digits)
    assert rows == ("x", "G(E(x))") * 2
    held_out = digits.held_out()
    assert held_out is not None
    assert np.array_equal(np.concatenate([images[0], images[2]]), held_out.samples[:20])
    x = torch.from_numpy(np.array(held_out.samples[10:20])).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        assert close(images[3], sampler.reconstruct(x))


def test_a_column_is_a_label(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("stargan")
    images, rows, columns = montage("labels", sampler, digits)
    assert columns == ("input", *"0123456789") and images.shape[:2] == (5, 11) == (len(rows), len(columns))
    held_out = digits.held_out()
    assert held_out is not None and np.array_equal(images[:, 0], held_out.samples[:5])
    x = torch.from_numpy(np.array(held_out.samples[:5])).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        for label in (0, 7):
            told = {"x": x, "labels": torch.full((5,), label)}
            assert close(images[:, 1 + label], sampler.sample("x→c", told)), label


def test_a_column_turns_an_attribute_over(sampler_of: Any, digits: PreparedSet) -> None:
    """Of three attributes two exclude each other: who is asked for one of them is asked to lose the other."""
    torch.manual_seed(0)
    told = Recipe.model_validate({k: v for k, v in (BASE | RECIPES["stargan"]).items() if k != "latent"})
    data = DataShape((3, 32, 32), attributes=3, label_names=("dark", "fair", "young"))
    method = build_method(told, data)
    sampler: Any = method.sampler(method.kept.eval())
    sampler.exclusive = (0, 1)
    own = np.array([[1, 0, 0], [0, 1, 1], [0, 0, 1], [0, 0, 0]] * 2)
    images = np.asarray(digits.samples[:8])
    part = SimpleNamespace(samples=images, labels=own, kind="images")
    table = montage("labels", sampler, SimpleNamespace(held_out=lambda: part, label_names=data.label_names))  # type: ignore[arg-type]
    assert table.columns == ("input", "± dark", "± fair", "± young")
    of_domains = montage(
        "matrix", sampler, SimpleNamespace(held_out=lambda: part, label_names=data.label_names)
    )  # type: ignore[arg-type]
    assert of_domains.rows == of_domains.columns == data.label_names
    first = x_of(images[[0, 1, 1]])  # of those that have it, in order; the second is fair and young
    wanted = torch.tensor([[[1, 0, 0], [0, 1, 0], [1, 0, 1]], [[1, 0, 1], [0, 1, 1], [0, 1, 1]]])
    with torch.no_grad():
        for row, asked in enumerate(wanted):
            made = sampler.sample("x→c", {"x": first[[row] * 3], "labels": asked})
            kept = np.arange(3) != row
            assert close(of_domains.images[row][kept], made[torch.from_numpy(kept)]), row
            assert np.array_equal(of_domains.images[row, row], images[row])
    asked = torch.tensor([[0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 1, 0]] * 2)  # fair turned over
    x = torch.from_numpy(images.copy()).permute(0, 3, 1, 2) / 127.5 - 1
    with torch.no_grad():
        of_fair = sampler.sample("x→c", {"x": x[:5], "labels": asked[:5]})
        assert close(table.images[:, 2], of_fair) and not close(table.images[:, 3], of_fair)


def test_each_domain_goes_to_each(sampler_of: Any, digits: PreparedSet) -> None:
    """Of a label translator and of one of encoders and decoders; the diagonal is the input, all else is translated."""
    held_out = digits.held_out()
    assert held_out is not None and held_out.labels is not None
    sampler = sampler_of("stargan")
    images, rows, columns = montage("matrix", sampler, digits)
    assert rows == columns == tuple("0123456789") and images.shape[:2] == (10, 10)
    first = [int(np.flatnonzero(held_out.labels == label)[0]) for label in range(10)]
    assert np.array_equal(images[range(10), range(10)], held_out.samples[first])
    with torch.no_grad():
        told = {"x": x_of(held_out.samples[first]), "labels": torch.full((10,), 7)}
        others = np.arange(10) != 7
        assert close(images[others, 7], sampler.sample("x→c", told)[torch.from_numpy(others)])
    sampler = sampler_of("combogan")
    images, rows, columns = montage("matrix", sampler, digits)
    assert rows == columns == ("3", "5", "8") and images.shape[:2] == (3, 3)
    assert np.array_equal(images[[0, 1, 2], [0, 1, 2]], held_out.samples[[first[k] for k in (3, 5, 8)]])
    with torch.no_grad():
        assert close(images[1, 2:], sampler.translate("5→8", x_of(held_out.samples[[first[5]]])))
        assert not close(images[1, 2:], sampler.translate("8→5", x_of(held_out.samples[[first[5]]])))
    without = replace(held_out, labels=np.where(held_out.labels == 4, 5, held_out.labels))
    told_apart = SimpleNamespace(held_out=lambda: without, label_names=())
    with pytest.raises(UserError, match="no held-out image is of 4: hold out more"):
        montage("matrix", sampler_of("stargan"), told_apart)  # type: ignore[arg-type]


def x_of(images: np.ndarray) -> torch.Tensor:
    """Images as networks take them."""
    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 127.5 - 1


class InStyles(StyleSampler):
    """Two numbers of style, which are added to the red and the green of an image."""

    style = 2

    def __init__(self) -> None:
        network = torch.nn.Linear(1, 1)
        super().__init__({"a→b": network}, {"a→b": (SAMPLES, SAMPLES)})

    def translate_in_style(self, source: str, samples: torch.Tensor, styles: torch.Tensor) -> torch.Tensor:
        return samples / 4 + torch.nn.functional.pad(styles / 8, (0, 1))[:, :, None, None]


def test_a_column_is_a_style_and_the_last_the_truth(digits: PreparedSet) -> None:
    sampler, held_out = InStyles(), digits.held_out()
    assert held_out is not None
    paired = replace(held_out, inputs=held_out.samples)
    of_pairs = SimpleNamespace(held_out=lambda: paired, label_names=())
    images, _, columns = montage("styles", sampler, of_pairs)  # type: ignore[arg-type]
    assert columns == ("input", *(f"style {n}" for n in range(1, 7)), "truth")
    assert np.array_equal(images[:, 0], held_out.samples[:5]) and np.array_equal(images[:, -1], images[:, 0])
    drawn = sampler.draw_styles(6, torch.Generator().manual_seed(SHOWN_SEED))
    x = torch.from_numpy(np.array(held_out.samples[:5])).permute(0, 3, 1, 2) / 127.5 - 1
    for number in range(6):
        assert close(images[:, 1 + number], sampler.translate_in_style("a→b", x, drawn[[number]])), number
    assert montage("styles", sampler, digits).columns[-1] == "style 6", "without pairs nobody knows the truth"


def test_styles_of_the_source_above_are_in_the_layers_named(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("stylegan")
    images, rows, _ = montage("mixing", sampler, digits)
    assert rows == ("", "4² to 8²", "", "16²", "", "32²", "")
    given = drawn(sampler, 7, digits)
    with torch.no_grad():
        sources = sampler.sample("G1", given)
        assert (images[0, 0] == WHITE).all() and close(images[0, 1:], sources[:5])
        for kind, layers in enumerate((range(4), range(4, 6), range(6, 8))):
            for left in (0, 1):
                row = images[1 + 2 * kind + left]
                assert close(row[:1], sources[5 + left : 6 + left])
                same = {
                    name: value[5 + left :][:1].expand(5, *value.shape[1:]) for name, value in given.items()
                }
                assert close(row[1:], sampler.mix("G1", same, given["z"][:5], layers)), layers


def test_w_is_drawn_towards_its_mean_row_by_row(sampler_of: Any, digits: PreparedSet) -> None:
    """The mean is moved off 0, so that no row looks like another by chance; the control is the row that is whole."""
    sampler = sampler_of("stylegan")
    network, given = sampler.generators["G1"], drawn(sampler, 10, digits)
    network.mean.copy_(torch.linspace(-2, 2, len(network.mean)))
    images, rows, _ = montage("psi", sampler, digits)
    assert rows == ("ψ = 1", "ψ = 0.7", "ψ = 0.5", "ψ = 0.3", "ψ = 0") and sampler.psi == 1
    noise = {name: value for name, value in given.items() if name != "z"}
    with torch.no_grad():
        w = network.mapping(given["z"])
        for row, share in zip(images, (1.0, 0.7, 0.5, 0.3, 0.0), strict=True):
            near = network.mean + share * (w - network.mean)
            assert close(row, network.synthesise([near] * network.active, **noise)), share
    assert (images[-1] == images[-1, :1]).all() and not (images[0] == images[0, :1]).all()


def test_levels_stand_from_coarse_to_fine(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("lapgan")
    images, rows, _ = montage("levels", sampler, digits)
    assert rows == ("8×8", "16×16", "32×32")
    given = drawn(sampler, 10, digits)
    with torch.no_grad():
        for row, source in enumerate(("8", "16", "G1")):
            assert close(images[row], sampler.sample(source, given)), source


def test_canvases_add_up_to_the_image_beside_them(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("gran")
    images, _, columns = montage("canvases", sampler, digits)
    assert columns == ("step 1", "step 2", "sum") and images.shape[1] == 3
    with torch.no_grad():
        first, second = sampler.generators["G1"].canvases(drawn(sampler, 8, digits)["z"])
    assert close(images[:, 0], first.tanh()) and close(images[:, 1], second.tanh())
    assert close(images[:, 2], (first + second).tanh())


def test_parts_are_what_a_sample_is_made_of(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("lrgan")
    images, _, columns = montage("parts", sampler, digits)
    assert columns == ("background", "foreground 2", "mask 2", "image 2") and len(images) == 8
    canvas, foreground, mask, image = np.moveaxis(images.astype(float), 1, 0)
    pasted = (mask * foreground + (WHITE - mask) * canvas) / WHITE
    assert np.abs(pasted - image).max() < 2, "the mask's white is the foreground"
    sampler = sampler_of("ssgan")
    images, _, columns = montage("parts", sampler, digits)
    assert columns == ("structure", "image") and np.ptp(images[:, 0], axis=-1).max() == 0
    with torch.no_grad():
        assert close(images[:, 1], sampler.sample("G1", drawn(sampler, 8, digits)))


def test_scales_stand_from_coarse_to_fine(sampler_of: Any, digits: PreparedSet) -> None:
    sampler = sampler_of("singan")
    images, rows, columns = montage("pyramid", sampler, digits)
    assert rows == ("picture", "rebuilt", "sample", "sample", "sample") and columns[-1] == "32×32"
    assert np.array_equal(images[0, -1], digits.samples[0]), "at its own size the picture is itself"
    assert (
        np.abs(np.diff(images[0, 0].astype(int), axis=0)).mean()
        < np.abs(np.diff(images[0, -1].astype(int), axis=0)).mean()
    )
    with torch.no_grad():
        assert close(images[2:, -1], sampler.sample("G1", drawn(sampler, 3, digits)))
        assert close(images[1:2, -1], sampler.reconstruct(torch.zeros(1, 3, 32, 32)))


@pytest.mark.parametrize("name", MONTAGES)
def test_a_method_without_it_is_refused(name: str, sampler_of: Any, digits: PreparedSet) -> None:
    without = "bigan" if name != "reconstructions" else "singan"
    with pytest.raises(UserError, match=rf"montages: .*\b{name}\b.* (is|are) of .* out of the workload"):
        montage(name, sampler_of(without), digits)


def test_what_is_stored_needs_no_pickle(tmp_path: Path) -> None:
    table = Montage(np.zeros((2, 3, 4, 4, 3), np.uint8), ("a → b", ""), ("x", "y", "z"))
    np.savez(tmp_path / "t.npz", allow_pickle=False, **arrays("classes", table))
    with np.load(tmp_path / "t.npz", allow_pickle=False) as found:
        assert found["montage classes"].shape == (1, 2, 3, 4, 4, 3)
        assert found["montage classes rows"].tolist() == [["a → b", ""]]
        assert found["montage classes columns"].tolist() == [["x", "y", "z"]]


def test_the_plan_names_the_same_tables() -> None:
    assert set(MONTAGES) == set(MontageName.__args__)  # type: ignore[attr-defined]
