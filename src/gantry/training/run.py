"""A run's folder: where its state, checkpoints, history and records lie, and how the last two are written."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.files import canonical_json, digest_of, sha256_of_file, write_with
from gantry.plan.recipe import Recipe
from gantry.plan.runs import work_identity
from gantry.runs.paths import lock_of
from gantry.runs.record import write_record


@dataclass(frozen=True)
class RunFolder:
    """`…/<dataset>/<recipe>/seed<k>/<digest of the spec>` and, in it, the work folder on one prepared set.

    A changed recipe has another folder; changed data start afresh in another work folder beside the old one. What
    is changed back finds its results where they were. A run that is trained by hand may lie in `seed<k>` itself.
    """

    root: Path
    spec: dict[str, Any]
    data_digest: str

    @property
    def _names(self) -> tuple[str, ...]:
        """(dataset, recipe, seed<k>), from the folder's path."""
        parts = self.root.absolute().parts
        return parts[-4:-1] if parts[-1] == self.spec_digest else parts[-3:]

    @property
    def key(self) -> dict[str, Any]:
        """The run's names, as the record gives them: dataset, recipe, seed. UserError if the folder has none."""
        names = self._names
        number = names[-1].removeprefix("seed")
        if len(names) < 3 or names[-1] == number or not number.isdecimal():
            raise UserError(
                f"{self.root}: a run's folder is called <dataset>/<recipe>/seed<number>/{self.spec_digest} (the digest "
                "of its spec); put the record (--record) into such a folder"
            )
        return {"dataset": names[0], "recipe": names[1], "seed": int(number)}

    @property
    def name(self) -> str:
        """'dataset/recipe/seed0', as in the progress line."""
        return "/".join(self._names)

    @property
    def spec_digest(self) -> str:
        """The digest of the spec alone, which the plan knows before any data exist."""
        return digest_of(self.spec)

    @property
    def identity(self) -> str:
        """The digest of spec and data together, which the state must carry."""
        return work_identity(self.spec, self.data_digest)

    @property
    def work(self) -> Path:
        """The undeclared folder that survives whatever Snakemake deletes."""
        return self.root / "work" / self.identity

    @property
    def lock(self) -> Path:
        """The file that a trainer holds."""
        return lock_of(self.root)

    @property
    def state(self) -> Path:
        """The file to resume from."""
        return self.work / "state" / "state.bin"

    @property
    def history(self) -> Path:
        """The table of losses and speed."""
        return self.work / "history.csv"

    def sweep(self) -> None:
        """Remove the unfinished files that killed trainers left behind; only the holder of the lock may."""
        for litter in [*self.root.glob(".record-*"), *self.work.rglob(".*")]:
            if litter.is_dir():
                shutil.rmtree(litter, ignore_errors=True)
            else:
                litter.unlink(missing_ok=True)

    def checkpoint(self, iteration: int) -> Path:
        """The networks that sampling needs, as they were after `iteration`."""
        return self.work / "checkpoints" / f"{iteration:07d}.safetensors"

    def save_checkpoint(
        self, iteration: int, networks: dict[str, Tensor], data: DataShape | None = None
    ) -> dict[str, Any]:
        """Write the `state_dict()` of what sampling needs, with the spec, and the shapes of the data where networks
        depend on more than a sample's, in the file's header; return the record's entry."""
        path = self.checkpoint(iteration)
        tensors = {name: value.cpu().contiguous() for name, value in networks.items()}
        # Under one key: the format keeps several in no fixed order, and equal runs shall give equal files.
        told = {"spec": self.spec, "iteration": iteration} | ({"data": data.as_json()} if data else {})
        header = {"gantry_checkpoint": canonical_json(told)}
        write_with(path, lambda temporary: save_file(tensors, temporary, metadata=header))
        return {
            "iteration": iteration,
            "file": str(path.relative_to(self.root)),
            "sha256": sha256_of_file(path),
        }

    def write_record(
        self,
        path: Path,
        end: int,
        checkpoints: list[dict[str, Any]],
        diverged_at: int | None,
        recipe: Recipe,
        provenance: dict[str, Any],
    ) -> None:
        """Write the record: the last file of a segment, and the only one that Snakemake knows.

        A run that has gone on beyond `end`, and perhaps diverged there, is recorded as it was at `end`. The whole
        recipe stands in it beside the spec, which leaves out what is as the defaults have it. Raises UserError if a
        checkpoint is not there any more.
        """
        if diverged_at is not None and diverged_at > end:
            diverged_at = None
        entries = [entry for entry in checkpoints if entry["iteration"] <= end]
        for entry in entries:
            if not (self.root / entry["file"]).exists():
                raise UserError(
                    f"{self.root / entry['file']}: the checkpoint is missing; delete the run's work folder "
                    f"({self.work}) and run the same command again"
                )
        write_record(
            path,
            {
                "run": self.key,
                "spec": self.spec,
                "spec_digest": self.spec_digest,
                "recipe": recipe.model_dump(mode="json", exclude={"workload"}),
                "data_digest": self.data_digest,
                "iterations": end,
                "status": "complete" if diverged_at is None else "diverged",
                "diverged_at": diverged_at,
                "checkpoints": entries,
                "provenance": provenance,
            },
        )
