"""Captions: CUB's in their true format, whose pickles run nothing, and the stand-ins made of CelebA's attributes."""

import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantry.data import PreparedSet
from gantry.data.pickles import array_of, list_of, number_of, unpickled
from gantry.data.shape import DataShape
from gantry.data.sources.cub import around
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

CAPTIONS, WIDTH = 3, 4
# (left, top, width, height) of birds: inside, over two edges, over the others.
BOXES = [(30.0, 20.0, 20.0, 16.0), (2.0, 1.0, 24.0, 30.0), (70.0, 40.0, 28.5, 19.0), (40.0, 30.0, 11.0, 13.0)]


def python2_array(array: np.ndarray) -> bytes:
    """Pickle an array as Python 2's cPickle did, protocol 0, without its memo: strings for bytes."""
    kind, order = array.dtype.str[1:], array.dtype.str[0]
    shape = "".join(f"I{length}\n" for length in array.shape)
    raw = "S" + "'" + "".join(f"\\x{byte:02x}" for byte in array.tobytes()) + "'\n"
    return (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n("
        + shape.encode()
        + b"tcnumpy\ndtype\n(S'"
        + kind.encode()
        + b"'\nI0\nI1\ntR(I3\nS'"
        + order.encode()
        + b"'\nNNNI-1\nI-1\nI0\ntbI00\n"
        + raw.encode()
        + b"tb"
    )


def python2_list(items: Sequence[bytes]) -> bytes:
    return b"(l" + b"".join(item + b"a" for item in items) + b"."


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """Four images of which test has one, with captions (3, 4) that say the image's number and the caption's."""
    root = tmp_path / "cub"
    random = np.random.default_rng(0)
    names = [f"00{i % 2 + 1}.Bird/Bird_{i}" for i in range(4)]
    images = root / "CUB_200_2011/images"
    for name in names:
        (images / name).parent.mkdir(parents=True, exist_ok=True)
        coarse = Image.fromarray(random.integers(0, 256, (6, 9, 3), dtype=np.uint8))
        coarse.resize((90, 60), Image.Resampling.BICUBIC).save(images / f"{name}.jpg", quality=95)
    # Numbers of images are in no order, and more are listed than are used.
    order = [2, 0, 3, 1]
    listed = [f"{i + 1} {names[i]}.jpg" for i in order] + ["9 001.Bird/Other.jpg"]
    boxes = [f"{i + 1} {' '.join(map(str, box))}" for i, box in enumerate(BOXES)] + ["9 1 1 5 5"]
    (root / "CUB_200_2011/images.txt").write_text("\n".join(listed) + "\n")
    (root / "CUB_200_2011/bounding_boxes.txt").write_text("\n".join(boxes) + "\n")
    for part, rows in (("train", [0, 1, 2]), ("test", [3])):
        (root / part).mkdir()
        write_part(root / part, [names[i] for i in rows], rows)
    return root


def write_part(folder: Path, names: list[str], rows: list[int]) -> None:
    captions = [
        np.array([[row, number, 0.5, -1.0] for number in range(CAPTIONS)], np.float32) for row in rows
    ]
    (folder / "char-CNN-RNN-embeddings.pickle").write_bytes(
        python2_list([python2_array(array) for array in captions])
    )
    (folder / "filenames.pickle").write_bytes(python2_list([f"S'{name}'\n".encode() for name in names]))
    (folder / "class_info.pickle").write_bytes(python2_list([f"I{row % 2 + 1}\n".encode() for row in rows]))


def opened(prepared: Any, **keys: Any) -> PreparedSet:
    found: PreparedSet = prepared(
        "cub", path="cub", resolution=16, crop="resize", **({"held_out": "official"} | keys)
    )
    return found


def test_the_pickles_here_are_what_numpy_writes_too() -> None:
    array = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    own = pickle.loads(python2_array(array) + b".", encoding="latin1")  # noqa: S301
    assert np.array_equal(own, array)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("kind", ["<f4", ">f8", "<i8", "|u1", "<f2"])
def test_arrays_of_every_protocol(protocol: int, kind: str) -> None:
    for array in (np.arange(12).reshape(3, 4).astype(kind), np.arange(12).reshape(3, 4).astype(kind).T):
        found = array_of(unpickled(pickle.dumps(array, protocol)))
        assert np.array_equal(found, array) and found.dtype == array.dtype
    assert list_of(unpickled(pickle.dumps(np.arange(5), protocol))) == [0, 1, 2, 3, 4]
    assert [number_of(n) for n in unpickled(pickle.dumps([3, np.int64(-4)], protocol))] == [3, -4]


@pytest.mark.parametrize(
    "held",
    [
        np.array(["a"]),
        np.array([{}], object),
        np.zeros(2, [("a", "<f4")]),
        np.zeros(2, "<M8[s]"),
        np.zeros(2, complex),
    ],
)
def test_arrays_that_are_no_numbers(held: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"no numbers|where"):
        array_of(unpickled(pickle.dumps(held, 2)))


def test_an_array_longer_than_its_bytes() -> None:
    content = pickle.dumps(np.zeros(4, np.uint8), 2)
    told = content.replace(b"K\x04\x85", b"J" + struct.pack("<i", 2**30) + b"\x85")
    assert told != content
    with pytest.raises(ValueError, match="1073741824"):
        array_of(unpickled(told))


def test_birds_are_cut_out_as_the_authors_do(birds: Path, prepared: Any) -> None:
    found = opened(prepared)
    assert found.samples.shape == (3, 16, 16, 3)
    for row in range(3):
        image = np.asarray(Image.open(birds / f"CUB_200_2011/images/00{row % 2 + 1}.Bird/Bird_{row}.jpg"))
        left, top, width, height = BOXES[row]
        # Their custom_crop, line for line.
        x, y, r = int((2 * left + width) / 2), int((2 * top + height) / 2), int(max(width, height) * 0.75)
        y1, y2 = np.maximum(0, y - r), np.minimum(image.shape[0], y + r)
        x1, x2 = np.maximum(0, x - r), np.minimum(image.shape[1], x + r)
        own = Image.fromarray(image[y1:y2, x1:x2]).resize((16, 16), Image.Resampling.BICUBIC)
        assert np.abs(found.samples[row].astype(int) - np.asarray(own)).max() <= 3
    whole = Image.fromarray(image).resize((16, 16))
    assert np.abs(found.samples[2].astype(int) - np.asarray(whole)).max() > 30, "the control: not cut out"
    assert around((30.0, 20.0, 20.0, 16.0)) == (25, 13, 55, 43)


def test_captions_follow_their_images_into_both_parts(birds: Path, prepared: Any) -> None:
    found = opened(prepared)
    held_out = found.held_out()
    assert held_out is not None and found.labels is not None and held_out.labels is not None
    assert found.labels.shape == (3, CAPTIONS, WIDTH) and found.labels.dtype == np.float32
    assert found.labels[:, 0, 0].tolist() == [0, 1, 2] and found.labels[1, :, 1].tolist() == [0, 1, 2]
    assert held_out.labels.shape == (1, CAPTIONS, WIDTH) and held_out.labels[0, 0, 0] == 3
    data = DataShape.of(found)
    assert (data.vectors, data.captions) == (WIDTH, CAPTIONS)
    assert DatasetSpec(title="", source="cub").labels == "vectors"
    assert found.manifest["species"] == 2 and held_out.manifest["species"] == 1


HOSTILE = b"cos\nsystem\n(S'touch executed'\ntR."


@pytest.mark.parametrize("file", ["char-CNN-RNN-embeddings", "filenames", "class_info"])
def test_a_pickle_that_names_os_system_is_refused(
    birds: Path, prepared: Any, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for content in (HOSTILE, b"(l" + HOSTILE[:-1] + b"a."):
        (birds / f"train/{file}.pickle").write_bytes(content)
        with pytest.raises(UserError) as refused:
            opened(prepared)
        said = str(refused.value)
        assert f"train/{file}.pickle" in said and "os.system" in said and "\n" not in said
    assert not (tmp_path / "executed").exists()
    pickle.loads(HOSTILE)  # noqa: S301
    assert (tmp_path / "executed").exists(), "the control: pickle.load would have run it"


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("train/filenames.pickle", None, r"filenames.pickle: .* is not there\nGet it"),
        ("train/filenames.pickle", pickle.dumps(["001.Bird/Bird_0"], 2), "1 in filenames.pickle, 3 in class_info"),
        ("train/filenames.pickle", pickle.dumps(["a", "b", "c"], 2), "nothing of 3 images .* a the first"),
        ("train/filenames.pickle", b"\x80\x02garbage", "filenames.pickle: .* not the authors' pickle"),
        ("train/class_info.pickle", pickle.dumps(["x", "y", "z"], 2), "class_info.pickle: .* whole number"),
        ("train/char-CNN-RNN-embeddings.pickle", pickle.dumps([], 2), "no captions in it"),
        ("train/char-CNN-RNN-embeddings.pickle", pickle.dumps([np.zeros(4, np.float32)] * 3, 2), r"shape \(4,\)"),
        ("train/char-CNN-RNN-embeddings.pickle", pickle.dumps([np.zeros((2, 4), int)] * 3, 2), "expected .* floats"),
        (
            "train/char-CNN-RNN-embeddings.pickle",
            pickle.dumps([np.zeros((3, 4)), np.zeros((2, 4)), np.zeros((3, 4))], 2),
            r"image 1 has captions of shape \(2, 4\), those before it \(3, 4\)",
        ),
        ("train/char-CNN-RNN-embeddings.pickle", pickle.dumps([np.full((3, 4), np.nan)] * 3, 2), "image 0 hold NaN"),
        ("CUB_200_2011/images.txt", None, "images.txt: .* is not there"),
        ("CUB_200_2011/images.txt", b"1 a b\n", "line 1: 3 words, expected 2"),
        ("CUB_200_2011/bounding_boxes.txt", b"1 2 3 4\n", "line 1: 4 words, expected 5"),
        ("CUB_200_2011/bounding_boxes.txt", b"1 2 3 4 x\n", "bounding_boxes.txt: .* image 1: could not convert"),
        ("CUB_200_2011/bounding_boxes.txt", b"1 2 3 0 4\n", "image 1: 2 3 0 4 is no box"),
        ("CUB_200_2011/bounding_boxes.txt", b"1 500 3 9 9\n2 1 1 9 9\n3 1 1 9 9\n", "outside of its 90×60 pixels"),
    ],
)  # fmt: skip
def test_files_of_cub_that_do_not_fit(
    birds: Path, prepared: Any, file: str, content: bytes | None, said: str
) -> None:
    path = birds / file
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(UserError, match=rf"(?s){said}"):
        opened(prepared, held_out=None, acquisition="Get it.")


