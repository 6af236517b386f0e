"""Any folder of images, however deep."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gantry.data.sources.base import BadImage, ImageSource, Indices, Item, Reader
from gantry.errors import UserError
from gantry.plan.recipe import DatasetSpec

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".ppm", ".tif", ".tiff")


@dataclass(frozen=True)
class FileReader:
    """Reads a file below `folder`."""

    folder: Path

    def __call__(self, content: tuple[str, int]) -> bytes:
        try:
            return (self.folder / content[0]).read_bytes()
        except OSError as error:
            raise BadImage(error.strerror or str(error)) from error


def list_images(folder: Path, named: str) -> list[tuple[str, int]]:
    """The images below `folder`: relative names with sizes in bytes, sorted by name.

    Hidden files and folders are left out; links to folders are not followed, so a loop cannot hang us.
    """
    found: list[tuple[str, int]] = []
    pending = [""]
    try:
        while pending:
            inside = pending.pop()
            with os.scandir(folder / inside) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    relative = f"{inside}/{entry.name}" if inside else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(relative)
                    elif entry.name.lower().endswith(SUFFIXES):
                        found.append((relative, entry.stat().st_size))
    except NotADirectoryError:
        raise UserError(f"{folder}: data set {named}: a file where a folder of images was expected") from None
    except OSError as error:
        raise UserError(
            f"{error.filename or folder}: data set {named}: cannot be read: {error.strerror or error}"
        ) from error
    if not found:
        raise UserError(
            f"{folder}: data set {named}: no image in this folder or below it ({', '.join(SUFFIXES)}); "
            "correct `path` or put the images there"
        )
    return sorted(found)


class Folder(ImageSource):
    """All images in a folder and below it, in the order of their names."""

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._folder = required(path, name)
        self._files = list_images(self._folder, name)

    def __len__(self) -> int:
        return len(self._files)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in np.asarray(chosen).tolist():
            yield Item(self._files[i][0], self._files[i])

    def reader(self) -> Reader:
        return FileReader(self._folder)


def required(path: Path | None, name: str) -> Path:
    """`path`, or UserError where the specification gives none."""
    if path is None:
        raise UserError(f"data set {name}: `path` is missing: say where its files lie")
    return path
