"""Perceptual losses: of random weights, held against torchvision's layout, layer by layer; and what is refused."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from tests.methods.translators import BASE, IMAGES, UNET, batch_for, method_of, numpy

from gantry.errors import UserError
from gantry.files import sha256_of_file
from gantry.metrics.features.embedded import classifier
from gantry.networks.fixed import vgg19
from gantry.plan.recipe import Recipe

# torchvision's configuration E, "M" being a pool; features.0 is the first convolution, features.1 its ReLU.
VGG19: tuple[int | str, ...] = (64, 64, "M", 128, 128, "M", *[256] * 4, "M", *[512] * 4, "M", *[512] * 4, "M")
ASKED = {"relu1_2": 0.5, "relu2_1": 2.0}
LIKE_ASKED = (3, 6)  # features.3 and features.6 are these ReLUs


def features(depth: int) -> torch.nn.Sequential:
    """The first modules of torchvision's `features`, with random weights."""
    modules: list[torch.nn.Module] = []
    inputs = 3
    for width in VGG19:
        if isinstance(width, str):
            modules.append(torch.nn.MaxPool2d(2, 2))
            continue
        modules += [torch.nn.Conv2d(inputs, width, 3, padding=1), torch.nn.ReLU()]
        inputs = width
        if len(modules) > depth:
            break
    return torch.nn.Sequential(*modules)


@pytest.fixture(scope="module")
def network() -> torch.nn.Sequential:
    torch.manual_seed(3)
    return features(LIKE_ASKED[-1])


