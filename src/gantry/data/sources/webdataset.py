"""WebDataset shards: tar files in which the files of a sample stand together and share a name up to the first dot.

Listed by their headers alone; images are read by the workers, from their places in the tar files.
"""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from gantry.data.items import BadImage, Indices, Item, Option, Reader
from gantry.data.sources.base import ImageSource
from gantry.data.sources.folder import required
from gantry.errors import UserError
from gantry.plan.dataset import DatasetSpec

IMAGES = ("jpg", "jpeg", "png", "webp", "ppm", "bmp")


class Place(NamedTuple):
    """Where a file's bytes lie in a tar file."""

    shard: str
    offset: int
    size: int


class WebDataset(ImageSource):
    """One uncompressed .tar, or all in a folder, in the order of their names; of a folder those with `split` in them.

    Options: `split`; `label`, the ending of the file with a sample's class: `cls` (a number), or `json:key`; a data
    set whose first sample has no such file has no classes.
    """

    options: ClassVar[dict[str, Option]] = {"split": "train", "label": "cls"}

    def __init__(self, spec: DatasetSpec, name: str, path: Path | None) -> None:
        super().__init__(spec, name, path)
        place = required(path, name)
        self.where = f"{place}: data set {name}"
        shards = [place] if place.is_file() else sorted(place.rglob("*.tar"))
        split = str(self.chosen_options["split"])
        shards = [shard for shard in shards if split in shard.name] or shards
        if not shards:
            raise UserError(f"{self.where}: no .tar file here or below")
        ending, _, self.key = str(self.chosen_options["label"]).partition(":")
        self._samples = [sample for shard in shards for sample in self._listed(shard, ending)]
        if not self._samples:
            raise UserError(f"{self.where}: no images ({', '.join(IMAGES)}) in {len(shards)} tar files")
        self.is_labelled = self._samples[0][2] is not None

    def __len__(self) -> int:
        return len(self._samples)

    def items(self, chosen: Indices) -> Iterator[Item]:
        for row in chosen.tolist():
            name, image, label = self._samples[row]
            yield Item(name, image, self._label(name, label) if self.is_labelled else None)

    def reader(self) -> Reader:
        return bytes_at

    def _listed(self, shard: Path, ending: str) -> Iterator[tuple[str, Place, Place | None]]:
        """Yield (name, image, label) of the samples of a shard, in their order."""
        files: dict[str, dict[str, Place]] = {}
        try:
            with tarfile.open(shard, "r:") as archive:
                for member in archive:
                    if member.isfile():
                        folder, _, file = member.name.rpartition("/")
                        stem, _, suffix = file.partition(".")
                        found = files.setdefault(f"{folder}/{stem}" if folder else stem, {})
                        found[suffix.lower()] = Place(str(shard), member.offset_data, member.size)
        except (tarfile.TarError, OSError) as error:
            raise UserError(
                f"{self.where}: {shard.name}: not an uncompressed tar file, or damaged: {error}"
            ) from None
        for key, parts in files.items():
            image = next((parts[suffix] for suffix in IMAGES if suffix in parts), None)
            if image is not None:
                yield f"{shard.name}/{key}", image, parts.get(ending)

    def _label(self, name: str, place: Place | None) -> int:
        where = f"{self.where}: {name}: options.label {self.chosen_options['label']}"
        if place is None:
            raise UserError(f"{where}: this sample has no such file, and the first one has")
        text = bytes_at(place).decode("utf-8", errors="replace")
        try:
            value: Any = json.loads(text)[self.key] if self.key else text.strip()
            return int(value)
        except (ValueError, KeyError, TypeError):
            raise UserError(f"{where}: no whole number there") from None


def bytes_at(place: Place) -> bytes:
    """Return the bytes of a file in a tar file."""
    try:
        with Path(place.shard).open("rb") as stream:
            stream.seek(place.offset)
            found = stream.read(place.size)
    except OSError as error:
        raise BadImage(f"{place.shard}: {error.strerror or error}") from None
    if len(found) < place.size:
        raise BadImage(f"{place.shard}: ends within the image")
    return found
