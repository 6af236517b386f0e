"""Parquet, Hugging Face's data sets on disk and WebDataset shards give the arrays of the same images in a folder."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantry.data import open_prepared, prepare
from gantry.data.prepared import PreparedSet
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

WORDS = ("cat", "dog", "owl")


@pytest.fixture(scope="module")
def pictures() -> list[tuple[bytes, int]]:
    """Twelve PNG files of several sizes, and their classes."""
    rng = np.random.default_rng(0)
    found = []
    for number in range(12):
        size = (20 + number, 24, 3)
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, size, dtype=np.uint8)).save(file, "png")
        found.append((file.getvalue(), number % 3))
    return found


@pytest.fixture(scope="module")
def expected(pictures: list[tuple[bytes, int]], tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    """The same as a folder, without classes: numbered files in their order."""
    folder = tmp_path_factory.mktemp("folder")
    for number, (content, _) in enumerate(pictures):
        (folder / f"{number:02}.png").write_bytes(content)
    return prepared("folder", folder, folder.parent / "prepared-folder")


def prepared(source: str, path: Path, out: Path, **options: Any) -> PreparedSet:
    spec = DatasetSpec.model_validate({"title": "t", "source": source, "path": str(path), "options": options})
    prepare(spec, "set", path.parent, 16, out)
    return open_prepared(out / "manifest.json")


def check(found: PreparedSet, expected: PreparedSet, names: tuple[str, ...] = ()) -> None:
    """The images to the bit, and the classes of `pictures`."""
    assert np.array_equal(found.samples, expected.samples)
    assert found.labels is not None and found.labels.tolist() == [number % 3 for number in range(12)]
    assert found.label_names == names


def write_shards(folder: Path, pictures: list[tuple[bytes, int]], label: str) -> None:
    """Two WebDataset shards."""
    folder.mkdir()
    for shard in range(2):
        with tarfile.open(folder / f"train-{shard:06}.tar", "w") as archive:
            for number in range(6 * shard, 6 * shard + 6):
                content, value = pictures[number]
                told = json.dumps({"class": value}).encode() if label == "json" else str(value).encode()
                for suffix, data in (("png", content), (label, told)):
                    member = tarfile.TarInfo(f"{number:04}.{suffix}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))


def test_webdataset(pictures: list[tuple[bytes, int]], expected: PreparedSet, tmp_path: Path) -> None:
    write_shards(tmp_path / "shards", pictures, "cls")
    check(prepared("webdataset", tmp_path / "shards", tmp_path / "a"), expected)
    write_shards(tmp_path / "told", pictures, "json")
    check(prepared("webdataset", tmp_path / "told", tmp_path / "b", label="json:class"), expected)
    first = prepared("webdataset", tmp_path / "told/train-000000.tar", tmp_path / "c")  # no .cls: no classes
    assert first.labels is None and np.array_equal(first.samples, expected.samples[:6])


def test_webdataset_is_read_as_its_own_library_reads_it(
    pictures: list[tuple[bytes, int]], tmp_path: Path
) -> None:
    library = pytest.importorskip("webdataset", reason="not installed: webdataset")
    from gantry.data.sources.webdataset import WebDataset, bytes_at

    write_shards(tmp_path / "shards", pictures, "cls")
    files = [str(path) for path in sorted((tmp_path / "shards").iterdir())]
    theirs = [(sample["png"], int(sample["cls"])) for sample in library.WebDataset(files, shardshuffle=False)]
    spec = DatasetSpec(title="t", source="webdataset", path=str(tmp_path / "shards"))
    ours = WebDataset(spec, "set", tmp_path / "shards").items(np.arange(12))
    assert [(bytes_at(item.content), item.label) for item in ours] == theirs == pictures


def test_webdataset_mistakes_are_named(pictures: list[tuple[bytes, int]], tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(UserError, match=r"set: no .tar file here or below"):
        prepared("webdataset", tmp_path / "none", tmp_path / "out")
    (tmp_path / "none/train.tar").write_bytes(b"no tar")
    with pytest.raises(UserError, match="not an uncompressed tar file"):
        prepared("webdataset", tmp_path / "none", tmp_path / "out")
    write_shards(tmp_path / "shards", pictures, "json")
    with pytest.raises(UserError, match=r"options.label json:klass: no whole number"):
        prepared("webdataset", tmp_path / "shards", tmp_path / "out", label="json:klass")


def test_parquet(pictures: list[tuple[bytes, int]], expected: PreparedSet, tmp_path: Path) -> None:
    pa = pytest.importorskip("pyarrow", reason="not installed: pyarrow (uv sync --group data)")
    from pyarrow import parquet

    (tmp_path / "files").mkdir()
    for part in range(2):
        some = pictures[6 * part : 6 * part + 6]
        table = pa.table(
            {
                "image": [{"bytes": content, "path": None} for content, _ in some],
                "label": [label for _, label in some],
            }
        )
        told = {"info": {"features": {"label": {"names": WORDS, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(told)})
        parquet.write_table(table, tmp_path / f"files/train-{part}.parquet", row_group_size=4)
    parquet.write_table(table, tmp_path / "files/test-0.parquet")
    check(prepared("parquet", tmp_path / "files", tmp_path / "a"), expected, WORDS)
    plain = pa.table({"jpg": [c for c, _ in pictures], "animal": [WORDS[label] for _, label in pictures]})
    parquet.write_table(plain, tmp_path / "plain.parquet")
    found = prepared("parquet", tmp_path / "plain.parquet", tmp_path / "b", image="jpg", label="animal")
    check(found, expected, WORDS)
    assert prepared("parquet", tmp_path / "plain.parquet", tmp_path / "c").labels is None
    with pytest.raises(UserError, match=r'options.label: no column \'animl\'; did you mean "animal"'):
        prepared("parquet", tmp_path / "plain.parquet", tmp_path / "d", label="animl")
    (tmp_path / "bad.parquet").write_bytes(b"PAR1no")
    with pytest.raises(UserError, match="not a parquet file, or damaged"):
        prepared("parquet", tmp_path / "bad.parquet", tmp_path / "e")


def test_hugging_faces_data_sets_on_disk(
    pictures: list[tuple[bytes, int]], expected: PreparedSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hf = pytest.importorskip("datasets", reason="not installed: datasets (uv sync --group data)")
    features = hf.Features({"img": hf.Image(), "label": hf.ClassLabel(names=list(WORDS))})
    rows = {
        "img": [{"bytes": content, "path": None} for content, _ in pictures],
        "label": [label for _, label in pictures],
    }
    whole = hf.Dataset.from_dict(rows, features=features)
    whole.save_to_disk(str(tmp_path / "one"))
    check(prepared("huggingface", tmp_path / "one", tmp_path / "a"), expected, WORDS)
    hf.DatasetDict({"train": whole, "test": whole.select([0, 1])}).save_to_disk(str(tmp_path / "both"))
    check(prepared("huggingface", tmp_path / "both", tmp_path / "b"), expected, WORDS)
    assert len(prepared("huggingface", tmp_path / "both", tmp_path / "c", split="test")) == 2
    with pytest.raises(UserError, match=r"no split .val.; splits: train, test|did you mean"):
        prepared("huggingface", tmp_path / "both", tmp_path / "d", split="val")


@pytest.mark.parametrize(("source", "library"), [("parquet", "pyarrow"), ("huggingface", "datasets")])
def test_a_missing_library_is_named(
    source: str, library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UserError, match=r"uv sync --group data"):
        prepared(source, tmp_path, tmp_path / "out")
