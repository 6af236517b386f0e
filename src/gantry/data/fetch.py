"""Downloads what may be downloaded, and says of the rest how to get it."""

from dataclasses import dataclass
from pathlib import Path

from gantry.errors import UserError
from gantry.paths import expanded
from gantry.plan.dataset import DatasetSpec
from gantry.system.download import download


@dataclass(frozen=True)
class Download:
    """One file of a distribution: where it is, and the MD5 that its distributor or torchvision states."""

    url: str
    file: str
    md5: str


DOWNLOADS: dict[str, Download] = {
    "cifar10": Download(
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
        "cifar-10-python.tar.gz",
        "c58f30108f718f92721af3b95e74349a",
    ),
    "svhn": Download(
        "http://ufldl.stanford.edu/housenumbers/train_32x32.mat",
        "train_32x32.mat",
        "e26dedcc434d2e4c54c9b2d4a06d8373",
    ),
    "stl10": Download(
        "http://ai.stanford.edu/~acoates/stl10/stl10_binary.tar.gz",
        "stl10_binary.tar.gz",
        "91f7769df0f17e558f3565bffb0c7dfb",
    ),
}


def fetch(spec: DatasetSpec, name: str, data_root: Path) -> Path:
    """Download the data set to where `prepare` looks for it; return the file, or what was there already.

    An interrupted download goes on where it stopped. UserError where the data set cannot be downloaded
    (with how to get it by hand), where the host does not answer, or where the checksum is wrong.
    """
    folder = expanded(data_root) / (spec.path or name)
    for wanted in spec.looks_for:
        if (folder / wanted).exists():
            return folder / wanted
    if spec.source not in DOWNLOADS:
        how = spec.acquisition.rstrip() or "Its specification does not say how to get it."
        raise UserError(
            f"data set {name} ({spec.title}) cannot be downloaded by a program\n{how}\n  → {folder}"
        )
    found = DOWNLOADS[spec.source]
    return download(found.url, folder / found.file, found.md5, "md5", f"data set {name}", spec.acquisition)
