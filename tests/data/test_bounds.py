"""Small files that claim to be large, and graphs that lead in circles, cost neither memory nor time."""

import io
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from gantry.arrays import DamagedArray, read_npz
from gantry.data.archives import LARGEST_IMAGE, ZipReader, list_zip, read_tar
from gantry.data.btree import DamagedDatabase, open_tree
from gantry.data.items import BadImage
from gantry.data.order import Cursor, Order
from gantry.errors import UserError


def bomb(path, claimed):
    """A zip whose one member unpacks to 64 MB of zeros and claims another length."""
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = b"".join(body.compress(bytes(1 << 20)) for _ in range(64)) + body.flush()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.png", b"x")
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    head = content[: 30 + 5]
    directory = content[at:]
    struct.pack_into("<H", head, 8, 8)
    struct.pack_into("<H", directory, 10, 8)
    struct.pack_into("<II", directory, 20, len(packed), claimed)
    end = directory.index(b"PK\x05\x06")
    struct.pack_into("<I", directory, end + 16, len(head) + len(packed))
    path.write_bytes(bytes(head) + packed + bytes(directory))


@pytest.mark.parametrize(
    ("claimed", "said"), [(1000, "another length"), (LARGEST_IMAGE + 1, "more than the")]
)
def test_a_member_that_unpacks_to_more_than_it_says(tmp_path, claimed, said):
    path = tmp_path / "bomb.zip"
    bomb(path, claimed)
    ((_, member),) = list_zip(path, "here")
    assert member.size == claimed and path.stat().st_size < 100_000
    with pytest.raises(BadImage, match=said):
        ZipReader(path)(member)


def test_a_tar_whose_header_claims_gigabytes(tmp_path):
    path = tmp_path / "cifar.tar"
    entry = tarfile.TarInfo("long")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 6 << 30
    path.write_bytes(entry.tobuf(tarfile.GNU_FORMAT) + bytes(4096))
    with pytest.raises(UserError, match=r"cifar\.tar: .*a header that is 6,442,450,944 bytes long"):
        read_tar(path, ("test_batch",), 1000, "mine")


def test_a_tar_whose_headers_are_nested(tmp_path):
    path = tmp_path / "cifar.tar"
    entry = tarfile.TarInfo("long")
    entry.type, entry.size = tarfile.GNUTYPE_LONGNAME, 4
    path.write_bytes((entry.tobuf(tarfile.GNU_FORMAT) + b"abc\0".ljust(512, b"\0")) * 3000 + bytes(1024))
    with pytest.raises(UserError, match=r"cifar\.tar: data set mine: damaged"):
        read_tar(path, ("test_batch",), 1000, "mine")


def test_an_npz_that_claims_more_than_it_holds(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 64, 64, 3)}
    )
    path = tmp_path / "samples.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("arr_0.npy", header.getvalue() + b"x")
    with pytest.raises(DamagedArray, match=r"says \(1048576, 64, 64, 3\)"):
        read_npz(path)


def page(number, flags, nodes):
    """A page of an LMDB file whose nodes name other pages."""
    lower = 16 + 2 * len(nodes)
    body = bytearray(4096)
    struct.pack_into("<QHHHH", body, 0, number, 0, flags, lower, 4096)
    for i, child in enumerate(nodes):
        place = 4096 - 8 * (i + 1)
        struct.pack_into("<H", body, 16 + 2 * i, place)
        struct.pack_into("<HHHH", body, place, child & 0xFFFF, child >> 16, 0, 0)
    return bytes(body)


def database(path, *pages):
    meta = bytearray(4096)
    struct.pack_into("<QHHHH", meta, 0, 0, 0, 8, 0, 0)
    struct.pack_into("<IIQQ", meta, 16, 0xBEEFC0DE, 1, 0, 1 << 20)
    struct.pack_into("<IHHQQQQQ", meta, 40, 4096, 0, 0, 0, 0, 0, 0, 0)
    struct.pack_into("<IHHQQQQQ", meta, 88, 0, 0, 1, 1, 1, 0, 100, 2)
    struct.pack_into("<QQ", meta, 136, 1 + len(pages), 7)
    path.write_bytes(bytes(meta) * 2 + b"".join(pages))


@pytest.mark.parametrize(
    "pages",
    [
        [page(2, 1, [2] * 100)],
        [page(2, 1, [3] * 100), page(3, 1, [4] * 100), page(4, 1, [5] * 100), page(5, 2, [])],
    ],
)
def test_pages_that_name_each_other(tmp_path, pages):
    path = tmp_path / "data.mdb"
    database(path, *pages)
    with pytest.raises(DamagedDatabase, match="names it twice"):
        list(open_tree(path).values(iter(range(100))))


def test_a_set_smaller_than_its_batch():
    """Epochs without end in one batch: no recursion, and the same rows as batch by batch."""
    order = Order(3, 0, torch.device("cpu"), flip=True)
    rows, mirrored = order.take(5000)
    assert len(rows) == 5000 and mirrored is not None and len(mirrored) == 5000
    single = Order(3, 0, torch.device("cpu"), flip=True)
    assert torch.equal(torch.cat([single.take(1)[0] for _ in range(5000)]), rows)
    assert order.cursor == single.cursor == Cursor(1666, 2)


def test_a_picture_in_a_bomb_is_named(prepared, tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "x.png")
    bomb(tmp_path / "images.zip", 1000)
    with pytest.raises(
        UserError, match=r"images\.zip: data set thing: none of its 1 images.*\n.*a\.png: unpacks"
    ):
        prepared("folder", path="images.zip", resolution=16)
