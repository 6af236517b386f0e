"""What else is made of a run at its end: samples at other settings, and tables of images that figures show."""

from typing import Annotated, Literal

from pydantic import Field

from gantry.plan.blocks.base import Rate, Strict

LARGEST_PSI = 1.5

# Tables of images, of methods that have them: which are told classes (`classes`, `interpolation`), have a code
# (`traversal`) or an encoder (`reconstructions`), translate to many labels (`labels`), between any two domains
# (`matrix`) or in many styles (`styles`), mix styles (`mixing`) or draw them towards their mean (`psi`), have levels
# (`levels`), steps (`canvases`), or one picture (`pyramid`).
MontageName = Literal[
    "classes",
    "interpolation",
    "traversal",
    "reconstructions",
    "labels",
    "matrix",
    "styles",
    "mixing",
    "psi",
    "levels",
    "canvases",
    "parts",
    "pyramid",
]


class Sweep(Strict):
    """Settings at which the samples of the last checkpoint are scored too, each as a source: "truncation 0.5".

    truncation: normal latents are drawn anew while a number is beyond ±τ. scaled: they are drawn anew while a number is
    beyond ±2, and multiplied. psi: w is drawn towards its mean, in all layers; 1 changes nothing.
    """

    truncation: tuple[Rate, ...] = ()
    scaled: tuple[Rate, ...] = ()
    psi: tuple[Annotated[float, Field(ge=0, le=LARGEST_PSI)], ...] = ()
