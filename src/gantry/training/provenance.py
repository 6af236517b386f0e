"""Where a result comes from: commit, code, device, versions."""

import platform
from datetime import UTC, datetime
from typing import Any

import torch

import gantry
from gantry.system.processor import processor_name
from gantry.system.version import code_digest, commit

# Taken as this code is imported: a checkout may change while a run trains, and the run is still of the old code.
CODE = {"gantry": gantry.__version__, "commit": commit(), "code_digest": code_digest()}


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or the CPU's model and the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{processor_name()}, {threads} thread{'s' if threads > 1 else ''}"


def provenance(device: torch.device) -> dict[str, Any]:
    """Return what every record says of the code and the machine that made it."""
    return {
        **CODE,
        "device": device_name(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
