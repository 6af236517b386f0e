"""The state of a run: one file, whole or absent, that resumes to the same bits."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from gantry.errors import UserError
from gantry.files import writing

_MAGIC = b"gantry-state-1\n"


@dataclass
class Progress:
    """Where a run stands, besides its weights; plain numbers only."""

    iteration: int = 0
    read_at: int = 0
    seconds: float = 0.0
    diverged_at: int | None = None
    checkpoints: list[dict[str, Any]] = field(default_factory=list)


def save_state(path: Path, spec_digest: str, content: dict[str, Any]) -> None:
    """Write `content` (tensors, numbers, strings and containers of them) to `path`, atomically.

    A digest of the bytes stands in front of them, so that damage is noticed on reading.
    """
    buffer = io.BytesIO()
    torch.save({"spec_digest": spec_digest} | content, buffer)
    payload = buffer.getbuffer()
    with writing(path) as stream:
        stream.write(_MAGIC + hashlib.sha256(payload).hexdigest().encode() + b"\n")
        stream.write(payload)


def load_state(path: Path, spec_digest: str, device: torch.device) -> dict[str, Any]:
    """Read a state. Raises UserError if it is damaged or belongs to another spec."""
    remedy = f"delete it and run the same command again: training restarts ({path})"
    header = len(_MAGIC) + 65
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: the state cannot be read ({error.strerror}); {remedy}") from error
    if not raw.startswith(_MAGIC) or len(raw) < header:
        raise UserError(f"{path}: not a state of a training run; {remedy}")
    written, payload = raw[len(_MAGIC) : header - 1], raw[header:]
    if hashlib.sha256(payload).hexdigest().encode() != written:
        raise UserError(f"{path}: the state is damaged (its digest does not match its bytes); {remedy}")
    content = torch.load(io.BytesIO(payload), map_location=device, weights_only=True)
    if content["spec_digest"] != spec_digest:
        raise UserError(
            f"{path}: the state belongs to another spec ({content['spec_digest']}, here {spec_digest}); {remedy}"
        )
    return content


def random_state(device: torch.device) -> dict[str, torch.Tensor]:
    """Return the state of the default random generators: the CPU's and the training device's."""
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state


def restore_random_state(state: dict[str, torch.Tensor], device: torch.device) -> None:
    """Put the default random generators where `random_state` found them."""
    torch.set_rng_state(state["cpu"].cpu())
    if device.type == "cuda":
        torch.cuda.set_rng_state(state["cuda"].cpu(), device)
