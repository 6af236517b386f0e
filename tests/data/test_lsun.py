"""LSUN's databases: what is drawn, what is read, what is said of damage."""

import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantry.data.btree import open_tree
from gantry.data.sources import lsun
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

KEYS = sorted(hashlib.sha1(str(i).encode()).hexdigest().encode() for i in range(40))


@pytest.fixture
def values(formats) -> dict[bytes, bytes]:
    """Forty images of one grey level each, by key; the level is the key's rank."""
    return {key: formats.jpeg(Image.new("RGB", (341, 256), (5 * i,) * 3)) for i, key in enumerate(KEYS)}


@pytest.fixture
def root(tmp_path, values, formats) -> Path:
    formats.lsun_lmdb(tmp_path / "lsun/bedroom_train_lmdb", values)
    return tmp_path / "lsun"


def options(**keys: str) -> dict:
    return {"path": "lsun", "options": {"category": "bedroom"} | keys}


def test_the_drawn_images_in_the_order_of_their_keys(prepared, root):
    got = prepared("lsun", resolution=32, fraction=0.25, **options())
    chosen = np.sort(np.random.default_rng(0).choice(40, 10, replace=False, shuffle=False))
    assert got.samples[:, 16, 16, 0].tolist() == pytest.approx((5 * chosen).tolist(), abs=1)
    assert got.manifest["source_count"] == 40


def test_only_the_drawn_values_are_read(root, monkeypatch):
    """Of the file, the tree's pages and the drawn values, to the byte."""
    read = []
    plain = os.pread
    monkeypatch.setattr(os, "pread", lambda *place: read.append(place[1:]) or plain(*place))
    spec = DatasetSpec.model_validate({"title": "t", "source": "lsun"} | options())
    source = lsun.Lsun(spec, "thing", root)
    items = list(source.items(np.array([3, 17])))
    in_tree = sum(size for size, _ in read)
    values = [source.reader()(item.content) for item in items]
    assert [item.name.encode() for item in items] == [KEYS[3], KEYS[17]]
    assert in_tree == 4096 and sum(size for size, _ in read) == in_tree + sum(map(len, values))


