"""Any folder of images, however deep, or a zip: classes in folders, parts in folders, pairs in folders."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from gantry.data.items import Indices, Item, Option, Reader
from gantry.data.listing import list_images
from gantry.data.sources.base import ImageSource
from gantry.errors import UserError, suggestion
from gantry.plan.dataset import DatasetSpec

File = tuple[str, Any]
TEST_PARTS = ("test", "val", "valid", "validation")


class Folder(ImageSource):
    """All images in a folder and below it, or in a zip, in the order of their names.

    Where all of them lie in two or more folders, these are the classes, in the order of their names. Option:
    `split`, the folder of one part (train, test, …), or the beginning of several folders' names, each of which is
    then a domain (train: trainA, trainB).
    """

    options: ClassVar[dict[str, Option]] = {"split": "all"}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        place = required(path, name)
        self._listing = list_images(place, f"{place}: data set {name}")
        files = self._listing.files
        split = str(self.chosen_options["split"])
        if split != "all":
            files = _of_split(files, split, f"{place}: data set {name}: options.split")
        self._inputs: dict[str, Any] = {}
        if spec.inputs is not None and spec.inputs.folders is not None:
            files, self._inputs = _in_pairs(
                files, spec.inputs.folders, f"{place}: data set {name}: inputs.folders"
            )
        self._files = files
        first = [PurePosixPath(file).parts[0] if "/" in file else "" for file, _ in files]
        classes = sorted(set(first))
        is_labelled = len(classes) > 1 and "" not in classes and not self._inputs
        self._classes = tuple(classes) if is_labelled else ()
        numbers = {label: number for number, label in enumerate(self._classes)}
        self._labels = [numbers[label] for label in first] if is_labelled else None

    def __len__(self) -> int:
        return len(self._files)

    @property
    def label_names(self) -> tuple[str, ...]:
        return self._classes

    @property
    def left_out(self) -> Mapping[str, int]:
        return self._listing.left_out

    def official_held_out(self) -> dict[str, Option]:
        split = self.chosen_options["split"]
        own = _without_common_folder(self._listing.files, str(split))
        there = {PurePosixPath(file).parts[0] for file, _ in own}
        found = next((part for part in TEST_PARTS if any(name.startswith(part) for name in there)), None)
        if split == "all" or found is None or split in TEST_PARTS:
            raise UserError(
                f"{self.path}: data set {self.name}: held_out: official needs options.split: train, and folders "
                f"train… and test… (or val…) in it; there are {', '.join(sorted(there)[:5])}"
            )
        return {"split": found}

    def items(self, chosen: Indices) -> Iterator[Item]:
        for i in chosen.tolist():
            file, content = self._files[i]
            label = None if self._labels is None else self._labels[i]
            yield Item(file, content, label, self._inputs.get(file))

    def reader(self) -> Reader:
        return self._listing.reader


def _of_split(files: list[File], split: str, where: str) -> list[File]:
    """The files inside the folder `split`, named from there on; or those in folders whose names begin so."""
    files = _without_common_folder(files, split)
    inside = [
        (file.removeprefix(f"{split}/"), content) for file, content in files if file.startswith(f"{split}/")
    ]
    inside = inside or [
        (file.removeprefix(split), content)
        for file, content in files
        if "/" in file and file.startswith(split)
    ]
    if not inside:
        there = sorted({PurePosixPath(file).parts[0] for file, _ in files if "/" in file})
        said = ", ".join(there[:8]) or "none"
        raise UserError(
            f"{where}: no folder {split} or {split}…{suggestion(split, there)}; folders there: {said}"
        )
    return inside


def _without_common_folder(files: list[File], split: str) -> list[File]:
    """The files named from below the one folder that holds them all, as archives have it, unless that is the part."""
    tops = {file.partition("/")[0] for file, _ in files if "/" in file}
    if len(tops) != 1 or any("/" not in file for file, _ in files) or next(iter(tops)).startswith(split):
        return files
    return [(file.partition("/")[2], content) for file, content in files]


def _in_pairs(files: list[File], folders: tuple[str, ...], where: str) -> tuple[list[File], dict[str, Any]]:
    """The images in the second of two folders, and image → input of the same name (but for the suffix) in the first."""
    of: list[dict[str, File]] = []
    for folder in folders:
        found = [entry for entry in files if entry[0].startswith(f"{folder}/")]
        named = {
            str(PurePosixPath(file).relative_to(folder).with_suffix("")): (file, at) for file, at in found
        }
        if not found:
            there = sorted({PurePosixPath(file).parts[0] for file, _ in files if "/" in file})
            said = ", ".join(there[:8]) or "none"
            raise UserError(
                f"{where}: no image in {folder}{suggestion(folder, there)}; folders there: {said}"
            )
        if len(named) < len(found):
            raise UserError(f"{where}: {folder} holds images that differ in their suffixes alone")
        of.append(named)
    inputs, images = of
    alone = sorted({*inputs} ^ {*images})
    if alone:
        raise UserError(
            f"{where}: {len(inputs):,} inputs and {len(images):,} images; without a partner: {', '.join(alone[:5])}"
        )
    chosen = [images[key] for key in sorted(images)]
    return chosen, {images[key][0]: inputs[key][1] for key in images}


def required(path: Path | None, name: str) -> Path:
    """`path`, or UserError where the specification gives none."""
    if path is None:
        raise UserError(f"data set {name}: `path` is missing: say where its files lie")
    return path
