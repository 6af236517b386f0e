"""The sources that need no download, the general ones, and what they say of bad input."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantry.data.sources import SOURCES
from gantry.data.sources.array import load_array
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec


def test_mixture_is_nine_equal_gaussians_on_the_grid(prepared):
    mixture = prepared("gaussian_grid")
    means = np.array(mixture.manifest["means"])
    assert mixture.samples.shape == (100_000, 2) and mixture.samples.dtype == np.float32
    assert sorted(map(tuple, means)) == [(x, y) for x in (-2, 0, 2) for y in (-2, 0, 2)]
    for mode, mean in enumerate(means):
        own = mixture.samples[mixture.labels == mode]
        assert len(own) == pytest.approx(100_000 / 9, rel=0.05)
        assert own.mean(axis=0) == pytest.approx(mean, abs=0.01)
        assert np.cov(own.T) == pytest.approx(0.05 * np.eye(2), abs=0.003)
    assert mixture.manifest["variance"] == 0.05 and not mixture.manifest["proxy"]


@pytest.mark.parametrize(("side", "modes"), [(3, 5), (4, 7)])
def test_modes_without_symmetry_are_mapped_onto_themselves_by_nothing_but_the_identity(prepared, side, modes):
    """All turns by 90° and reflections of the grid's lines, about its middle: one of eight leaves the modes."""
    mixture = prepared("gaussian_grid", options={"side": side, "symmetric": 0, "count": 2000})
    means = np.array(mixture.manifest["means"])
    assert len(means) == modes and np.bincount(mixture.labels).min() > 0.7 * 2000 / modes
    whole = prepared("gaussian_grid", options={"side": side, "count": 2000}, out="whole")

    def those_kept(points):
        found = []
        for turn in range(4):
            for sign in (1, -1):
                moved = points @ np.linalg.matrix_power([[0, 1], [-1, 0]], turn) * [1, sign]
                found.append(sorted(map(tuple, moved.round(6))) == sorted(map(tuple, points.round(6))))
        return sum(found)

    assert those_kept(means) == 1 and those_kept(np.array(whole.manifest["means"])) == 8
    with pytest.raises(UserError, match="symmetric: 0 leaves modes of 3 lines or more"):
        prepared("gaussian_grid", options={"side": 2, "symmetric": 0, "count": 20}, out="two")


