"""This machine's processor: what it is called, and whether it multiplies bfloat16."""

import platform
import re
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Instructions with which oneDNN multiplies bfloat16 faster than float32: of Intel's and AMD's chips, and of ARM's.
BF16 = {"avx512_bf16", "amx_bf16", "bf16"}


def processor_name() -> str:
    """Return the processor's model, or as much of it as the system tells."""
    return _told("model name") or platform.processor() or platform.machine()


def multiplies_bf16() -> bool | None:
    """Say whether bfloat16 is multiplied in hardware; None where the system does not tell."""
    told = _told("flags") or _told("Features")
    return bool(BF16 & set(told.split())) if told else None


def _told(key: str) -> str:
    """Return what Linux says of the first core."""
    try:
        found = re.search(rf"^{key}\s*: (.+)$", CPUINFO.read_text(), re.MULTILINE)
    except OSError:
        return ""
    return found.group(1).strip() if found else ""
