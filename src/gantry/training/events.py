"""Live curves for those who watch: TensorBoard's event files beside a run's history, if they are asked for."""

from collections.abc import Mapping
from pathlib import Path

from gantry.errors import UserError


class Events:
    """The event files of one run, in `folder`; what lies after iteration `resumed_at` is dropped by TensorBoard.

    Raises UserError if TensorBoard is not installed.
    """

    def __init__(self, folder: Path, resumed_at: int) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                f"config: tensorboard: event files need the package tensorboard ({error}); "
                "install it (uv sync --group watch) or set tensorboard: false"
            ) from None
        self.writer = SummaryWriter(str(folder), purge_step=resumed_at + 1)

    def add(self, iteration: int, losses: Mapping[str, float], rate: float) -> None:
        """Note one interval that ended at `iteration`: mean losses, and `rate` in iterations per second."""
        for name, value in losses.items():
            self.writer.add_scalar(f"loss/{name}", value, iteration)
        self.writer.add_scalar("iterations per second", rate, iteration)
        self.writer.flush()
