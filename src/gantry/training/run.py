"""A run's folder: where its state, checkpoints, history and records lie."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.files import canonical_json, digest_of, read_json, sha256_of_file, write_json, write_with
from gantry.plan.runs import work_identity


@dataclass(frozen=True)
class RunFolder:
    """`…/<dataset>/<recipe>/seed<k>` and, in it, the work folder of one spec on one prepared set.

    The work folder is keyed by both digests: a changed recipe or data set starts afresh beside the old
    one, and one that is changed back finds its results where they were.
    """

    root: Path
    spec: dict[str, Any]
    data_digest: str

    @property
    def key(self) -> dict[str, Any]:
        """The run's names, as the record gives them: dataset, recipe, seed. UserError if the folder has none."""
        parts = self.root.absolute().parts[-3:]
        number = parts[-1].removeprefix("seed")
        if len(parts) < 3 or parts[-1] == number or not number.isdecimal():
            raise UserError(
                f"{self.root}: a run's folder is called <dataset>/<recipe>/seed<number>; "
                "put the record (--record) into such a folder"
            )
        return {"dataset": parts[0], "recipe": parts[1], "seed": int(number)}

    @property
    def name(self) -> str:
        """'dataset/recipe/seed0', as in the progress line."""
        return "/".join(self.root.absolute().parts[-3:])

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
        return self.root / "work" / "lock"

    @property
    def state(self) -> Path:
        """The file to resume from."""
        return self.work / "state" / "state.bin"

    @property
    def history(self) -> Path:
        """The table of losses and speed."""
        return self.work / "history.csv"

    @property
    def events(self) -> Path:
        """The folder for TensorBoard's event files."""
        return self.work / "events"

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
        provenance: dict[str, Any],
    ) -> None:
        """Write the record: the last file of a segment, and the only one that Snakemake knows.

        A run that has gone on beyond `end`, and perhaps diverged there, is recorded as it was at `end`. Raises
        UserError if a checkpoint is not there any more.
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
        write_json(
            path,
            {
                "format": 1,
                "run": self.key,
                "spec": self.spec,
                "spec_digest": self.spec_digest,
                "data_digest": self.data_digest,
                "iterations": end,
                "status": "complete" if diverged_at is None else "diverged",
                "diverged_at": diverged_at,
                "checkpoints": entries,
                "provenance": provenance,
            },
        )


def read_record(path: Path) -> dict[str, Any]:
    """Read a record, checked for its format."""
    record = read_json(path, "the record of a training run")
    if not isinstance(record, dict) or record.get("format") != 1:
        raise UserError(f"{path}: not a record of this version; delete it and run the same command again")
    for entry in record.get("checkpoints", []):
        file = Path(entry["file"])
        if file.is_absolute() or ".." in file.parts:
            raise UserError(
                f"{path}: lists a checkpoint outside of its run's folder ({file}); delete the record"
            )
    return record
