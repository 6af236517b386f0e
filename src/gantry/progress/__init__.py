"""What people see while something runs: a bar for one piece of work, one line for a whole workflow."""

from gantry.progress.bar import ProgressBar
from gantry.progress.channel import tell

__all__ = ["ProgressBar", "tell"]
