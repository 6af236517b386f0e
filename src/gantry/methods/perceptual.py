"""Perceptual losses of translators: a network that stands still, and the file that its weights come from."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from gantry.arrays import DamagedArray, read_npz
from gantry.errors import UserError
from gantry.files import sha256_of_file
from gantry.metrics.features.network import folded
from gantry.metrics.weight_files import missing_of_losses
from gantry.networks.fixed import FixedNetwork
from gantry.plan.blocks import perceptual as blocks
from gantry.runs.outputs import verify_output
from gantry.terms import translation as losses

BATCH_NORM_EPSILON = 1e-5


class Perceptual(nn.Module):
    """Σᵢ wᵢ·E‖φᵢ(y) − φᵢ(G(x))‖ over depths of a fixed network. Johnson et al. 2016; Wang et al. 2018.

    Its state is the SHA-256 of the file of weights alone: a run does not go on with others.
    """

    digest: Tensor

    def __init__(self, options: blocks.Perceptual) -> None:
        super().__init__()
        self.options = options
        self.network = FixedNetwork(options.network, tuple(options.weighed))
        self.register_buffer("digest", torch.zeros(32, dtype=torch.uint8))

    def forward(self, there: Tensor, y: Tensor) -> Tensor:
        with torch.no_grad():
            of_y = self.network(y)
        weights = tuple(self.options.weighed.values())
        return losses.perceptual(self.network(there), of_y, weights, self.options.distance)

    def read(self, file: Path | None) -> None:
        """Take the weights of a file. UserError where there is none, or it is another network's."""
        name = self.options.network
        if file is None or not file.is_file():
            raise UserError(missing_of_losses(name, file))
        tensors = _read(file)
        try:
            self.network.fill(_folded(tensors) if name == "embedded" else tensors)
        except (ValueError, KeyError) as error:
            raise UserError(
                f"{file}: not the weights of {name}, as torchvision or the workflow names them ({error}); put the "
                f"right file there, or name it as weights.{name} in config.yaml"
            ) from error
        self.digest.copy_(torch.frombuffer(bytearray.fromhex(sha256_of_file(file)), dtype=torch.uint8))

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *others: Any) -> None:
        before = state.get(f"{prefix}digest")
        if before is not None and not torch.equal(before.to(self.digest.device), self.digest):
            raise UserError(
                f"method.perceptual: the run was begun with weights of {self.options.network} whose SHA-256 is "
                f"{bytes(before.tolist()).hex()}, and is given others ({bytes(self.digest.tolist()).hex()}): give it "
                "the first ones again, or delete the run's work folder to start afresh"
            )
        super()._load_from_state_dict(state, prefix, *others)


def _read(file: Path) -> dict[str, Tensor]:
    """Return the arrays of a safetensors or npz file; UserError for any other, or a damaged one."""
    if file.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        verify_output(file)
        try:
            return load_file(file)
        except (OSError, SafetensorError, ValueError) as error:
            raise UserError(f"{file}: weights cannot be read ({error}); fetch the file again") from error
    if file.suffix == ".npz":
        try:
            return {key: torch.from_numpy(array) for key, array in read_npz(file).items()}
        except (DamagedArray, OSError, TypeError) as error:
            raise UserError(f"{file}: weights cannot be read ({error}); fetch the file again") from error
    raise UserError(
        f"{file}: weights of a network that training reads are a .safetensors or .npz file, in which no program can "
        "hide: save the state dict with safetensors.torch.save_file"
    )


def _folded(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the embedded classifier's convolutions with its batch norm in them."""
    found = {}
    for place in range(3):
        norm, whats = f"body.{3 * place + 1}", ("weight", "bias", "running_mean", "running_var")
        gamma, beta, mean, variance = (tensors[f"{norm}.{what}"] for what in whats)
        weight = tensors[f"body.{3 * place}.weight"]
        made = folded(weight, gamma, beta, mean, variance, BATCH_NORM_EPSILON)
        found[f"body.{place}.weight"], found[f"body.{place}.bias"] = made
    return found