@pytest.fixture(scope="module")
def weights(network: torch.nn.Sequential, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its state dict, as torchvision names it, with a classifier's weights that nobody needs."""
    path = tmp_path_factory.mktemp("weights") / "vgg19.safetensors"
    named = {f"features.{key}": value for key, value in network.state_dict().items()}
    save_file(named | {"classifier.0.bias": torch.zeros(4)}, path)
    return path


def method_with(weights: Path | None, **perceptual: Any) -> Any:
    told = {"weight": 3.0, "network": "vgg19", "depths": ASKED} | perceptual
    method = method_of({"name": "pix2pix", "match": 0, "perceptual": told}, IMAGES, networks=UNET)
    method.equip(weights)
    return method


def distance(network: torch.nn.Sequential, a: torch.Tensor, b: torch.Tensor, after: Sequence[int]) -> float:
    """Σ w·mean|φ(a) − φ(b)|, colours being in [0, 1] and normalised as torchvision's are."""
    mean, deviation = (
        np.array(channels)[:, None, None] for channels in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    found = []
    for images in (a, b):
        x = torch.from_numpy(((numpy(images) + 1) / 2 - mean) / deviation).float()
        depths = []
        for number, module in enumerate(network):
            x = module(x)
            depths += [numpy(x)] if number in after else []
        found.append(depths)
    return float(sum(w * np.abs(p - q).mean() for w, p, q in zip(ASKED.values(), *found, strict=True)))


def test_the_loss_is_that_of_torchvisions_layers(network: torch.nn.Sequential, weights: Path) -> None:
    """Weight 3 times it is what G's loss gains; the control, other layers, is another number."""
    method, batch = method_with(weights), batch_for(IMAGES, 2)
    torch.manual_seed(7)
    there = method.made(batch.data["input"])
    apart = distance(network, there, batch.x, LIKE_ASKED)
    assert method.perceptual(there, batch.x).item() == pytest.approx(apart, rel=1e-4)
    assert distance(network, there, batch.x, (2, 5)) != pytest.approx(apart, rel=1e-2)
    with_it = method.loss("generator", batch).item()
    torch.manual_seed(0)
    without = method_of({"name": "pix2pix", "match": 1.0e-9}, IMAGES, networks=UNET)
    assert with_it - without.loss("generator", batch).item() == pytest.approx(3 * apart, rel=1e-3)


def test_every_layer_has_torchvisions_number() -> None:
    numbers = [int(layer.key.removeprefix("features.")) for layer in vgg19()]
    assert numbers == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    with torch.device("meta"):
        modules = features(36)
    for layer in vgg19():
        conv: Any = modules[int(layer.key.removeprefix("features."))]
        assert (conv.in_channels, conv.out_channels) == (layer.inputs, layer.outputs)
        before = modules[max(0, int(layer.key.removeprefix("features.")) - 1)]
        assert layer.halved == isinstance(before, torch.nn.MaxPool2d)


def test_only_the_translator_learns_and_no_state_holds_the_network(weights: Path) -> None:
    method, batch = method_with(weights), batch_for(IMAGES, 2)
    method.loss("generator", batch).backward()
    assert all(parameter.grad is not None for parameter in method.translator.parameters())
    assert not list(method.perceptual.parameters())
    kept = [name for name in method.state_dict() if name.startswith("perceptual")]
    assert kept == ["perceptual.digest"] and not [
        name for name in method.kept.state_dict() if "perceptual" in name
    ]
    assert bytes(method.perceptual.digest.tolist()).hex() == sha256_of_file(weights)


def test_npz_and_safetensors_are_the_same_and_a_run_keeps_to_its_file(
    network: torch.nn.Sequential, weights: Path, tmp_path: Path
) -> None:
    arrays = {f"features.{key}": value.numpy() for key, value in network.state_dict().items()}
    np.savez(tmp_path / "vgg19.npz", allow_pickle=False, **arrays)
    first, second = method_with(weights), method_with(tmp_path / "vgg19.npz")
    a, b = batch_for(IMAGES, 2).data["input"], batch_for(IMAGES, 2).x
    assert torch.equal(first.perceptual(a, b), second.perceptual(a, b))
    first.load_state_dict(method_with(weights).state_dict())
    with pytest.raises(
        UserError, match=r"whose SHA-256 is .* and is given others .*: give it the first ones"
    ):
        second.load_state_dict(first.state_dict())


def test_the_workflows_own_classifier_is_the_default(tmp_path: Path) -> None:
    """Its batch norm, as it is in evaluation, is folded into the convolutions."""
    torch.manual_seed(5)
    network = classifier(4).train()
    network(torch.rand(8, 3, 32, 32) * 2 - 1)  # running statistics that are not 0 and 1
    save_file(network.eval().state_dict(), tmp_path / "own.safetensors")
    method = method_of({"name": "pix2pix", "perceptual": {"weight": 1}}, IMAGES, networks=UNET)
    assert method.recipe.method.fixed_network == "embedded"
    method.equip(tmp_path / "own.safetensors")
    images, x, expected = batch_for(IMAGES, 2).x, batch_for(IMAGES, 2).x, []
    with torch.no_grad():
        for number, module in enumerate(network.get_submodule("body")):  # type: ignore[arg-type]
            x = module(x)
            expected += [x] if number in (2, 5, 8) else []
        for ours, theirs in zip(method.perceptual.network(images), expected, strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5)


def test_what_cannot_be_is_refused(weights: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"network vgg19: no weights configured; .* weights: \{vgg19: FILE\}"):
        method_with(None)
    with pytest.raises(UserError, match=r"weights.vgg19: .*no.npz is not there"):
        method_with(tmp_path / "no.npz")
    (tmp_path / "vgg19.pth").write_bytes(b"")
    with pytest.raises(UserError, match=r"\.safetensors or \.npz file, .*: save the state dict with"):
        method_with(tmp_path / "vgg19.pth")
    (tmp_path / "cut.safetensors").write_bytes(weights.read_bytes()[:-9])
    with pytest.raises(UserError, match="weights cannot be read"):
        method_with(tmp_path / "cut.safetensors")
    with pytest.raises(
        UserError, match=r"not the weights of vgg19.*there is no features.7.weight.*weights.vgg19"
    ):
        method_with(weights, depths={"relu2_2": 1})
    save_file({"features.0.weight": torch.zeros(64, 1, 3, 3)}, tmp_path / "grey.safetensors")
    with pytest.raises(UserError, match=r"features.0.weight is \(64, 1, 3, 3\), expected \(64, 3, 3, 3\)"):
        method_with(tmp_path / "grey.safetensors")
    with pytest.raises(ValidationError, match=r"depths.relu3_9: network vgg19 has none .* did you mean"):
        method_with(weights, depths={"relu3_9": 1})
    of_points = {"method": {"name": "pix2pix", "perceptual": {"weight": 1}}}
    with pytest.raises(ValidationError, match="only_hole and perceptual are of images; take them away"):
        Recipe.model_validate(BASE | of_points)
    deep = {"name": "pix2pix", "perceptual": {"weight": 1, "network": "vgg19"}}
    recipe = Recipe.model_validate(BASE | {"method": deep, "networks": UNET})
    with pytest.raises(ValueError, match="relu5_1 needs 16×16 pixels at least, and images are 8×8"):
        recipe.method.check_workload(recipe, 8, 4)
    recipe.method.check_workload(recipe, 32, 4)