@pytest.mark.parametrize("sizes", [(1, 100), (1000, 3000), (5000, 30_000), (1, 9000)])
@pytest.mark.parametrize("count", [1, 7, 3000])
def test_the_tree_as_the_library_reads_it(tmp_path, formats, sizes, count):
    """Trees of one to three levels, values inside leaves and beside them."""
    random = np.random.default_rng(count)
    count = min(count, 30_000_000 // sizes[1])
    values = {
        random.bytes(int(random.integers(1, 100))): random.bytes(int(random.integers(*sizes)))
        for _ in range(count)
    }
    formats.lsun_lmdb(tmp_path / "db", values)
    ordered = sorted(values.items())
    tree = open_tree(tmp_path / "db/data.mdb")
    assert tree.entries == len(ordered)
    content = (tmp_path / "db/data.mdb").read_bytes()
    for wanted in (
        range(len(ordered)),
        sorted(random.choice(len(ordered), len(ordered) // 3, replace=False)),
    ):
        found = [(v.key, content[v.offset : v.offset + v.size]) for v in tree.values(iter(wanted))]
        assert found == [ordered[i] for i in wanted]


def test_a_database_written_in_many_transactions(tmp_path, formats):
    import lmdb

    formats.lsun_lmdb(tmp_path / "db", {b"%05d" % i: bytes(50) for i in range(300)})
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 30, sync=False) as environment:
        for i in range(0, 300, 3):
            with environment.begin(write=True) as transaction:
                transaction.delete(b"%05d" % i)
                transaction.put(b"%05d!" % i, b"new %d" % i)
        with environment.begin() as transaction:
            expected = [(bytes(key), bytes(value)) for key, value in transaction.cursor()]
    content = (tmp_path / "db/data.mdb").read_bytes()
    values = open_tree(tmp_path / "db/data.mdb").values(iter(range(300)))
    assert [(v.key, content[v.offset : v.offset + v.size]) for v in values] == expected


def test_overwritten_pages_are_noticed(prepared, tmp_path, formats):
    formats.lsun_lmdb(tmp_path / "lsun/bedroom_train_lmdb", {b"%05d" % i: bytes(900) for i in range(60)})
    file = tmp_path / "lsun/bedroom_train_lmdb/data.mdb"
    content = file.read_bytes()
    for page in range(2, len(content) // 4096):
        flags = int.from_bytes(content[4096 * page + 10 : 4096 * page + 12], "little")
        if flags not in (1, 2):
            continue
        file.write_bytes(content[: 4096 * page] + os.urandom(4096) + content[4096 * (page + 1) :])
        with pytest.raises(UserError, match=r"(?s)damaged|none of its"):
            prepared("lsun", resolution=32, **options())


def test_values_in_webp(prepared, tmp_path, values, formats):
    stream = io.BytesIO()
    Image.new("RGB", (341, 256), (9, 99, 199)).save(stream, "WEBP", lossless=True)
    formats.lsun_lmdb(tmp_path / "lsun/bedroom_train_lmdb", {KEYS[0]: stream.getvalue()})
    got = prepared("lsun", resolution=64, **options())
    assert (got.samples == (9, 99, 199)).all()


def test_the_folder_itself_and_the_zip_of_it(prepared, root, tmp_path):
    straight = prepared("lsun", resolution=32, path="lsun/bedroom_train_lmdb")
    (tmp_path / "zipped").mkdir()
    with zipfile.ZipFile(tmp_path / "zipped/bedroom_train_lmdb.zip", "w") as archive:
        archive.write(root / "bedroom_train_lmdb/data.mdb", "../../bedroom_train_lmdb/data.mdb")
        archive.write(root / "bedroom_train_lmdb/data.mdb", "../escaped")
    keys = options() | {"path": "zipped"}
    got = prepared("lsun", resolution=32, out="zipped_out", **keys)
    assert got.digest == straight.digest
    assert sorted(p.name for p in (tmp_path / "zipped/bedroom_train_lmdb").iterdir()) == ["data.mdb"]
    assert not (tmp_path / "escaped").exists()


def test_a_zip_that_is_cut_off_leaves_nothing_behind(prepared, root, tmp_path):
    archive = root / "bedroom_train_lmdb.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.write(root / "bedroom_train_lmdb/data.mdb", "bedroom_train_lmdb/data.mdb")
    (root / "bedroom_train_lmdb/data.mdb").unlink()
    content = bytearray(archive.read_bytes())
    content[len(content) // 2] ^= 255
    archive.write_bytes(content)
    with pytest.raises(UserError, match=r"bedroom_train_lmdb\.zip: .*damaged or cut off"):
        prepared("lsun", resolution=32, **options())
    assert not (root / "bedroom_train_lmdb/data.mdb").exists()


def test_a_database_that_is_cut_off(prepared, root):
    file = root / "bedroom_train_lmdb/data.mdb"
    file.write_bytes(file.read_bytes()[:-8192])
    with pytest.raises(UserError, match=r"data\.mdb: .*cut off: [\d,]+ bytes of at least"):
        prepared("lsun", resolution=32, **options())


def test_something_else_in_place_of_a_database(prepared, root):
    (root / "bedroom_train_lmdb/data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(UserError, match="not a readable LMDB"):
        prepared("lsun", resolution=32, **options())


def test_values_that_are_no_images(prepared, tmp_path, values, formats):
    values[KEYS[3]] = b"no image"
    values[KEYS[7]] = values[KEYS[7]][:200]
    formats.lsun_lmdb(tmp_path / "lsun/bedroom_train_lmdb", values)
    with pytest.raises(UserError, match="2 of its 40") as caught:
        prepared("lsun", resolution=32, **options())
    assert all(KEYS[i].decode() in str(caught.value) for i in (3, 7))


def test_an_empty_database_and_none_at_all(prepared, tmp_path, formats):
    formats.lsun_lmdb(tmp_path / "lsun/bedroom_train_lmdb", {})
    with pytest.raises(UserError, match="the database is empty"):
        prepared("lsun", resolution=32, **options())
    with pytest.raises(UserError, match=r"neither bridge_train_lmdb/data.mdb nor bridge_train_lmdb.zip"):
        prepared("lsun", resolution=32, **options(category="bridge"))
