"""The pipeline from Python: plan, train, sample, score and tables without a command line.

    from gantry import api

    plan = api.plan(scale="quick")
    run = api.train(plan, "synthetic_bcgan", "mixture", seed=0)
    samples = api.sample(api.load(run), 1000)

Every function does what the workflow's step of that name does, with the same files in the same places: what was made
here, Snakemake finds done, and the other way round. A mistake raises `gantry.errors.UserError`. Runs train one after
the other; for many, on many devices, there is the workflow.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gantry.errors import UserError
from gantry.plan import Plan, load_plan
from gantry.plan.runs import Run

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gantry.evaluation.by_checkpoint import Trained
    from gantry.evaluation.score_images import Scores

__all__ = [
    "claims",
    "export",
    "figure",
    "history",
    "load",
    "metrics",
    "plan",
    "prepare",
    "runs",
    "sample",
    "score",
    "table",
    "train",
]


def plan(**settings: Any) -> Plan:
    """Return the plan of a configuration: keys as in config.yaml, which is not read; defaults for all others.

    `plan(scale="quick", papers=["bcgan"], seeds=[0, 1])`.
    """
    return load_plan(settings)


def runs(plan: Plan) -> "pd.DataFrame":
    """Return the runs that the plan's outputs ask for, a row each: where they stand, in iterations and in words."""
    import pandas as pd

    from gantry.status.runs import run_statuses

    rows = [
        {
            "dataset": run.dataset,
            "recipe": run.recipe_name,
            "seed": run.seed,
            "state": run_status.state,
            "iteration": run_status.iteration,
            "until": run_status.until,
            "folder": plan.folder(run),
        }
        for run, run_status in zip(plan.runs.values(), run_statuses(plan).values(), strict=True)
    ]
    return pd.DataFrame(rows)


def prepare(plan: Plan, dataset: str, resolution: int | None = None) -> Path:
    """Prepare a data set if it is not there yet; return its manifest. Points have no resolution."""
    from gantry.data import prepare as prepare_set

    manifest = Path(plan.prepared(dataset, resolution), "manifest.json")
    if not manifest.exists():
        prepare_set(plan.datasets[dataset], dataset, Path(plan.config.data), resolution, manifest.parent)
    return manifest


def train(
    plan: Plan, recipe: str, dataset: str, seed: int = 0, until: int | None = None, threads: int = 1
) -> Path:
    """Train one run of any recipe on any data set, from wherever it stands; return its folder.

    The data set is prepared first if need be. A scale may train on another set in place of the one that is named, as
    the workflow would. Raises `Stopped` when Ctrl-C or a signal asked to stop: the state is saved, call it again.
    """
    from gantry.plan.steps import Step, stale
    from gantry.system.switches import turned_on, wanted
    from gantry.training.train import train as train_run

    run = plan.any_run(dataset, recipe, seed, until)
    manifest = prepare(plan, run.dataset, run.workload.resolution)
    end = max(run.ends)
    record = plan.record(run, end)
    step = Step("train", (record,), (str(manifest),), run.spec_digest)
    if not step.is_there or stale([step]):
        network = run.recipe.method.fixed_network
        weights = _weights(plan, network) if network else []
        with turned_on(wanted(plan.config)):
            train_run(
                Path(plan.folder(run)),
                run.spec,
                manifest,
                end,
                Path(record),
                device=plan.device,
                threads=threads,
                deterministic=plan.config.deterministic,
                watch=plan.config.watch,
                weights=next(iter(weights), None),
            )
    return Path(plan.folder(run))


