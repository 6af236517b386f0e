"""Pixels against Pillow's: decode, crop, resize; and files that are not quite usual."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gantry.data import decoding, prepare
from gantry.data.encoded import EncodedSquares, one_thread
from gantry.data.items import BadImage
from gantry.plan.dataset import DatasetSpec


def squares(files: list[bytes], side: int, crop: str = "center") -> np.ndarray:
    collected = EncodedSquares(len(files), side, crop)
    for i, file in enumerate(files):
        collected.add(i, file)
    collected.finish()
    return collected.pixels.astype(int)


def by_pillow(file: bytes, side: int, crop: str = "center") -> np.ndarray:
    image = Image.open(io.BytesIO(file)).convert("RGB")
    if crop == "center":
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        image = image.crop((left, top, left + edge, top + edge))
    filter = Image.Resampling.BILINEAR if crop == "resize_bilinear" else Image.Resampling.BICUBIC
    return np.asarray(image.resize((side, side), filter), int)


def assert_close(got: np.ndarray, expected: np.ndarray) -> None:
    """Within one grey level on average, and three on 99.9 % of the values."""
    difference = np.abs(got - expected)
    assert difference.mean() <= 1 and (difference > 3).mean() <= 0.001


@pytest.mark.parametrize("side", [32, 64, 128, 256])
@pytest.mark.parametrize("crop", ["center", "resize"])
def test_real_faces_as_pillow_makes_them(shared_data, side, crop):
    folder = shared_data / "celeba_5k/img_align_celeba"
    files = [file.read_bytes() for file in sorted(folder.glob("*.jpg"))[:20]]
    assert_close(squares(files, side, crop), np.stack([by_pillow(file, side, crop) for file in files]))


@pytest.mark.parametrize("decoder", ["torchvision", "pillow"])
@pytest.mark.parametrize("crop", ["center", "resize", "resize_bilinear"])
def test_photographs_of_all_sizes_as_pillow_makes_them(photographs, formats, crop, decoder, monkeypatch):
    if decoder == "pillow":
        monkeypatch.setattr(decoding, "decode_jpeg", None)
    files = [formats.jpeg(image) for image in photographs]
    for side in (16, 64, 100):
        assert_close(squares(files, side, crop), np.stack([by_pillow(file, side, crop) for file in files]))


def test_large_jpegs_are_decoded_scaled_and_stay_as_pillow_makes_them(repository, formats):
    from gantry.data.sources.synthetic import _inside_sklearn

    tile = Image.open(_inside_sklearn("images/china.jpg")).crop((0, 0, 424, 424))
    large = Image.new("RGB", (3 * 424, 3 * 424))
    for i in range(9):
        large.paste(tile.rotate(90 * i), (424 * (i % 3), 424 * (i // 3)))
    file = formats.jpeg(large)
    assert len(file) > decoding.LARGE_FILE
    assert decoding.decode(file, 64).pixels.shape == (636, 636, 3)
    assert decoding.decode(file, 128).pixels.shape == (1272, 1272, 3)
    assert_close(squares([file], 64)[0], by_pillow(file, 64))


@pytest.mark.parametrize(
    ("mode", "format"),
    [("L", "JPEG"), ("CMYK", "JPEG"), ("P", "PNG"), ("RGBA", "PNG"), ("LA", "WEBP"), ("1", "TIFF")],
)
def test_other_colour_modes_become_rgb(photographs, mode, format):
    stream = io.BytesIO()
    photographs[0].convert(mode).save(stream, format)
    assert_close(squares([stream.getvalue()], 32)[0], by_pillow(stream.getvalue(), 32))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda file: b"", "empty"),
        (lambda file: b"text", "not an image of a kind that is read"),
        (lambda file: file[: len(file) // 2], "the mark of a JPEG's end is missing"),
        (lambda file: file[:100], "not an image|cannot be decoded"),
        (lambda file: b"\xff\xd8" + b"\0" * 500, "not an image"),
    ],
)
def test_what_cannot_be_decoded(photographs, formats, damage, said):
    with pytest.raises(BadImage, match=said):
        squares([damage(formats.jpeg(photographs[0]))], 32)


def test_absurd_sizes_are_refused_before_they_fill_the_memory():
    stream = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(stream, "PNG")
    with pytest.raises(BadImage, match="could be decompression bomb"):
        squares([stream.getvalue()], 32)


def test_one_thread_gives_the_threads_back():
    torch.set_num_threads(2)
    with one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2


def test_all_five_thousand_faces(shared_data, tmp_path):
    spec = DatasetSpec(title="faces", source="celeba", path=str(shared_data / "celeba_5k"), images=5000)
    manifest = prepare(spec, "faces", tmp_path, 32, tmp_path / "faces")
    assert manifest["shape"] == [5000, 32, 32, 3] and manifest["skipped"] == []
    rows = np.load(tmp_path / "faces/images.npy", mmap_mode="r")
    for i in (0, 1234, 4999):
        file = shared_data / f"celeba_5k/img_align_celeba/{i + 1:06}.jpg"
        assert_close(rows[i].astype(int), by_pillow(file.read_bytes(), 32))


def sheets(folder: Path, split: str) -> np.ndarray:
    """The images of `split` (N, 32, 32, 3), from sheets of 40×25 tiles."""
    tiles = []
    for path in sorted(folder.glob(f"{split}_*.webp")):
        sheet = np.asarray(Image.open(path).convert("RGB"))
        rows, columns = sheet.shape[0] // 32, sheet.shape[1] // 32
        tiles.append(sheet.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 1, 3, 4).reshape(-1, 32, 32, 3))
    return np.concatenate(tiles)


CIFAR = {
    "train": ("python", "cifar-10-batches-py", [f"data_batch_{i}" for i in range(1, 6)]),
    "test": ("binary", "cifar-10-batches-bin", ["test_batch.bin"]),
}


@pytest.mark.parametrize("split", CIFAR)
def test_all_sixty_thousand_of_cifar10_bit_for_bit(shared_data, formats, tmp_path, split):
    release, folder, names = CIFAR[split]
    encode = {"python": formats.cifar_batch, "binary": formats.cifar_binary}[release]
    images = sheets(shared_data / "cifar10", split)
    labels = np.load(shared_data / f"cifar10/{split}_labels.npy").tolist()
    members = [
        (f"{folder}/{name}", encode(images[10_000 * i :][:10_000], labels[10_000 * i :][:10_000]))
        for i, name in enumerate(names)
    ]
    formats.tar_gz(tmp_path / f"cifar-10-{release}.tar.gz", members, level=0)
    spec = DatasetSpec(
        title="CIFAR-10", source="cifar10", path=".", options={"split": split}, images=len(images)
    )
    manifest = prepare(spec, split, tmp_path, 32, tmp_path / "out")
    assert manifest["count"] == len(images)
    assert np.array_equal(np.load(tmp_path / "out/images.npy", mmap_mode="r"), images)
    assert np.load(tmp_path / "out/labels.npy").tolist() == labels
