"""Methods: which networks there are, in which phases they learn, what each phase minimises, how samples are drawn.

A new method is a file here and one of the same name in `gantry.plan.methods`, which holds its options.
"""

from gantry.methods.adversary import Adversary
from gantry.methods.base import METHODS, Method, Part, Phase, build_method, register
from gantry.methods.batch import Batch
from gantry.methods.sampler import Sampler
from gantry.methods.stage import Stage, stage_at

__all__ = [
    "METHODS",
    "Adversary",
    "Batch",
    "Method",
    "Part",
    "Phase",
    "Sampler",
    "Stage",
    "build_method",
    "register",
    "stage_at",
]
