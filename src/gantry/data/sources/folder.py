"""Any folder of images, however deep."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gantry.data.archives import ZipReader, list_zip
from gantry.data.sources.base import BadImage, ImageSource, Indices, Item, Reader
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

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


def open_files(place: Path, named: str) -> tuple[list[tuple[str, Any]], Reader]:
    """The images in a folder or a zip, each with its content for the reader, sorted by name; and the reader."""
    if place.suffix.lower() == ".zip" and place.is_file():
        members = [entry for entry in list_zip(place, named) if entry[0].lower().endswith(SUFFIXES)]
        # macOS adds a hidden twin "._name" to each file that it packs.
        members = [entry for entry in members if not entry[0].rpartition("/")[2].startswith(".")]
        if not members:
            raise UserError(f"{place}: data set {named}: no image in this archive ({', '.join(SUFFIXES)})")
        return sorted(members), ZipReader(place)
    return [(file[0], file) for file in list_images(place, named)], FileReader(place)


class Folder(ImageSource):
    """All images in a folder and below it, or in a zip, in the order of their names."""

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        self._files, self._reader = open_files(required(path, name), name)

    def __len__(self) -> int:
        return len(self._files)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            yield Item(*self._files[i])

    def reader(self) -> Reader:
        return self._reader


def required(path: Path | None, name: str) -> Path:
    """`path`, or UserError where the specification gives none."""
    if path is None:
        raise UserError(f"data set {name}: `path` is missing: say where its files lie")
    return path