# ── CelebA's stand-ins ────────────────────────────────────────────────────────────────────────────────

ATTRIBUTES = 10
CAPTIONED = {"attributes": ("all",), "captions": 4, "mentioned": 0.6, "seed": 3}


@pytest.fixture
def faces(tmp_path: Path, photographs: list[Image.Image], formats: Any) -> np.ndarray:
    """Ten faces and their attributes, ±1, (10, 10)."""
    root = tmp_path / "celeba"
    root.mkdir()
    formats.celeba_zip(root / "img_align_celeba.zip", [image.resize((89, 109)) for image in photographs])
    told = np.random.default_rng(1).choice([-1, 1], (10, ATTRIBUTES))
    header = ["10", " ".join(f"A{a}" for a in range(ATTRIBUTES))]
    rows = [f"{i + 1:06}.jpg {' '.join(map(str, row))}" for i, row in enumerate(told)]
    (root / "list_attr_celeba.txt").write_text("\n".join([*header, *rows]))
    return told


def captioned(prepared: Any, out: str, options: dict[str, Any], **keys: Any) -> PreparedSet:
    found: PreparedSet = prepared(
        "celeba", path="celeba", resolution=16, out=out, options=CAPTIONED | options, **keys
    )
    return found


def test_captions_of_a_face_mention_its_attributes(faces: np.ndarray, prepared: Any) -> None:
    found = captioned(prepared, "one", {})
    labels = found.labels
    assert labels is not None and labels.shape == (10, 4, ATTRIBUTES) and labels.dtype == np.float32
    mentioned = labels != 0
    assert (mentioned.sum(2) == 6).all(), "60 % of ten attributes, in every caption"
    assert (labels == np.where(mentioned, faces[:, None], 0)).all()
    assert len({row.tobytes() for row in mentioned.reshape(40, -1)}) > 30, (
        "captions differ in what they mention"
    )
    assert found.label_names == tuple(f"A{a}" for a in range(ATTRIBUTES))
    assert DatasetSpec(title="", source="celeba", options=CAPTIONED).labels == "vectors"
    assert DatasetSpec(title="", source="celeba", options={"attributes": ("all",)}).labels == "attributes"


