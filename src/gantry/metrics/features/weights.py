"""Weights of feature networks, read from their files: no pickled object, and no program but one."""

import hashlib
import io
import zipfile
from pathlib import Path

import torch
from torch import Tensor, nn

from gantry.arrays import DamagedArray, read_npz
from gantry.errors import UserError
from gantry.metrics import weight_files


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
    published = weight_files.published_files()["torchscript"]
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
