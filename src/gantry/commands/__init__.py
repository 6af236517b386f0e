"""The commands of the command line, a file for each group.

Each command imports what it needs when it is called, so that plan and report start without PyTorch.
"""

from gantry.commands import compute, encode, export, init, new, plan, report, sample, score, status, translate

GROUPS = (new, plan, score, compute, report, sample, status, translate, encode, init, export)

__all__ = ["GROUPS"]