def test_captions_of_a_face_do_not_depend_on_other_faces(faces: np.ndarray, prepared: Any) -> None:
    whole = captioned(prepared, "one", {})
    half = captioned(prepared, "half", {}, fraction=0.5)
    other = captioned(prepared, "other", {"seed": 4})
    assert whole.labels is not None and half.labels is not None and other.labels is not None
    of_sample = {sample.tobytes(): row for row, sample in enumerate(np.asarray(whole.samples))}
    rows = [of_sample[sample.tobytes()] for sample in np.asarray(half.samples)]
    assert len(rows) == 5 and np.array_equal(half.labels, whole.labels[rows])
    assert not np.array_equal(other.labels, whole.labels), "the control: the seed matters"
    assert other.digest == whole.digest


def test_captions_of_digits_say_what_they_are(prepared: Any) -> None:
    options = {"attributes": ("even", "looped", "large"), "captions": 10}
    of_attributes = prepared(
        "digits", resolution=8, out="attributes", options={"attributes": ("even", "looped", "large")}
    )
    found = prepared("digits", resolution=8, out="captions", options=options)
    assert found.labels.shape == (1797, 10, 3) and found.digest == of_attributes.digest
    told = 2 * of_attributes.labels[:, None].astype(int) - 1
    assert ((found.labels == told).sum(2) == 2).all() and ((found.labels == 0).sum(2) == 1).all()
    assert DatasetSpec(title="", source="digits", options=options).labels == "vectors"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"attributes": ()}, "options.captions mention attributes, and none"),
        ({"mentioned": 0.01}, "options.mentioned: 0.01 of 10 attributes is 0"),
        ({"mentioned": 1.5}, "options.mentioned: 1.5 of 10 attributes is 15"),
        ({"captions": -1}, "options.captions: -1 is below 0"),
        ({"seed": -1}, "options.seed: -1 is below 0"),
    ],
)
def test_options_that_make_no_captions(
    faces: np.ndarray, prepared: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said):
        captioned(prepared, "one", options)
