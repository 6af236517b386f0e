"""Where the complete FID Inception's weights come from: a path, a cache, or one checked download."""

import hashlib
import io
import os
import urllib.error
import urllib.request
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from gantry.arrays import DamagedArray, read_npz
from gantry.errors import UserError
from gantry.files import sha256_of_file, writing
from gantry.paths import expanded

TIMEOUT = 30  # seconds without an answer
BLOCK = 1 << 20


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights; `folders` are the caches in which other programs keep it."""

    name: str
    url: str
    sha256: str
    folders: tuple[Path, ...]

    def cached(self) -> Path | None:
        """Its path in the first cache that has it, ours included."""
        places = [folder / self.name for folder in (*self.folders, own_cache())]
        return next((path for path in places if path.is_file()), None)


def own_cache() -> Path:
    """Where this project keeps what it downloads: $XDG_CACHE_HOME/gantry, by default ~/.cache/gantry."""
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "gantry"


def _torch_cache() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints"


def published_files() -> dict[str, WeightsFile]:
    """The two files that hold the whole network: clean-fid's TorchScript and pytorch-fid's state dict."""
    return {
        "torchscript": WeightsFile(
            "inception-2015-12-05.pt",
            "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
            "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
            # clean-fid's own cache: the working folder on Windows, /tmp elsewhere.
            (Path("." if os.name == "nt" else "/tmp"),),
        ),
        "state_dict": WeightsFile(
            "pt_inception-2015-12-05-6726825d.pth",
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            (_torch_cache(),),
        ),
    }


def find_inception(configured: Path | None, preference: Sequence[str], network: str) -> Path:
    """Return the path of the complete Inception's weights for feature network `network`.

    A configured path is taken as it is, if it exists. Else the caches are searched for the files of
    `preference` in this order, and the first is downloaded. A cached or downloaded file must have the
    published SHA-256. Raises UserError that says what to do.
    """
    if configured is not None:
        if not configured.is_file():
            raise UserError(
                f"{configured}: no weights for feature network {network!r} here; {_advice(preference)}"
            )
        return configured
    files = [published_files()[key] for key in preference]
    for file in files:
        path = file.cached()
        if path is not None:
            _check(path, file)
            return path
    return _download(files[0], network, preference)


def _download(file: WeightsFile, network: str, preference: Sequence[str]) -> Path:
    path = own_cache() / file.name
    try:
        with urllib.request.urlopen(file.url, timeout=TIMEOUT) as answer, writing(path) as stream:
            while block := answer.read(BLOCK):
                stream.write(block)
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        raise UserError(
            f"feature network {network!r}: {file.url} cannot be downloaded ({error}); {_advice(preference)}"
        ) from error
    _check(path, file)
    return path


def _check(path: Path, file: WeightsFile) -> None:
    digest = sha256_of_file(path)
    if digest != file.sha256:
        raise UserError(
            f"{path}: SHA-256 is {digest}, expected {file.sha256} of {file.name}: another file of this name, or one "
            "that is cut off; put the published one there, or name its path as the network's weights"
        )


def _advice(preference: Sequence[str]) -> str:
    files = published_files()
    names = " or ".join(files[key].name for key in preference)
    return (
        f"put {names} into {own_cache()} (or name its path as the network's weights), fetched on a machine "
        f"with internet access from {files[preference[0]].url}; "
        "efficientnet-lite0, inception-768 or embedded can stand in, but their numbers are not FID or IS"
    )


def read_weights(path: Path) -> dict[str, Tensor] | nn.Module:
    """Return the arrays of an .npz or of a PyTorch state dict; of the published TorchScript, the module.

    TorchScript is a program: it is loaded from bytes whose SHA-256 is the published one, and from no others.
    """
    if path.suffix == ".npz":
        try:
            return {key: torch.from_numpy(array) for key, array in read_npz(path).items()}
        except (DamagedArray, OSError, TypeError) as error:
            raise UserError(f"{path}: weights cannot be read ({error})") from error
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: weights cannot be read: {error.strerror or error}") from error
    published = published_files()["torchscript"]
    if (digest := hashlib.sha256(content).hexdigest()) == published.sha256:
        return torch.jit.load(io.BytesIO(content), map_location="cpu").eval()
    if _is_script(content):
        raise UserError(
            f"{path}: TorchScript, which is a program, with SHA-256 {digest}; only the published {published.name} "
            f"({published.sha256}) is run; give the network's state dict instead"
        )
    try:
        loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # every library error here means the same to the user
        said = str(error).partition("\n")[0]
        raise UserError(f"{path}: weights cannot be read ({type(error).__name__}: {said})") from error
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UserError(f"{path}: not a file of network weights")
    return loaded


def _is_script(content: bytes) -> bool:
    """Whether a file is an archive with code, which a state dict has not."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False


def read_arrays(path: Path) -> dict[str, Tensor]:
    """Return the arrays of an .npz or of a PyTorch state dict, no pickled objects read and no program run."""
    found = read_weights(path)
    if isinstance(found, nn.Module):
        raise UserError(
            f"{path}: the published TorchScript, where a file of arrays is needed: .npz or state dict"
        )
    return found
