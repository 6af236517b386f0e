"""What `workflow/datasets.yaml` may say of a data set."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from gantry.plan.blocks.base import FilePath, Positive, Strict

HeldOut = Annotated[int, Field(ge=2)] | Annotated[float, Field(gt=0, lt=1)] | Literal["official"]


class InputsSpec(Strict):
    """Pairs: what the inputs are whose targets are the set's images. One of the first three keys says so."""

    # Made of the images: gradient, luminance, `factor` times smaller, without its middle, moved.
    degradation: Literal["edges", "grey", "low", "hole", "blur"] | None = None
    # Each file shows two images of equal width, of which this half is the input.
    half: Literal["left", "right"] | None = None
    # Folders of inputs and of images inside `path`, files of the same name making a pair.
    folders: Annotated[tuple[str, ...], Field(min_length=2, max_length=2)] | None = None
    factor: Annotated[int, Field(ge=2)] = 4

    @model_validator(mode="after")
    def _says_one_thing(self) -> "InputsSpec":
        given = [key for key in ("degradation", "half", "folders") if getattr(self, key) is not None]
        if len(given) != 1:
            said = " and ".join(given) or "none"
            raise ValueError(f"should have one of degradation, half and folders (given: {said})")
        return self


class DatasetSpec(Strict):
    """A data set as `workflow/datasets.yaml` describes it: where its files lie and what is drawn from them."""

    title: str
    source: Literal[
        "gaussian_grid",
        "gaussian_pair",
        "digits",
        "pasted_digits",
        "photograph",
        "folder",
        "array",
        "parquet",
        "huggingface",
        "webdataset",
        "celeba",
        "cub",
        "lsun",
        "cifar10",
        "svhn",
        "stl10",
    ]
    path: FilePath | None = None
    images: Positive | None = None
    crop: Literal["center", "resize", "resize_bilinear"] = "center"
    fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    subset_seed: Annotated[int, Field(ge=0)] = 0
    on_bad_image: Literal["stop", "skip"] = "stop"
    # Names of which one must exist in `path`; none asks only that `path` itself exists.
    looks_for: tuple[str, ...] = ()
    acquisition: str = ""
    # Whether its licence lets images be passed on; where not, `gantry handbook` shows none of them.
    redistributable: bool = True
    # Sources that need no path have options of their own: points of the mixture, the photograph's name.
    options: dict[str, int | float | str | tuple[str, ...]] = {}
    # A second part of the same format: so many images, or a share of them, drawn by `subset_seed` from those that
    # `fraction` leaves; or the distribution's own test images.
    held_out: HeldOut | None = None
    inputs: InputsSpec | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether the project, or what it depends on, brings the data: nothing to download, no path."""
        return self.source in ("gaussian_grid", "gaussian_pair", "digits", "pasted_digits", "photograph")

    @property
    def beside(self) -> tuple[str, ...]:
        """The files that belong to it beside the one that `path` names."""
        named = [self.options.get(key) for key in ("labels", "vectors")] if self.source == "array" else []
        return tuple(str(file) for file in named if file)

    @property
    def labels(self) -> Literal["classes", "attributes", "vectors", "none", "unknown"]:
        """What its labels are, as far as it is known before the files are read."""
        if self.source == "array" and self.beside:
            return "vectors" if self.options.get("vectors") else "classes"
        if self.source == "cub" or (self.source in ("celeba", "digits") and self.options.get("captions")):
            return "vectors"
        if self.source in ("celeba", "gaussian_grid", "digits") and self.options.get("attributes"):
            return "attributes"
        if self.source == "celeba":
            return "classes" if self.options.get("attribute") else "none"
        if self.source == "stl10":
            return "none" if "unlabeled" in str(self.options.get("split", "train+unlabeled")) else "classes"
        if self.source in ("photograph", "array", "lsun"):
            return "none"
        with_classes = ("gaussian_grid", "digits", "pasted_digits", "cifar10", "svhn")
        return "classes" if self.source in with_classes else "unknown"

    @property
    def classes(self) -> int | None:
        """How many classes it has, where that is known before the files are read."""
        if self.labels != "classes":
            return None
        if self.source == "gaussian_grid":
            return int(self.options.get("side", 3)) ** 2  # type: ignore[arg-type]
        return 10 if self.source in ("digits", "pasted_digits", "cifar10", "svhn") else None

    @property
    def attributes(self) -> tuple[str, ...]:
        """The names of its attributes, where they are known before the files are read."""
        if self.labels != "attributes":
            return ()
        if self.source == "gaussian_grid":
            return ("right", "upper")
        named = self.options["attributes"]
        return tuple(named) if isinstance(named, list | tuple) and "all" not in named else ()

    @property
    def rows(self) -> int | None:
        """How many samples are trained on at most, where that is known before the files are read."""
        if self.images is None:
            return None
        drawn = int(self.images * self.fraction + 1e-6)
        if isinstance(self.held_out, int):
            return drawn - self.held_out
        return drawn - int(drawn * self.held_out) if isinstance(self.held_out, float) else drawn

    @property
    def has_pairs(self) -> bool:
        """Whether each of its samples has an input."""
        return self.inputs is not None or self.source == "gaussian_pair"

    @property
    def shrinks(self) -> int:
        """How many times smaller the inputs of pairs are than their images."""
        small = self.inputs is not None and self.inputs.degradation == "low"
        return self.inputs.factor if self.inputs is not None and small else 1

    def identity(self, resolution: int | None) -> dict[str, Any]:
        """What makes two prepared sets the same set: everything but where the files lie on this machine."""
        kept = self.model_dump(
            include={"source", "crop", "fraction", "subset_seed", "on_bad_image", "options"}
        )
        # Absent unless asked for, so that sets without them stay the sets that they were.
        asked = self.model_dump(mode="json", include={"held_out", "inputs"}, exclude_none=True)
        return kept | asked | {"resolution": resolution}
