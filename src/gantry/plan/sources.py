"""The files that a configuration names, as they are read, and what is wrong with them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gantry.plan.configuration import Config, Scale, paper_file, paper_name
from gantry.plan.places import found_below
from gantry.plan.problems import Layers, Problems


class Sources:
    """The configuration, its scale and the texts of its papers, below `roots`; of `frozen` texts no file is read.

    What cannot be read, or is no configuration or scale, is among the `problems`.
    """

    def __init__(
        self, given: dict[str, Any], roots: tuple[Path, ...], frozen: Mapping[str, Any] | None = None
    ) -> None:
        self.roots = roots  # the first one's files hide those of the others
        self.problems = Problems(frozen)
        # Every key of the configuration has a default, so something is always left of it.
        given = self.problems.with_new_names(given, "config")
        self.config = self.problems.validated_in_part(Config, given, "config") or Config()
        name = self.config.scale
        self.scale_file = name if name.endswith(".yaml") else f"workflow/scales/{name}.yaml"
        read = self.problems.read(self.at(self.scale_file), self.scale_file)
        self.scale = self.problems.validated_in_part(Scale, read, self.scale_file) if read else None
        self.papers = {paper_name(paper): paper_file(paper) for paper in self.config.papers}
        self.texts = {file: self.problems.read(self.at(file), file) for file in self.papers.values()}

    def at(self, file: str) -> Path:
        """Return where a file that the configuration names lies: below the first root that has it."""
        return found_below(self.roots, file)

    def shipped(self) -> dict[str, Path]:
        """Return every paper that there is below the roots, and its file."""
        found = (path for root in self.roots for path in (root / "workflow/experiments").glob("*.yaml"))
        return {path.stem: self.at(f"workflow/experiments/{path.name}") for path in found}

    def on_its_base(self, read: dict[str, Any]) -> dict[str, Any]:
        """Return a paper's text, with the workloads and recipes of the paper that it is based on."""
        name = read.get("based_on")
        if not isinstance(name, str):
            return read
        file = f"workflow/experiments/{name}.yaml"
        base = self.problems.read(self.at(file), file)
        return read | {
            key: block_of(base, key) | own if isinstance(own := read.get(key, {}), dict) else own
            for key in ("workloads", "recipes")
        }

    def workload_patches(self, name: str) -> Layers:
        """Return what the configuration, and below it the scale, lay over a workload."""
        scale = self.scale.workloads if self.scale else {}
        return [
            (file, f"workloads.{name}", patches[name])
            for file, patches in (("config", self.config.workloads), (self.scale_file, scale))
            if name in patches
        ]

    def precision_of_scale(self) -> str | None:
        """Return the precision that the scale asks for on GPUs, if that is where it computes."""
        if self.scale is None or (self.config.device or self.scale.device) != "cuda":
            return None
        return self.scale.precision


def block_of(read: dict[str, Any], key: str) -> dict[str, Any]:
    """Return one block of a file, or nothing where it is no mapping."""
    block = read.get(key)
    return block if isinstance(block, dict) else {}


def names_in(read: dict[str, Any], key: str) -> set[str]:
    """Return the names in one block of a file, sound or not."""
    return {str(name) for name in block_of(read, key)}
