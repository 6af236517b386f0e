"""What a run computes and holds, as `gantry.training.counting` has counted it, and where that is kept.

Counting needs PyTorch, planning must not: counts lie beside the results, one file a recipe and shape of data, are made
when `gantry plan` or a submission to a cluster first needs them, and where they are absent a round figure stands in.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantry.errors import UserError
from gantry.files import canonical_json, digest_of, read_json, write_text
from gantry.plan.dataset import DatasetSpec
from gantry.plan.renamed import spelled_as_in_specs
from gantry.plan.runs import Run

if TYPE_CHECKING:
    from gantry.plan.plan import Plan

COUNTED_BY = 3  # raise it when counting changes: older counts are then made again
CLASSES, ATTRIBUTES = 10, 40  # of a set that is not prepared yet, for the methods that ask
# Stands in for a count: BCGAN's own, on points, and on images in proportion to their pixels; operations and what
# they move also to the batch, and to the width that was counted, operations to its square.
USUAL_FLOPS = {"points": 4e9, "images": 1e12}
USUAL_BATCH = {"points": 100, "images": 32}
USUAL_WIDTH = {"points": 400, "images": 32}
USUAL_BYTES = {"points": 1e7, "images": 1e9}
USUAL_CALLS = {"points": 650, "images": 1300}
USUAL_MOVED = {"points": 2.7e8, "images": 1.4e10}
USUAL_WEIGHTS = {"points": 1_500_000, "images": 40_000_000}


@dataclass(frozen=True)
class StageCost:
    """Of one iteration from `start` on.

    flops: floating-point operations, two a multiply-add. bytes: alive at once beside the state. calls: operations on
    tensors that compute something. moved: bytes that these read and write.
    """

    start: int
    flops: float
    bytes: int
    calls: int = 0
    moved: float = 0.0


@dataclass(frozen=True)
class Cost:
    """What a method computes in each of its stages, and numbers that it holds."""

    stages: tuple[StageCost, ...]
    weights: int
    """Numbers in all its weights."""
    state: int
    """Numbers in the state of a run: weights, buffers, the optimisers' moments, the running average."""
    kept: int
    """Numbers in a checkpoint."""
    sources: int = 1
    """What its samples come from, each of which is scored: generators, levels, directions of a translator."""
    is_counted: bool = True
    """Whether it was counted; else it is a round figure."""

    def total(self, what: Callable[[StageCost], float], iterations: int) -> float:
        """Return the sum of what the first `iterations` cost, each of them `what` its stage says."""
        starts = [stage.start for stage in self.stages]
        ends = [*starts[1:], max(iterations, starts[-1])]
        return sum(
            what(stage) * max(0, min(end, iterations) - stage.start)
            for stage, end in zip(self.stages, ends, strict=True)
        )

    def flops(self, iterations: int) -> float:
        """Return the floating-point operations of the first `iterations`."""
        return self.total(lambda stage: stage.flops, iterations)

    @property
    def bytes(self) -> int:
        """Bytes that are alive at once beside the state, in the stage that needs most."""
        return max(stage.bytes for stage in self.stages)


def shape_of(plan: "Plan", run: Run) -> dict[str, Any]:
    """Return the fields of the `DataShape` of a run's data: of the prepared set, or as its kind usually has them."""
    side = run.workload.resolution
    shape: dict[str, Any] = {"sample": [2] if side is None else [3, side, side]}
    manifest = Path(plan.manifest(run))
    if not manifest.exists():
        spec = plan.datasets[run.dataset]
        named = [name for name in getattr(run.recipe.method, "domains", None) or () if isinstance(name, str)]
        labels: dict[str, Any] = {"classes": max(CLASSES, len(named))}
        if named:  # whatever the others are called
            labels["label_names"] = named + [str(k) for k in range(len(named), CLASSES)]
        if names := spec.attributes:
            labels = {"attributes": len(names), "label_names": list(names)}
        return shape | labels | {"input": _usual_input(spec, side)}
    described = read_json(manifest, "manifest of a prepared set")
    names = described.get("label_names", [])
    if (attributes := described.get("attributes")) is not None:
        shape |= {"attributes": attributes, "label_names": names}
    elif "vectors" in described:
        shape |= {"vectors": described["vectors"], "captions": described.get("captions", 0)}
    elif described.get("labels"):
        shape |= {"classes": len(names) or CLASSES, "label_names": names}
    if "inputs" in described:
        _, *lengths, last = described["inputs"]["shape"]
        shape |= {"input": [last, *lengths]}
    return shape


