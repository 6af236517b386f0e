"""NumPy files, read without trusting them: nothing is executed, and no header makes us take memory."""

import os
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

# Deflate makes nothing more than so many times smaller.
STRONGEST_DEFLATE = 1040


class DamagedArray(Exception):
    """The file is no NumPy file, or its header and its content contradict each other."""


def map_npy(path: Path) -> np.memmap:
    """Map a .npy file, read-only; FileNotFoundError, or DamagedArray with the reason."""
    try:
        # Reads the .npy format alone, where numpy.load would also open archives and pickles.
        return np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError:
        raise
    except Exception as error:  # NumPy's parser raises whatever a header makes it trip over
        raise DamagedArray(str(error) or type(error).__name__) from error


def read_npz(path: Path) -> Mapping[str, NDArray]:
    """The arrays of an .npz by name; DamagedArray with the reason.

    What an array claims to hold is compared with the archive's directory before it is read.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            for entry in archive.infolist():
                _refuse_bomb(archive, entry)
        with np.load(path, allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}
    except DamagedArray:
        raise
    except Exception as error:  # as above, and the archive's own
        raise DamagedArray(str(error) or type(error).__name__) from error


def _refuse_bomb(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> None:
    """DamagedArray if a member cannot be as large as it says, or is larger than the memory."""
    if entry.file_size > (entry.compress_size + 1) * STRONGEST_DEFLATE:
        raise DamagedArray(
            f"{entry.filename} says {entry.file_size:,} bytes, packed in {entry.compress_size:,}"
        )
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if entry.file_size > memory:
        raise DamagedArray(
            f"{entry.filename} has {entry.file_size:,} bytes, more than the memory of this machine"
        )
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, _, dtype = read(stream)
    if dtype.hasobject:
        raise DamagedArray(f"{entry.filename} holds Python objects, which are not read")
    if int(np.prod(shape, dtype=object)) * dtype.itemsize > entry.file_size:
        raise DamagedArray(f"{entry.filename} says {shape} of {dtype}, in {entry.file_size:,} bytes")


def is_images(array: NDArray) -> bool:
    """Whether an array is uint8 images: (N, H, W, 3), (N, H, W, 1) or (N, H, W), none of them 0."""
    shape = array.shape
    fits = len(shape) == 3 or (len(shape) == 4 and shape[3] in (1, 3))
    return array.dtype == np.uint8 and fits and 0 not in shape


def images_among(arrays: Mapping[str, NDArray]) -> NDArray[np.uint8] | None:
    """The one array of images of an .npz, whatever its name (arr_0 by samplers); None if none or several are."""
    found = [array for array in arrays.values() if is_images(array)]
    return found[0] if len(found) == 1 else None


def described(arrays: Mapping[str, NDArray]) -> str:
    """What an .npz holds, for messages: 'arr_0 (20, 32, 32, 3) uint8'."""
    return ", ".join(f"{name} {array.shape} {array.dtype}" for name, array in arrays.items()) or "nothing"