def test_digits_are_rgb_with_labels_and_marked_as_a_proxy(prepared):
    digits = prepared("digits", resolution=32)
    assert digits.samples.shape == (1797, 32, 32, 3) and digits.sample_shape == (3, 32, 32)
    assert digits.manifest["proxy"] is True
    assert np.bincount(digits.labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # A zero is dark in its middle and bright around it; a one the other way round.
    middle = digits.samples[:, 14:18, 14:18, 0].mean(axis=(1, 2))
    assert middle[digits.labels == 0].mean() < 60 < 150 < middle[digits.labels == 1].mean()


def test_pasted_digits_have_the_masks_that_their_colour_says(prepared):
    pasted = prepared("pasted_digits", fraction=0.03)
    source = SOURCES["pasted_digits"](DatasetSpec(title="", source="pasted_digits", fraction=0.03), "", None)
    pixels = pasted.samples.astype(float)
    assert pixels.shape == (53, 32, 32, 3) and np.ptp(pasted.manifest["ink"]) == 223
    chosen = [i for i in range(len(source)) if source._labels[i] == pasted.labels[0]]
    said = np.ptp(pixels, axis=-1) / 223
    masks = np.stack([source.mask(i) for i in chosen])
    nearest = np.abs(masks - said[0]).max((1, 2)).argmin()
    np.testing.assert_allclose(said[0], masks[nearest], atol=1.5 / 223)
    outside = masks[nearest] == 0
    background = source.background(chosen[nearest])
    assert outside.mean() > 0.3 and (pixels[0, outside] == np.rint(background[outside])[:, None]).all()
    # The control: another image's mask is not what the colour says.
    assert np.abs(said[0] - masks[nearest - 1]).max() > 0.3


@pytest.mark.parametrize("image", ["flower", "china"])
def test_photograph_gives_different_windows_that_follow_the_seed(prepared, image):
    first = prepared("photograph", options={"image": image, "count": 50})
    again = prepared("photograph", options={"image": image, "count": 50}, out="again")
    other = prepared("photograph", options={"image": image, "count": 50, "seed": 1}, out="other")
    assert first.samples.shape == (50, 32, 32, 3) and first.manifest["proxy"]
    assert first.digest == again.digest != other.digest
    assert len(np.unique(first.samples.reshape(50, -1), axis=0)) == 50


@pytest.mark.parametrize("workers", [1, 2])
def test_folder_is_read_in_order_of_names_cropped_and_resized(prepared, image_folder, workers):
    got = prepared("folder", path="images", resolution=32, workers=workers)
    files = sorted(str(p.relative_to(image_folder)) for p in image_folder.rglob("*.*"))
    assert got.samples.shape == (10, 32, 32, 3) and got.labels is None
    for file, pixels in zip(files, got.samples, strict=True):
        image = Image.open(image_folder / file).convert("RGB")
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        square = image.crop((left, top, left + edge, top + edge)).resize((32, 32), Image.Resampling.BICUBIC)
        difference = np.abs(np.asarray(square, float) - pixels)
        assert difference.mean() <= 1 and np.quantile(difference, 0.999) <= 3


def test_resize_squeezes_the_whole_image(prepared, tmp_path):
    (tmp_path / "images").mkdir()
    stripes = np.zeros((32, 64, 3), np.uint8)
    stripes[:, :8] = 255  # lies outside the centre square
    Image.fromarray(stripes).save(tmp_path / "images/a.png")
    assert prepared("folder", path="images", resolution=32).samples.max() == 0
    whole = prepared("folder", path="images", resolution=32, crop="resize", out="whole")
    assert whole.samples[0, :, :3].min() > 200 and whole.samples[0, :, 6:].max() < 30


def test_fraction_draws_by_seed_and_keeps_order(prepared, tmp_path):
    rows = np.arange(200, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    np.save(tmp_path / "rows.npy", rows)
    drawn = [
        prepared("array", path="rows.npy", resolution=4, fraction=0.1, subset_seed=seed, out=str(seed))
        for seed in (0, 1)
    ]
    kept = [d.samples[:, 0, 0, 0].astype(int) for d in drawn]
    assert [len(k) for k in kept] == [20, 20] and set(kept[0]) != set(kept[1])
    assert all((np.diff(k) > 0).all() for k in kept)
    assert drawn[0].manifest["indices_digest"] != drawn[1].manifest["indices_digest"]


@pytest.mark.parametrize("shape", [(5, 8, 8, 3), (5, 8, 8), (5, 8, 8, 1)])
def test_array_of_images_is_taken_as_it_is(prepared, tmp_path, shape):
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save(tmp_path / "images.npy", np.asfortranarray(images))
    got = prepared("array", path="images.npy", resolution=8).samples
    assert np.array_equal(got, np.broadcast_to(images.reshape(5, 8, 8, -1), (5, 8, 8, 3)))


def test_array_of_points(prepared, tmp_path):
    points = np.random.default_rng(0).normal(size=(30, 2))
    np.save(tmp_path / "points.npy", points)
    got = prepared("array", path="points.npy")
    assert got.kind == "points" and np.array_equal(got.samples, points.astype(np.float32))


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.zeros((5, 8, 8, 4), np.uint8), r"shape \(5, 8, 8, 4\) and dtype uint8; expected images"),
        (np.zeros((5, 8, 8, 3), np.float32), "dtype float32; expected images"),
        (np.zeros((5, 3)), r"shape \(5, 3\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"shape \(0, 8, 8, 3\)"),
        (np.array([[1.0, np.nan]]), "NaN"),
        (np.array([[{}, {}]]), "not a whole .npy file"),
    ],
)
def test_array_of_the_wrong_shape_or_dtype(prepared, tmp_path, array, said):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(UserError, match=f"a.npy.*{said}"):
        prepared("array", path="a.npy", resolution=8)


