"""CIFAR-10, SVHN and STL-10 in their true formats: round trips, and damage of each kind."""

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from gantry.data.pickles import RestrictedUnpickler
from gantry.data.sources.cifar10 import unpickle_batch
from gantry.errors import UserError

BATCHES = [f"data_batch_{i}" for i in range(1, 6)]


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (50, 32, 32, 3), dtype=np.uint8)


LABELS = [i % 10 for i in range(50)]


@pytest.fixture
def members(formats, images):
    """members(release) → the (name, content) pairs of the archive of a release."""

    def listed(release: str) -> list[tuple[str, bytes]]:
        folder, suffix, encode = {
            "python": ("cifar-10-batches-py", "", formats.cifar_batch),
            "binary": ("cifar-10-batches-bin", ".bin", formats.cifar_binary),
        }[release]
        batches = [
            (f"{folder}/{name}{suffix}", encode(images[10 * i : 10 * i + 10], LABELS[10 * i : 10 * i + 10]))
            for i, name in enumerate(BATCHES)
        ]
        # The archives are not in order, and hold more.
        return [(f"{folder}/readme.html", b"read me"), *reversed(batches)]

    return listed


@pytest.fixture
def write(formats):
    """write(root, release, packed, listed): the archive of a release, or its folder."""

    def written(root: Path, release: str, packed: bool, listed: list[tuple[str, bytes]]) -> None:
        root.mkdir()
        if packed:
            formats.tar_gz(root / f"cifar-10-{release}.tar.gz", listed)
            return
        for name, content in listed:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(content)

    return written


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("release", ["python", "binary"])
def test_cifar_round_trip(prepared, tmp_path, images, members, write, release, packed):
    write(tmp_path / "cifar", release, packed, members(release))
    got = prepared("cifar10", path="cifar")
    assert np.array_equal(got.samples, images) and got.labels.tolist() == LABELS


@pytest.mark.parametrize("protocol", [2, 4])
def test_batches_that_python_3_has_pickled_again(images, protocol):
    rows = np.ascontiguousarray(images.transpose(0, 3, 1, 2).reshape(50, -1))
    planes, labels = unpickle_batch(pickle.dumps({b"data": rows, b"labels": LABELS}, protocol), "here")
    assert np.array_equal(planes, rows) and labels == LABELS


def test_cifar_subsets_keep_labels_with_images(prepared, tmp_path, images, members, write):
    write(tmp_path / "cifar", "python", True, members("python"))
    got = prepared("cifar10", path="cifar", fraction=0.5, subset_seed=4)
    rows = [int(np.flatnonzero((images == sample).all(axis=(1, 2, 3)))[0]) for sample in got.samples]
    assert len(rows) == 25 and got.labels.tolist() == [LABELS[row] for row in rows]


class Evil:
    def __reduce__(self):
        return os.system, ("touch executed",)


def test_pickles_execute_nothing(prepared, tmp_path, members, write, monkeypatch):
    monkeypatch.chdir(tmp_path)
    hostile = members("python")
    hostile[-1] = (hostile[-1][0], pickle.dumps({b"data": Evil(), b"labels": [0]}, 2))
    write(tmp_path / "cifar", "python", True, hostile)
    with pytest.raises(UserError, match=r"data_batch_1: .*it wants to run \w+\.system"):
        prepared("cifar10", path="cifar")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("name", ["builtins.eval", "numpy.load", "gantry.files.write_text", "_codecs.decode"])
def test_nothing_but_plain_arrays_is_unpickled(name):
    module, function = name.rsplit(".", 1)
    with pytest.raises(pickle.UnpicklingError, match="wants to run"):
        RestrictedUnpickler(__import__("io").BytesIO(b"")).find_class(module, function)


@pytest.mark.parametrize(
    "batch",
    [
        b"",
        b"\x80\x02garbage",
        pickle.dumps([1, 2, 3], 2),
        pickle.dumps({b"labels": [1]}, 2),
        pickle.dumps({b"data": "text", b"labels": [1]}, 2),
        pickle.dumps({b"data": np.zeros((2, 7), np.uint8), b"labels": [1, 2]}, 2),
        pickle.dumps({b"data": np.zeros((2, 3072), np.float32), b"labels": [1, 2]}, 2),
        pickle.dumps({b"data": np.zeros((3072, 2), np.uint8).T, b"labels": [1, 2]}, 2),
    ],
)
def test_pickles_that_are_no_batches(batch):
    with pytest.raises(UserError, match="here: not a batch of CIFAR-10"):
        unpickle_batch(batch, "here")


def test_damaged_cifar_archives(prepared, tmp_path, images, members, write, formats):
    listed = members("python")
    write(tmp_path / "short", "python", True, listed[:-1])
    with pytest.raises(UserError, match="data_batch_1 missing"):
        prepared("cifar10", path="short")
    write(tmp_path / "double", "python", True, [*listed, listed[1]])
    with pytest.raises(UserError, match="data_batch_5 is there twice"):
        prepared("cifar10", path="double")
    write(tmp_path / "cut", "python", True, listed)
    file = tmp_path / "cut/cifar-10-python.tar.gz"
    file.write_bytes(file.read_bytes()[:-2000])
    with pytest.raises(UserError, match=r"cifar-10-python\.tar\.gz: .*damaged or cut off"):
        prepared("cifar10", path="cut")
    write(
        tmp_path / "labels",
        "python",
        True,
        [*listed[:-1], (listed[-1][0], formats.cifar_batch(images[:10], [1]))],
    )
    with pytest.raises(UserError, match="labels and images do not fit"):
        prepared("cifar10", path="labels")
    short = [(name, content[:-5]) for name, content in members("binary")]
    write(tmp_path / "binary", "binary", False, short)
    with pytest.raises(UserError, match="not a multiple of 3073"):
        prepared("cifar10", path="binary")
    with pytest.raises(UserError, match=r"none of cifar-10-batches-py, .* there\nGet it"):
        (tmp_path / "empty").mkdir()
        prepared("cifar10", path="empty", acquisition="Get it.")