def _usual_input(spec: DatasetSpec, side: int | None) -> list[int] | None:
    """Return the shape of the inputs of a set that is not prepared yet; of images without pairs, their own."""
    if side is None:
        return [2] if spec.source == "gaussian_pair" else None
    return [3, side // spec.shrinks, side // spec.shrinks]


def place_of(plan: "Plan", run: Run) -> Path:
    """Return the file of the count of a run's recipe on its data."""
    told = {
        "by": COUNTED_BY,
        "recipe": spelled_as_in_specs(run.recipe.model_dump(mode="json", exclude={"workload"})),
        "data": shape_of(plan, run),
    }
    return Path(plan.prepared_root).parent / "costs" / f"{digest_of(told)[:16]}.json"


def cost_of(plan: "Plan", run: Run) -> Cost:
    """Return what was counted of a run, or a round figure where nothing was."""
    try:
        told = json.loads(place_of(plan, run).read_text())
        stages = tuple(StageCost(**stage) for stage in told.pop("stages"))
        return Cost(stages, **told)
    except (OSError, UserError, ValueError, KeyError, TypeError, AttributeError):
        return usual_cost(run)  # not counted, or spoilt: it is counted again where it matters


def usual_cost(run: Run) -> Cost:
    """Return a round figure for what a run computes and holds."""
    side = run.workload.resolution
    kind, share = ("points", 1.0) if side is None else ("images", (side / 256) ** 2)
    weights = USUAL_WEIGHTS[kind]
    moments = 2
    width = getattr(run.recipe.networks, "width", USUAL_WIDTH[kind]) / USUAL_WIDTH[kind]
    samples = share * run.recipe.batch_size / USUAL_BATCH[kind]
    flops, moved = USUAL_FLOPS[kind] * samples * width**2, USUAL_MOVED[kind] * samples * width
    return Cost(
        (StageCost(0, flops, int(USUAL_BYTES[kind] * share), USUAL_CALLS[kind], moved),),
        weights,
        (1 + moments) * weights,
        weights // 2,
        run.recipe.generators,
        is_counted=False,
    )


def as_json(cost: Cost) -> dict[str, Any]:
    """Return what a file of a count holds."""
    return {name: value for name, value in asdict(cost).items() if name != "is_counted"}


def uncounted(plan: "Plan", runs: Iterable[Run]) -> dict[Path, Run]:
    """Return a run for each count that is still to be made, by its file."""
    places = {place_of(plan, run): run for run in runs}
    return {place: run for place, run in places.items() if not cost_of(plan, run).is_counted}


def count_missing(plan: "Plan", tell: Callable[[str], None]) -> None:
    """Count what the plan's runs compute and hold, where no count lies there yet.

    Takes seconds, and PyTorch. What cannot be counted is told, and has its round figure.
    """
    missing = uncounted(plan, plan.runs.values())
    if not missing:
        return
    from gantry.data.shape import DataShape
    from gantry.training.counting import count

    recipes = (
        "1 recipe computes and holds" if len(missing) == 1 else f"{len(missing)} recipes compute and hold"
    )
    tell(f"gantry: counting once what {recipes}")
    for place, run in missing.items():
        try:
            cost = count(run.recipe, DataShape.from_json(shape_of(plan, run)))
        except Exception as error:  # a method may do what tensors without numbers cannot
            tell(
                f"gantry: {run.recipe_name} cannot be counted ({type(error).__name__}: {str(error).splitlines()[0]})"
            )
        else:
            write_text(place, canonical_json(as_json(cost)))