def history(run: str | Path) -> "pd.DataFrame":
    """Return the losses and the speed of a run, a row each logging interval."""
    import pandas as pd

    found = sorted(Path(run).glob("work/*/history.csv"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise UserError(f"{run}: no history here; give the folder that api.train returned")
    return pd.read_csv(found[-1])


def load(source: str | Path, iteration: int | None = None, device: str = "cpu") -> "Trained":
    """Load a trained model from its run's folder (the last checkpoint, or that of `iteration`) or from one file."""
    from gantry.evaluation.by_checkpoint import load_trained

    return load_trained(Path(source), iteration, device)


def sample(trained: "Trained", count: int, seed: int = 0, source: str | None = None) -> "NDArray[Any]":
    """Return samples: uint8 (count, R, R, 3) images or float32 (count, 2) points.

    Of one source ("G1"), or the equal mixture of all. The same seed gives the same latents on every device.
    """
    from gantry.evaluation import by_checkpoint

    sources = by_checkpoint.chosen(trained, source)
    device = next(trained.kept.parameters()).device
    return by_checkpoint.mixture(trained, sources, by_checkpoint.inputs(trained, count, seed), device)


def score(
    real: "str | Path | NDArray[np.uint8]",
    generated: "str | Path | NDArray[np.uint8]",
    network: str = "inception",
    weights: str | Path | None = None,
    metrics: Sequence[str] = (),
    **options: Any,
) -> "Scores":
    """Score a set of images against another: folders, arrays (N, H, W, 3) of uint8, prepared sets, statistics.

    `options` are those of `gantry.evaluation.score_images.score_images`: device, intervals, splits.
    """
    from gantry.evaluation.score_images import score_images

    sets = [Path(images) if isinstance(images, str) else images for images in (real, generated)]
    return score_images(
        sets[0], sets[1], network, None if weights is None else Path(weights), metrics, **options
    )


def metrics(plan: Plan, run: str | Path) -> "pd.DataFrame":
    """Score every checkpoint of a run as the plan says, if that has not been done; return the tidy metrics."""
    from gantry.report.reading import read_metrics

    scored = [_scored(plan, found, record) for found, record in _recorded(plan, Path(run))]
    return read_metrics(scored[-1])


def table(plan: Plan, paper: str, name: str) -> "pd.DataFrame":
    """Make a table of a paper from its runs; return it tidy, a row each number. Files as the workflow's."""
    from gantry.report.make import make_table

    made: pd.DataFrame = _output(plan, paper, name, "table", make_table)
    return made


def claims(plan: Plan, paper: str, name: str) -> "pd.DataFrame":
    """Hold a paper's statements against its runs; return a row each claim. Files as the workflow's."""
    from gantry.report.make import make_claims

    made: pd.DataFrame = _output(plan, paper, name, "claims", make_claims)
    return made


def figure(plan: Plan, paper: str, name: str) -> Path:
    """Draw a figure of a paper from its runs; return the PNG. An SVG lies beside it."""
    from gantry.report.make import make_figure

    _output(plan, paper, name, "figure", make_figure)
    return Path(plan.files_of(paper, name)[0])


def export(source: str | Path, folder: str | Path, **card: Any) -> Path:
    """Write a trained model to a folder to give away; `card` has licence, data_licence, title, iteration."""
    from gantry.export.make import export as export_model

    export_model(Path(source), Path(folder), **card)
    return Path(folder)


# ── what the functions above share ────────────────────────────────────────────────────────────────────


def _output(plan: Plan, paper: str, name: str, family: str, make: Any) -> Any:
    """Make an output by `make(spec, *files)`, and record it as the workflow's step does."""
    from gantry.plan.report_specs import report_spec, report_spec_digest
    from gantry.runs.outputs import recorded

    known = {f"{one}/{output}": kind.family for one, output, kind in plan.outputs()}
    if known.get(f"{paper}/{name}") != family:
        names = ", ".join(key for key, kind in known.items() if kind == family)
        raise UserError(f"{paper}/{name}: no {family} of this name; known: {names or 'none'}")
    inputs = [Path(file) for file in plan.inputs_of(paper, name)]
    outputs = [Path(file) for file in plan.files_of(paper, name)]
    with recorded(outputs, inputs, report_spec_digest(plan, paper, name)):
        return make(report_spec(plan, paper, name), *outputs)


def _scored(plan: Plan, found: Run, record: Path) -> Path:
    """Score a run as far as a record goes, if that has not been done; return the metrics' file."""
    from gantry.evaluation.score import score_run
    from gantry.runs.outputs import is_current, recorded

    end = max(found.ends)
    outputs = [Path(plan.metrics(found, end)), Path(plan.samples(found, end))]
    manifest = Path(plan.manifest(found))
    weights = _weights(plan) if found.workload.resolution else []
    statistics = _statistics(plan, found, manifest, weights)
    told = plan.scoring_digest(found, end)
    inputs = [record, manifest, *statistics, *weights]
    if not all(output.is_file() for output in outputs) or not is_current(
        outputs, inputs, told, of_training=True
    ):
        with recorded(outputs, inputs, told, of_training=True):
            score_run(
                record,
                manifest,
                plan.scoring(found),
                after=found.previous_end(end),
                statistics=next(iter(statistics), None),
                weights=next(iter(weights), None),
                metrics_out=outputs[0],
                samples_out=outputs[1],
                device=plan.device,
            )
    return outputs[0]


def _recorded(plan: Plan, folder: Path) -> list[tuple[Run, Path]]:
    """Return the run whose folder this is with its last record; before these the plan's own end, if it is another.

    A run may have been trained beyond the plan, whose tables take its scores at the plan's end.
    """
    from gantry.runs.record import read_record

    records = {int(path.stem.removeprefix("record-")): path for path in folder.glob("record-*.json")}
    if not records:
        raise UserError(f"{folder}: no finished run here; give the folder that api.train returned")
    last = read_record(records[max(records)])
    names = last["run"]
    planned, run = (
        plan.any_run(names["dataset"], names["recipe"], names["seed"], until)
        for until in (None, last["iterations"])
    )
    if run.spec_digest != last["spec_digest"]:
        raise UserError(
            f"{folder}: trained with another recipe than the plan's; ask the plan that trained it"
        )
    before = max(planned.ends)
    found = [(planned, records[before])] if before in records and before < max(records) else []
    return [*found, (run, records[max(records)])]


def _weights(plan: Plan, network: str | None = None) -> list[Path]:
    """The weights of the plan's feature network, or another; the embedded classifier is trained if it is not there."""
    from gantry.evaluation.features import train_classifier
    from gantry.plan.steps import classifier_told
    from gantry.runs.outputs import recorded

    weights = [Path(file) for file in plan.feature_weights(network)]
    if (network or plan.features) == "embedded" and not weights[0].exists():
        for manifest in plan.embedded_manifests():
            name, _, side = Path(manifest).parent.name.rpartition("-")
            prepare(plan, name, int(side))
        manifests = [Path(path) for path in plan.embedded_manifests()]
        with recorded(weights, manifests, classifier_told()):
            train_classifier(manifests, weights[0])
    return weights


def _statistics(plan: Plan, run: Run, manifest: Path, weights: list[Path]) -> list[Path]:
    """The stored statistics of the real images that a run is scored against; made if they are not there."""
    from gantry.evaluation.features import store_real_statistics
    from gantry.plan.steps import statistics_told
    from gantry.runs.outputs import recorded

    stored = [Path(file) for file in plan.real_statistics(run)]
    for file in stored:
        if not file.exists():
            with recorded([file], [manifest, *weights], statistics_told(plan.features)):
                store_real_statistics(
                    manifest, plan.features, next(iter(weights), None), file, plan.device, 1
                )
    return stored
