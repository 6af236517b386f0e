"""Downloads what may be downloaded, and says of the rest how to get it."""

import hashlib
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import IO

from gantry.data.rows import GOES_ON
from gantry.errors import UserError
from gantry.paths import expanded
from gantry.plan.dataset import DatasetSpec
from gantry.progress import ProgressBar
from gantry.system.disk import require_space, writes_to

BLOCK = 1 << 20
TIMEOUT_SECONDS = 30


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
    download = DOWNLOADS[spec.source]
    target = folder / download.file
    with writes_to(folder, GOES_ON):
        folder.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    try:
        _download(download.url, partial, name)
    except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError) as error:
        got = partial.stat().st_size if partial.exists() else 0
        raise UserError(
            f"{download.url}: data set {name}: {getattr(error, 'reason', error)}; {got / 1e6:,.0f} MB are here: "
            f"run the same command again to go on\n{spec.acquisition}".rstrip()
        ) from error
    with partial.open("rb") as stream:
        found = hashlib.file_digest(stream, "md5").hexdigest()
    if found != download.md5:
        partial.unlink()
        raise UserError(
            f"{download.url}: data set {name}: the checksum of what came is {found}, not {download.md5}: "
            "it was damaged on the way or changed there; it is deleted, run the same command again"
        )
    partial.replace(target)
    return target


def _download(url: str, partial: Path, name: str) -> None:
    """Append to `partial` what of `url` is not in it yet."""
    had = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={had}-", "User-Agent": "gantry"})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and had:  # nothing lies beyond what we have
            return
        raise
    with response:
        resumes = response.status == 206
        had = had if resumes else 0
        left = int(response.headers.get("Content-Length") or 0)
        require_space(partial.parent, left, f"downloading {partial.name.strip('.')}")
        line = ProgressBar(f"fetching {name}", had + left, "bytes", had)
        with writes_to(partial, GOES_ON), partial.open("ab" if resumes else "wb") as stream:
            while block := _received(response):
                stream.write(block)
                line.advance(len(block))
        line.close()
        if left and line.done < line.total:
            raise ConnectionError(f"the connection ended after {line.done:,} of {line.total:,} bytes")


def _received(response: IO[bytes]) -> bytes:
    """The next block; what the network says must not be taken for what the disk says."""
    try:
        return response.read(BLOCK)
    except OSError as error:
        raise HTTPException(str(error)) from error
