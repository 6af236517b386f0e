"""Pairs and parts: inputs beside images row by row, and what is held out."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from gantry.data import open_prepared, pairs, verify_digests
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)


def save(folder, images, names=None):
    folder.mkdir(parents=True)
    for i, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{(names or range(99))[i]}.png")


def test_two_images_in_one_file(prepared, tmp_path):
    save(tmp_path / "facades/train", np.concatenate([IMAGES[:4], IMAGES[4:8]], axis=2))
    save(tmp_path / "facades/val", np.concatenate([IMAGES[8:10], IMAGES[10:]], axis=2))
    keys = {"path": "facades", "options": {"split": "train"}, "held_out": "official", "resolution": 16}
    got = prepared("folder", inputs={"half": "right"}, **keys)
    assert np.array_equal(got.samples, IMAGES[:4]) and np.array_equal(got.inputs, IMAGES[4:8])
    held_out = got.held_out()
    assert np.array_equal(held_out.samples, IMAGES[8:10]) and np.array_equal(held_out.inputs, IMAGES[10:])
    other = prepared("folder", inputs={"half": "left"}, out="left", **keys)
    assert np.array_equal(other.inputs, IMAGES[:4]) and np.array_equal(other.samples, IMAGES[4:8])
    verify_digests(got)
    with zipfile.ZipFile(tmp_path / "facades.zip", "w") as archive:  # as it is packed, below a folder
        for file in sorted((tmp_path / "facades").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path))
    packed = prepared("folder", inputs={"half": "right"}, out="packed", **keys | {"path": "facades.zip"})
    assert (packed.digest, packed.held_out().digest) == (got.digest, held_out.digest)


def test_an_image_that_is_no_pair_leaves_no_gap(prepared, tmp_path):
    save(tmp_path / "pairs", np.concatenate([IMAGES[:4], IMAGES[4:8]], axis=2))
    Image.new("RGB", (15, 16)).save(tmp_path / "pairs/1.png")
    got = prepared("folder", path="pairs", inputs={"half": "right"}, resolution=16, on_bad_image="skip")
    kept = [0, 2, 3]
    assert np.array_equal(got.samples, IMAGES[kept]) and np.array_equal(got.inputs, IMAGES[4:8][kept])
    assert "15×16" in got.manifest["skipped"][0]["reason"]


def test_two_folders(prepared, tmp_path):
    save(tmp_path / "shoes/edges", IMAGES[:6])
    save(tmp_path / "shoes/photos", IMAGES[6:])
    keys = {"path": "shoes", "inputs": {"folders": ["edges", "photos"]}, "resolution": 16}
    got = prepared("folder", **keys)
    assert np.array_equal(got.inputs, IMAGES[:6]) and np.array_equal(got.samples, IMAGES[6:])
    assert got.labels is None
    (tmp_path / "shoes/photos/3.png").unlink()
    with pytest.raises(UserError, match=r"6 inputs and 5 images; without a partner: 3"):
        prepared("folder", out="unequal", **keys)
    with pytest.raises(UserError, match=r"no image in photo; did you mean .photos"):
        prepared("folder", out="none", path="shoes", inputs={"folders": ["edges", "photo"]}, resolution=16)


def test_two_domains(prepared, tmp_path):
    for i, part in enumerate(("trainA", "trainB", "testA", "testB")):
        save(tmp_path / "horse2zebra" / part, IMAGES[3 * i : 3 * i + 3])
    got = prepared(
        "folder", path="horse2zebra", options={"split": "train"}, held_out="official", resolution=16
    )
    assert np.array_equal(got.samples, IMAGES[:6]) and got.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert got.label_names == ("A", "B") and np.array_equal(got.held_out().samples, IMAGES[6:])


def test_degradations_say_what_they_do():
    step = np.zeros((16, 16, 3), np.uint8)
    step[:, 8:] = 255
    found = pairs.edges(step, 4, 0)
    assert (found[:, 7:9] == 255).all() and not found[:, :7].any() and not found[:, 9:].any()
    assert np.array_equal(pairs.grey(np.full((2, 2, 3), (255, 0, 0), np.uint8), 4, 0), np.full((2, 2, 3), 76))
    assert np.array_equal(
        pairs.low(IMAGES[0], 4, 0),
        np.asarray(Image.fromarray(IMAGES[0]).resize((4, 4), Image.Resampling.BICUBIC)),
    )
    holed = pairs.hole(IMAGES[0], 4, 0)
    assert (holed[4:12, 4:12] == 128).all() and np.array_equal(holed[:4], IMAGES[0, :4])
    point = np.zeros((32, 32, 3), np.uint8)
    point[16, 16] = 255
    moved = pairs.blur(point, 4, 0).astype(int)[..., 0]  # row 0 moves along the rows, 4 pixels in all
    assert moved[16].nonzero()[0].tolist() == [14, 15, 16, 17, 18] and not np.delete(moved, 16, axis=0).any()
    assert abs(moved.sum() - 255) < 12
    flat = np.full((16, 16, 3), 90, np.uint8)
    assert np.array_equal(pairs.blur(flat, 4, 5), flat)
    assert not np.array_equal(pairs.blur(IMAGES[0], 4, 1), pairs.blur(IMAGES[0], 4, 2))


@pytest.mark.parametrize("degradation", ["edges", "grey", "low", "hole", "blur"])
def test_inputs_are_made_of_their_images(prepared, degradation, tmp_path):
    np.save(tmp_path / "rows.npy", IMAGES)
    got = prepared("array", path="rows.npy", inputs={"degradation": degradation}, resolution=16)
    made = [pairs.DEGRADATIONS[degradation](image, 4, i) for i, image in enumerate(IMAGES)]
    assert np.array_equal(got.inputs, made) and got.inputs.shape[1] == (4 if degradation == "low" else 16)


def test_a_part_held_out_is_disjoint_and_drawn_by_the_seed(prepared, tmp_path):
    np.save(tmp_path / "rows.npy", IMAGES)
    got = prepared("array", path="rows.npy", held_out=4, resolution=16)
    rows = [image.tobytes() for part in (got, got.held_out()) for image in part.samples]
    assert len(got) == 8 and len(got.held_out()) == 4
    assert sorted(rows) == sorted(image.tobytes() for image in IMAGES)
    again = prepared("array", path="rows.npy", held_out=4, resolution=16, out="again")
    assert (again.digest, again.held_out().digest) == (got.digest, got.held_out().digest)
    share = prepared("array", path="rows.npy", held_out=0.25, subset_seed=1, resolution=16, out="share")
    assert len(share.held_out()) == 3
    digits = prepared("digits", held_out=0.1, resolution=16, out="digits")
    assert len(digits.labels) == 1618 and len(digits.held_out().labels) == 179
    points = prepared("gaussian_grid", held_out=100, options={"count": 1000}, out="points")
    assert len(points) == 900 and points.held_out().labels.shape == (100,)
    with pytest.raises(UserError, match="leaves fewer than two"):
        prepared("array", path="rows.npy", held_out=11, resolution=16, out="most")
    with pytest.raises(UserError, match="no official test images"):
        prepared("array", path="rows.npy", held_out="official", resolution=16, out="none")
    assert prepared("array", path="rows.npy", resolution=16, out="plain").held_out() is None


def test_what_is_not_asked_for_changes_no_identity():
    plain = DatasetSpec(title="t", source="digits")
    assert plain.identity(32).keys() == {
        *("source", "crop", "fraction", "subset_seed", "on_bad_image", "options", "resolution")
    }
    asked = DatasetSpec.model_validate({"title": "t", "source": "digits", "held_out": 9})
    assert asked.identity(32)["held_out"] == 9


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "inputs.npy"])
def test_a_flipped_bit_is_found(prepared, tmp_path, file):
    got = prepared("digits", inputs={"degradation": "low"}, resolution=16)
    verify_digests(got)
    place = tmp_path / "out" / file
    content = bytearray(place.read_bytes())
    content[-100] ^= 4
    place.write_bytes(content)
    with pytest.raises(UserError, match=rf"{file}: its bytes are not those that were prepared"):
        verify_digests(open_prepared(tmp_path / "out/manifest.json"))
