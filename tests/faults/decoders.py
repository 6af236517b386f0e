"""Every decoder and every damage: what is said, and whether the file is named.

    uv run python tests/faults/decoders.py results/reference/faults

writes decoders.csv (every case) and decoders.md (the table by decoder and damage). Exit codes are those of the
command line: 0 read, 2 refused with one message, 1 a defect.
"""

import csv
import io
import random
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import lmdb
import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

from gantry.data import prepare
from gantry.errors import UserError
from gantry.evaluation.image_sets import open_set
from gantry.metrics.features.weights import read_arrays
from gantry.plan.dataset import DatasetSpec

RANDOM = np.random.default_rng(0)
PIXELS = RANDOM.integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
SIDE = 8


class Outcome(NamedTuple):
    """What happened to one damaged file."""

    code: int
    message: str
    names_file: bool


@dataclass(frozen=True)
class Decoder:
    """A kind of file: its whole content, its name inside a folder, and who reads it."""

    name: str
    file: str
    content: Callable[[], bytes]
    read: Callable[[Path, Path], object]


# ── who reads ─────────────────────────────────────────────────────────────────────────────────────────


def prepared(source: str, inner: str = "", **options: str) -> Callable[[Path, Path], object]:
    def read(folder: Path, file: Path) -> object:
        place = {"file": file, "folder": folder}[inner or "folder"]
        spec = DatasetSpec.model_validate(
            {"title": "t", "source": source, "path": str(place), "options": options}
        )
        return prepare(spec, "mine", folder, SIDE, folder.parent / "out")

    return read


def scored(folder: Path, file: Path) -> object:
    return open_set(file)


# ── whole files ───────────────────────────────────────────────────────────────────────────────────────


def picture(kind: str, **options: object) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        Image.fromarray(PIXELS[0]).save(stream, kind, **options)
        return stream.getvalue()

    return content


def zipped() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for i, pixels in enumerate(PIXELS[:4]):
            inner = io.BytesIO()
            Image.fromarray(pixels).save(inner, "PNG")
            archive.writestr(f"img/{i}.png", inner.getvalue())
    return stream.getvalue()


def npy(array: np.ndarray) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        np.save(stream, array)
        return stream.getvalue()

    return content


def npz(**arrays: np.ndarray) -> Callable[[], bytes]:
    def content() -> bytes:
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    return content


def cifar() -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]:
            rows = PIXELS[:2].transpose(0, 3, 1, 2).reshape(2, -1)
            body = np.concatenate([np.array([[1], [2]], np.uint8), rows], axis=1).tobytes()
            entry = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            entry.size = len(body)
            archive.addfile(entry, io.BytesIO(body))
    return stream.getvalue()


def stl() -> bytes:
    return np.repeat(np.repeat(PIXELS[:3], 3, 1), 3, 2).transpose(0, 3, 2, 1).tobytes()


def svhn() -> bytes:
    stream = io.BytesIO()
    savemat(
        stream,
        {"X": PIXELS.transpose(1, 2, 3, 0), "y": np.arange(1, 13)[:, None].clip(1, 10)},
        do_compression=True,
    )
    return stream.getvalue()


def database() -> bytes:
    with tempfile.TemporaryDirectory() as place:
        environment = lmdb.open(place, map_size=1 << 24)
        with environment.begin(write=True) as transaction:
            for i in range(40):
                transaction.put(f"{i:040}".encode(), picture("JPEG")())
        environment.close()
        return (Path(place) / "data.mdb").read_bytes()


def attributes() -> bytes:
    rows = "".join(f"{i}.png,{1 if i % 2 else -1},1\n" for i in range(1, 5))
    return ("image_id,Male,Young\n" + rows).encode()


def labelled(folder: Path, file: Path) -> object:
    (folder / "img_align_celeba").mkdir()
    for i in range(1, 5):
        Image.fromarray(PIXELS[i]).save(folder / f"img_align_celeba/{i}.png")
    return prepared("celeba", attribute="Male")(folder, file)


def state() -> bytes:
    stream = io.BytesIO()
    torch.save({"fc.weight": torch.zeros(4, 4)}, stream)
    return stream.getvalue()


