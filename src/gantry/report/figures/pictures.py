"""What the image figures share: mosaics of pictures, and panels that show them."""

import numpy as np
from matplotlib.axes import Axes

from gantry.errors import UserError
from gantry.report.figures.style import FAINT
from gantry.report.load import Loaded, LoadedGroup
from gantry.report.text import short

# The papers' lines between methods are black, between the generators of one method red.
BETWEEN_METHODS = "#222222"


def require_images(loaded: Loaded) -> None:
    """Raise UserError unless every group's samples are images."""
    for group in loaded.groups:
        samples = group.shown.samples
        if "real" in samples or samples[group.shown.generators[0]].ndim != 5:
            spec = loaded.spec
            raise UserError(
                f"{spec.paper}/{spec.name}: {spec.type} shows images, and {group.group.key} has points"
            )


def mosaic(images: np.ndarray, count: int, across: int | None = None) -> np.ndarray:
    """Up to `count` images (S, H, W, 3), `across` in a line (none: a square), white lines between: uint8."""
    images = images[:count]
    across = across or int(np.ceil(len(images) ** 0.5))
    down = -(-len(images) // across)
    height, width = images.shape[1:3]
    gap = max(1, width // 24)
    canvas = np.full((down * (height + gap) - gap, across * (width + gap) - gap, 3), 255, dtype=np.uint8)
    for index, image in enumerate(images):
        y, x = index // across * (height + gap), index % across * (width + gap)
        canvas[y : y + height, x : x + width] = image
    return canvas


def show(ax: Axes, picture: np.ndarray) -> None:
    """One picture, without frame. Small ones go into SVG files pixel by pixel, large ones resampled."""
    small = picture.shape[1] < ax.get_window_extent().width
    ax.imshow(picture, interpolation="none" if small else "antialiased")
    ax.axis("off")


def show_nothing(ax: Axes, group: LoadedGroup) -> None:
    """The panel of a run that has no samples there because it diverged."""
    ax.text(
        0.5, 0.5, f"diverged\nat {short(group.shown.diverged_at or 0)}", ha="center", va="center", color=FAINT
    )
    ax.axis("off")