def test_truncated_array(prepared, tmp_path):
    np.save(tmp_path / "a.npy", np.zeros((5, 8, 8, 3), np.uint8))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-100])
    with pytest.raises(UserError, match=r"a\.npy.*not a whole"):
        prepared("array", path="a.npy", resolution=8)


def test_missing_folder_says_how_to_get_it(prepared):
    with pytest.raises(UserError, match=r"nowhere: data set thing \(a title\) is not there\nAsk the author"):
        prepared("folder", path="nowhere", resolution=32, acquisition="Ask the author.")


def test_folder_without_images(prepared, tmp_path):
    (tmp_path / "empty/deep").mkdir(parents=True)
    (tmp_path / "empty/readme.txt").write_text("no image")
    with pytest.raises(UserError, match=r"empty: data set thing: no image in this folder"):
        prepared("folder", path="empty", resolution=32)


def test_file_where_a_folder_was_expected(prepared, tmp_path):
    (tmp_path / "plain").write_text("x")
    with pytest.raises(UserError, match="a file where a folder"):
        prepared("folder", path="plain", resolution=32)


def test_resolution_is_needed_for_images_and_refused_for_points(prepared, image_folder):
    with pytest.raises(UserError, match="a resolution is needed"):
        prepared("folder", path="images")
    with pytest.raises(UserError, match="points have no resolution"):
        prepared("gaussian_grid", resolution=32)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"cuont": 5}, 'options.cuont: unknown option; did you mean "count"'),
        ({"count": "many"}, "options.count: 'many' is not of type int"),
        ({"count": 0}, "options.count: 0 is below 1"),
        ({"image": "china.jpg"}, "options.image: 'china.jpg' is none of flower, china"),
        ({"largest": 10_000}, "options.largest: 10000 is not between"),
    ],
)
def test_bad_options(prepared, options, said):
    with pytest.raises(UserError, match=said):
        prepared("photograph", options=options)


def test_wrong_count(prepared, image_folder):
    with pytest.raises(UserError, match="10 images found, 11 expected"):
        prepared("folder", path="images", resolution=32, images=11)


def test_the_catalogue_is_valid_and_helpful(repository: Path):
    import yaml

    from gantry.plan.dataset import DatasetSpec

    entries = yaml.safe_load((repository / "workflow/datasets.yaml").read_text())
    specs = {name: DatasetSpec.model_validate(entry) for name, entry in entries.items()}
    assert {"mixture", "digits", "flower", "china", "celeba", "lsun_bedroom", "lsun_bridge"} <= specs.keys()
    for name, spec in specs.items():
        if spec.path is not None:
            assert spec.looks_for and "http" in spec.acquisition and "GB" in spec.acquisition + " GB", name
    assert (specs["lsun_bedroom"].fraction, specs["lsun_bridge"].fraction) == (0.1, 0.5)


@pytest.mark.parametrize("damaged", [True, False])
def test_an_archive_in_place_of_an_array_is_read_or_refused_in_one_sentence(
    tmp_path: Path, damaged: bool
) -> None:
    file = tmp_path / "images.npy"
    with file.open("wb") as stream:
        np.savez(stream, images=np.zeros((3, 8, 8, 3), np.uint8))
    if damaged:
        file.write_bytes(file.read_bytes()[:40])
    if not damaged:
        assert load_array(file, "mine").shape == (3, 8, 8, 3)
        return
    with pytest.raises(UserError, match=r"not a whole \.npy file") as error:
        load_array(file, "mine")
    assert str(file) in str(error.value)