def test_svhn_round_trip(prepared, tmp_path, images):
    labels = np.array([10 if label == 0 else label for label in LABELS], np.uint8)[:, None]
    (tmp_path / "svhn").mkdir()
    content = {"X": images.transpose(1, 2, 3, 0), "y": labels}
    savemat(tmp_path / "svhn/train_32x32.mat", content, do_compression=True)
    got = prepared("svhn", path="svhn")
    assert np.array_equal(got.samples, images) and got.labels.tolist() == LABELS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"X": np.zeros((32, 32, 3, 5), np.float64), "y": np.ones(5)}, "of double"),
        ({"X": np.zeros((32, 32, 3, 5), np.uint8), "y": np.ones(4)}, "y has 4 values"),
        ({"X": np.zeros((32, 32, 3, 5), np.uint8), "y": np.full(5, 11)}, "1 to 10"),
        ({"X": np.zeros((5, 5), np.uint8), "y": np.ones(5)}, r"X is \(5, 5\)"),
        ({"Z": np.zeros(5)}, "not SVHN's .mat"),
    ],
)
def test_svhn_of_a_wrong_shape(prepared, tmp_path, content, said):
    savemat(tmp_path / "train_32x32.mat", content)
    with pytest.raises(UserError, match=rf"train_32x32\.mat: .*{said}"):
        prepared("svhn", path="train_32x32.mat")


def test_svhn_cut_off_or_missing(prepared, tmp_path, images):
    file = tmp_path / "train_32x32.mat"
    content = {"X": images.transpose(1, 2, 3, 0), "y": np.ones((50, 1), np.uint8)}
    savemat(file, content, do_compression=True)
    whole = file.read_bytes()
    for cut in (60, 1000, len(whole) // 2):
        file.write_bytes(whole[:cut])
        with pytest.raises(UserError, match="cut off"):
            prepared("svhn", path="train_32x32.mat")
    with pytest.raises(UserError, match=r"test_32x32\.mat: .*not there"):
        prepared("svhn", path=".", options={"split": "test"})


@pytest.fixture
def stl(tmp_path, formats) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    train, unlabeled = (random.integers(0, 256, (n, 96, 96, 3), dtype=np.uint8) for n in (4, 6))
    listed = [
        ("stl10_binary/train_X.bin", formats.stl_binary(train)),
        ("stl10_binary/train_y.bin", bytes([1, 10, 3, 4])),
        ("stl10_binary/unlabeled_X.bin", formats.stl_binary(unlabeled)),
        ("/etc/escaped", b"x"),
        ("../escaped", b"x"),
    ]
    (tmp_path / "stl").mkdir()
    formats.tar_gz(tmp_path / "stl/stl10_binary.tar.gz", listed)
    return train, unlabeled


def test_stl_round_trip_and_safe_unpacking(prepared, tmp_path, stl):
    both = prepared("stl10", path="stl")
    assert np.array_equal(both.samples, np.concatenate(stl)) and both.labels is None
    train = prepared("stl10", path="stl", options={"split": "train"}, out="train")
    assert np.array_equal(train.samples, stl[0]) and train.labels.tolist() == [0, 9, 2, 3]
    written = sorted(p.name for p in (tmp_path / "stl/stl10_binary").iterdir())
    assert written == ["train_X.bin", "train_y.bin", "unlabeled_X.bin"]
    assert not (tmp_path / "escaped").exists() and not Path("/etc/escaped").exists()
    small = prepared("stl10", path="stl", resolution=32, out="small")
    assert small.samples.shape == (10, 32, 32, 3)


def test_damaged_stl(prepared, tmp_path, stl):
    archive = tmp_path / "stl/stl10_binary.tar.gz"
    whole = archive.read_bytes()
    archive.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=r"stl10_binary\.tar\.gz: .*damaged or cut off"):
        prepared("stl10", path="stl")
    assert not list((tmp_path / "stl/stl10_binary").glob("unlabeled*"))
    archive.write_bytes(whole)
    prepared("stl10", path="stl")
    file = tmp_path / "stl/stl10_binary/unlabeled_X.bin"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(UserError, match=r"unlabeled_X\.bin: .*cut off"):
        prepared("stl10", path="stl")
    with pytest.raises(UserError, match=r"test_X\.bin, test_y\.bin missing"):
        prepared("stl10", path="stl", options={"split": "test"})
    (tmp_path / "stl/stl10_binary/train_y.bin").write_bytes(bytes([1]))
    with pytest.raises(UserError, match="1 labels for 4 images"):
        prepared("stl10", path="stl", options={"split": "train"})