GAUSSIAN = {"mu": np.zeros(4), "sigma": np.eye(4)}
FOLDER, ARRAY = prepared("folder"), prepared("array", "file")
DECODERS = [
    *(
        Decoder(name, f"one.{suffix}", picture(kind, **options), FOLDER)
        for name, suffix, kind, options in (
            ("JPEG", "jpg", "JPEG", {}),
            ("PNG", "png", "PNG", {}),
            ("GIF", "gif", "GIF", {}),
            ("WebP", "webp", "WEBP", {"lossless": True}),
            ("AVIF", "avif", "AVIF", {}),
            ("BMP", "bmp", "BMP", {}),
            ("PPM", "ppm", "PPM", {}),
            ("TIFF", "tif", "TIFF", {}),
            ("TIFF, packed", "tiff", "TIFF", {"compression": "tiff_lzw"}),
            ("JPEG 2000", "jp2", "JPEG2000", {}),
            ("QOI", "qoi", "QOI", {}),
        )
    ),
    Decoder("zip of images", "images.zip", zipped, prepared("folder", "file")),
    Decoder(".npy", "images.npy", npy(PIXELS), ARRAY),
    Decoder(".npz", "images.npz", npz(arr_0=PIXELS), ARRAY),
    Decoder(".npz, scored", "samples.npz", npz(arr_0=PIXELS), scored),
    Decoder("statistics", "statistics.npz", npz(**GAUSSIAN), scored),
    Decoder("CIFAR-10's tar.gz", "cifar-10-binary.tar.gz", cifar, prepared("cifar10")),
    Decoder("STL-10's .bin", "unlabeled_X.bin", stl, prepared("stl10", split="unlabeled")),
    Decoder("SVHN's .mat", "train_32x32.mat", svhn, prepared("svhn")),
    Decoder("LSUN's LMDB", "data.mdb", database, prepared("lsun", category="bedroom")),
    Decoder("CelebA's attributes", "list_attr_celeba.csv", attributes, labelled),
    Decoder("weights", "weights.pth", state, lambda folder, file: read_arrays(file)),
]


# ── damages ───────────────────────────────────────────────────────────────────────────────────────────


def flipped(content: bytes, place: int) -> bytes:
    damaged = bytearray(content)
    damaged[place] ^= 1 << (place % 8)
    return bytes(damaged)


def huge(content: bytes) -> bytes:
    """Numbers in the first bytes raised to the highest: a header that lies."""
    damaged = bytearray(content)
    for place in range(16, min(32, len(damaged))):
        damaged[place] = 0xFF
    return bytes(damaged)


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "none": lambda content: content,
    "empty": lambda content: b"",
    "one byte": lambda content: content[:1],
    "first 16 bytes": lambda content: content[:16],
    "cut in half": lambda content: content[: len(content) // 2],
    "last 10 % lost": lambda content: content[: len(content) * 9 // 10],
    "last byte lost": lambda content: content[:-1],
    "end zeroed": lambda content: content[: len(content) // 2] + bytes(len(content) - len(content) // 2),
    "start zeroed": lambda content: bytes(64) + content[64:],
    "header of highest numbers": huge,
    "noise": lambda content: random.Random(0).randbytes(len(content)),
    "text": lambda content: b"<html>404 Not Found</html>",
    "twice": lambda content: content + content,
    "Windows line ends": lambda content: content.replace(b"\n", b"\r\n"),
}
for _eighth in range(1, 9):
    DAMAGES[f"bit {_eighth}/8"] = lambda content, eighth=_eighth: flipped(content, len(content) * eighth // 9)


def tried(decoder: Decoder, content: bytes) -> Outcome:
    """Write the file into a folder of its own and read it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "raw"
        folder.mkdir()
        file = folder / decoder.file
        file.write_bytes(content)
        try:
            decoder.read(folder, file)
        except UserError as error:
            said = " ".join(str(error).split())
            return Outcome(2, said.replace(place, ""), decoder.file in said)
        except Exception as error:
            return Outcome(1, f"{type(error).__name__}: {error}", False)
        return Outcome(0, "read", True)


def all_tried() -> Iterator[tuple[str, str, Outcome]]:
    """(decoder, damage, outcome) of every pair; a damage that leaves a file as it was is passed over."""
    for decoder in DECODERS:
        whole = decoder.content()
        for damage, inflict in DAMAGES.items():
            content = inflict(whole)
            if damage == "none" or content != whole:
                yield decoder.name, damage, tried(decoder, content)


def main(folder: Path) -> None:
    """Write what came out, and exit with 1 if there is a defect or a file without its name."""
    found = list(all_tried())
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "decoders.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(["decoder", "damage", "exit_code", "file_named", "message"])
        table.writerows(
            [name, damage, o.code, int(o.names_file), o.message[:200]] for name, damage, o in found
        )
    by = {(name, damage): outcome for name, damage, outcome in found}
    lines = ["| | " + " | ".join(DAMAGES) + " |", "|---|" + ":-:|" * len(DAMAGES)]
    for decoder in DECODERS:
        cells = [by.get((decoder.name, damage)) for damage in DAMAGES]
        lines.append(
            f"| {decoder.name} | " + " | ".join("" if c is None else str(c.code) for c in cells) + " |"
        )
    (folder / "decoders.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    wrong = [case for case in found if case[2].code == 1 or not case[2].names_file]
    for name, damage, outcome in wrong:
        print(f"{name}, {damage}: {outcome.code}: {outcome.message[:200]}")
    print(f"{len(found)} cases, {sum(o.code == 2 for _, _, o in found)} refused, {len(wrong)} wrong")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
