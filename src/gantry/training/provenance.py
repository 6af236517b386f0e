"""Where a result comes from: commit, code, device, versions."""

import hashlib
import platform
import subprocess
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import torch

import gantry


@cache
def code_digest() -> str:
    """Return 16 hexadecimal digits over the source files of this package."""
    root = Path(gantry.__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


@cache
def commit() -> str | None:
    """Return the git commit of the source tree, with '+' if files differ from it; None outside git."""

    def git(*arguments: str) -> str:
        root = Path(gantry.__file__).parent
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def device_name(device: torch.device) -> str:
    """Return the GPU's name, or the CPU's model and the number of threads."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        model = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        pass
    threads = torch.get_num_threads()
    return f"{model}, {threads} thread{'s' if threads > 1 else ''}"


def provenance(device: torch.device) -> dict[str, Any]:
    """Return what every seal says of the code and the machine that made it."""
    return {
        "gantry": gantry.__version__,
        "commit": commit(),
        "code_digest": code_digest(),
        "device": device_name(device),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "finished_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
