"""Builds small archives in the formats in which the data sets are distributed."""

import io
import tarfile
import zipfile
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image


def jpeg(image: Image.Image, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=95, **options)
    return stream.getvalue()


def celeba_zip(path: Path, images: list[Image.Image], folder: str = "img_align_celeba/") -> list[bytes]:
    """img_align_celeba.zip: numbered JPEGs in one folder, some stored and some deflated."""
    files = [jpeg(image) for image in images]
    with zipfile.ZipFile(path, "w") as archive:
        archive.mkdir(folder)
        for i, file in enumerate(files):
            method = zipfile.ZIP_DEFLATED if i % 2 else zipfile.ZIP_STORED
            archive.writestr(f"{folder}{i + 1:06}.jpg", file, method)
    return files


def lsun_lmdb(folder: Path, values: dict[bytes, bytes]) -> None:
    """A folder with data.mdb and lock.mdb; LSUN's keys are 40 hexadecimal digits, its values image files."""
    folder.mkdir(parents=True)
    environment = lmdb.open(str(folder), map_size=1 << 30)
    with environment.begin(write=True) as transaction:
        for key, value in values.items():
            transaction.put(key, value)
    environment.close()


def cifar_batch(images: np.ndarray, labels: list[int]) -> bytes:
    """A batch of the python release, opcode for opcode as Python 2's cPickle wrote it: strings are bytes."""

    def short(text: bytes) -> bytes:
        return b"U" + bytes([len(text)]) + text

    def number(value: int) -> bytes:
        return b"J" + value.to_bytes(4, "little", signed=True)

    raw = images.transpose(0, 3, 1, 2).tobytes()
    dtype = b"cnumpy\ndtype\n" + short(b"u1") + b"K\x00K\x01\x87R"
    dtype += b"(K\x03" + short(b"|") + b"NNN" + number(-1) + number(-1) + b"K\x00tb"
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + short(b"b") + b"\x87R"
    array += b"(K\x01" + number(len(images)) + number(3072) + b"\x86" + dtype + b"\x89"
    array += b"T" + len(raw).to_bytes(4, "little") + raw + b"tb"
    listed = b"](" + b"".join(number(label) for label in labels) + b"e"
    pairs = short(b"batch_label") + short(b"a batch") + short(b"labels") + listed + short(b"data") + array
    return b"\x80\x02}(" + pairs + b"u."


def cifar_binary(images: np.ndarray, labels: list[int]) -> bytes:
    """A batch of the binary release."""
    rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
    return np.concatenate([np.array(labels, np.uint8)[:, None], rows], axis=1).tobytes()


def tar_gz(path: Path, members: list[tuple[str, bytes]], level: int = 1) -> None:
    with tarfile.open(path, "w:gz", compresslevel=level) as archive:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def stl_binary(images: np.ndarray) -> bytes:
    """Images (N, 96, 96, 3) as STL-10 stores them: planes, each column by column."""
    return images.transpose(0, 3, 2, 1).tobytes()
