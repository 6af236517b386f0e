"""The verbs of the command line, a file for each group.

Each verb imports what it needs when it is called, so that plan and report start without PyTorch.
"""

from gantry.verbs import ask, by_hand, compute, encode, export, init, new, report, sample, status, translate

GROUPS = (new, ask, by_hand, compute, report, sample, status, translate, encode, init, export)

__all__ = ["GROUPS"]
