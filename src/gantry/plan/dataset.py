"""What `workflow/datasets.yaml` may say of a data set."""

from typing import Annotated, Any, Literal

from pydantic import Field

from gantry.plan.blocks.base import Positive, Strict


class DatasetSpec(Strict):
    """A data set as `workflow/datasets.yaml` describes it: where its files lie and what is drawn from them."""

    title: str
    source: Literal[
        "gaussian_grid",
        "digits",
        "photograph",
        "folder",
        "array",
        "celeba",
        "lsun",
        "cifar10",
        "svhn",
        "stl10",
    ]
    path: str | None = None
    images: Positive | None = None
    crop: Literal["center", "resize"] = "center"
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    subset_seed: Annotated[int, Field(ge=0)] = 0
    on_bad_image: Literal["stop", "skip"] = "stop"
    # Names of which one must exist in `path`; none asks only that `path` itself exists.
    looks_for: tuple[str, ...] = ()
    acquisition: str = ""
    # Sources that need no path have options of their own: points of the mixture, the photograph's name.
    options: dict[str, int | float | str] = {}

    @property
    def is_embedded(self) -> bool:
        """Whether the project, or what it depends on, brings the data: nothing to download, no path."""
        return self.source in ("gaussian_grid", "digits", "photograph")

    def identity(self, resolution: int | None) -> dict[str, Any]:
        """What makes two prepared sets the same set: everything but where the files lie on this machine."""
        kept = self.model_dump(
            include={"source", "crop", "fraction", "subset_seed", "on_bad_image", "options"}
        )
        return kept | {"resolution": resolution}
