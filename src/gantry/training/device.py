"""The former place of `gantry.system.device` and `gpus`, kept for one version: scripts of users import it from here."""

from gantry.system.device import choose_device
from gantry.system.gpus import gpu_slot

__all__ = ["choose_device", "gpu_slot"]
