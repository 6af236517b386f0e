"""LSUN's databases: what is drawn, what is read, what is said of damage."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gantry.data.sources import lsun
from gantry.errors import UserError

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


@pytest.fixture(autouse=True)
def closed():
    """Databases are opened once a process; the tests change them."""
    lsun._environment.cache_clear()


def test_the_drawn_images_in_the_order_of_their_keys(prepared, root):
    got = prepared("lsun", resolution=32, fraction=0.25, **options())
    chosen = np.sort(np.random.default_rng(0).choice(40, 10, replace=False, shuffle=False))
    assert got.samples[:, 16, 16, 0].tolist() == pytest.approx((5 * chosen).tolist(), abs=1)
    assert got.manifest["source_count"] == 40


def test_only_the_drawn_values_are_read(prepared, root, monkeypatch):
    read = []
    plain = lsun.LmdbReader.__call__
    monkeypatch.setattr(
        lsun.LmdbReader, "__call__", lambda self, content: read.append(content) or plain(self, content)
    )
    prepared("lsun", resolution=32, fraction=0.1, **options())
    assert len(read) == 4 and set(read) <= set(KEYS)


def test_values_in_webp(prepared, tmp_path, values, formats):
    stream = io.BytesIO()
    Image.new("RGB", (341, 256), (9, 99, 199)).save(stream, "WEBP", lossless=True)
    formats.lsun_lmdb(tmp_path / "lsun/bedroom_train_lmdb", {KEYS[0]: stream.getvalue()})
    got = prepared("lsun", resolution=64, **options())
    assert (got.samples == (9, 99, 199)).all()


def test_the_folder_itself_and_the_zip_of_it(prepared, root, tmp_path):
    straight = prepared("lsun", resolution=32, path="lsun/bedroom_train_lmdb")
    lsun._environment.cache_clear()
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


def test_a_key_without_a_value():
    reader = lsun.LmdbReader(Path("nowhere"))

    class Empty:
        def begin(self):
            return self

        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def get(self, _):
            return None

    import unittest.mock

    with (
        unittest.mock.patch.object(lsun, "_environment", lambda _: Empty()),
        pytest.raises(lsun.BadImage, match="no value"),
    ):
        reader(b"key")
