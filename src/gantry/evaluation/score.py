"""Scoring one segment of a run: all its checkpoints, in one process, with the feature network loaded once."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from gantry.data import PreparedSet, open_prepared
from gantry.data.prepared import verify_beside
from gantry.data.shape import DataShape
from gantry.errors import Diverged, UserError
from gantry.evaluation.asked import AskedScorer, asked_metrics
from gantry.evaluation.montages import arrays, montage
from gantry.evaluation.sample import SCORED_SEED, SHOWN_SEED, sampled
from gantry.evaluation.stored import StoredStatistics
from gantry.evaluation.sweeps import of_samples, swept
from gantry.evaluation.translated import is_translator, shown_beside, untrained
from gantry.files import write_text, write_with
from gantry.methods import Sampler, build_method
from gantry.methods.checkpoint import load_sampler
from gantry.methods.domains import SAMPLES, Domain, part_of
from gantry.metrics import metric
from gantry.metrics.names import BICUBIC, COLUMNS, IDENTITY, MEAN, MIXTURE, REAL
from gantry.plan.recipe import Recipe
from gantry.plan.runs import is_of_data
from gantry.progress import ProgressBar, tell
from gantry.runs.record import read_record
from gantry.system.device import choose_device

Array = NDArray[Any]
Row = tuple[str, str, float, int, str]


class Scorer(Protocol):
    """Samples by source ("G1", "G2", …) and names of metrics → rows (source, metric, value, samples, network)."""

    @property
    def stored(self) -> StoredStatistics | None:
        """What is kept of the features of real images; None for points."""

    def __call__(self, drawn: dict[str, Array], metrics: list[str]) -> Iterator[Row]:
        """Yield the rows of every source and metric."""

    def against(self, part: PreparedSet) -> "Scorer":
        """Return such a scorer that compares with the samples of `part`."""


def score_run(
    record_path: Path,
    manifest: Path,
    scoring: dict[str, Any],
    *,
    after: int,
    statistics: Path | None,
    weights: Path | None,
    metrics_out: Path,
    samples_out: Path,
    device: str = "cpu",
    threads: int = 1,
) -> None:
    """Sample and score the checkpoints of a recorded segment that lie after iteration `after`.

    Writes the tidy metrics and the shown samples. A checkpoint from just before a divergence, whose samples
    are not finite, is left out of both. Raises UserError where record, data or checkpoints are not the ones
    that the configuration asks for.
    """
    record = read_record(record_path)
    if record["spec_digest"] != scoring["spec_digest"]:
        raise UserError(
            f"{record_path}: of a run of another spec ({record['spec_digest']}, configured {scoring['spec_digest']}); "
            "delete it and run the same command again: the run is trained, or found, under the configured spec"
        )
    prepared = open_prepared(manifest)
    intact = verify_beside(prepared)
    if not is_of_data(record, prepared.manifest, record["spec"]):
        raise UserError(
            f"{record_path}: trained on other data than {manifest} holds now; delete the record and run the same "
            "command again"
        )
    chosen = choose_device(device, threads)
    recipe = Recipe.of_spec(record["spec"])
    method = build_method(recipe, DataShape.of(prepared)).to(chosen)
    scorer = build_scorer(prepared, scoring, statistics, weights, chosen)
    scorers = ScorersByReference(scorer, prepared)
    network = getattr(scorer, "network", None)  # None: points
    once = network.looking_once if network else nullcontext
    asked_scorer = AskedScorer(prepared, network, scorer.stored)
    entries = [entry for entry in record["checkpoints"] if entry["iteration"] > after]
    rows: list[list[Any]] = []
    tables: dict[str, Array] = {}
    shown: dict[int, dict[str, Array]] = {}
    run = record["run"]
    name = f"{run['dataset']}/{run['recipe']}/seed{run['seed']}"
    bar = ProgressBar(name, len(entries), "checkpoints")
    for number, entry in enumerate(entries, 1):
        path = record_path.parent / entry["file"]
        sampler = load_sampler(method, path, entry["sha256"])
        key = [run["dataset"], run["recipe"], run["seed"], entry["iteration"]]
        try:
            drawn, pictures = _draw(sampler, prepared, scoring, chosen)
        except Diverged as reason:
            tell(f"{name}: iteration {key[-1]} is left out: {reason}")
            continue
        shown[entry["iteration"]] = pictures
        is_last = entry["iteration"] == record["iterations"]
        names = scoring["metrics"] + (scoring["final_metrics"] if is_last else [])
        asked = asked_metrics(names)
        names = [name for name in names if name not in asked]
        with once():
            found = [*scorers(sampler, drawn, names), *asked_scorer(sampler, drawn, asked)]
        if is_last and is_translator(sampler):
            compared = untrained(sampler, prepared.held_out(), scoring["samples"])
            places = {name: source for name, (source, _) in compared.items()}
            rows_of = {name: samples for name, (_, samples) in compared.items()}
            with once():
                found += scorers(sampler, rows_of, names, places)
                found += asked_scorer.compare(sampler, rows_of, asked, places)
        rows += [[*key, *row] for row in found]
        if scoring.get("means_of_directions"):
            rows += [[*key, *row] for row in means_of_directions(found, sampler.sources)]
        if is_last and (sweep := scoring.get("sweep")):
            source = sampler.sources[0]
            for at, samples in swept(
                sampler, recipe.latent, sweep, scoring["samples"], chosen, prepared.held_out()
            ):
                told = sampler, {at: samples}
                with once():
                    rows += [[*key, *row] for row in scorers(*told, of_samples(names), {at: source})]
                    rows += [[*key, *row] for row in asked_scorer(*told, of_samples(asked), {at: source})]
        for table in scoring.get("montages", ()) if is_last else ():
            tables |= arrays(table, montage(table, sampler, prepared))
        if is_last and scoring.get("score_real"):
            real = {REAL: _real_again(prepared, scoring["samples"])}
            rows += [[*key, *row] for row in scorer(real, names)]
        bar.show(number)
    bar.close()
    intact.result()
    _write_samples(samples_out, shown, tables, prepared, scoring["shown"])
    _write_rows(metrics_out, rows)


class ScorersByReference:
    """Scores each source against the real samples that its sampler names: all of them, or those of one domain."""

    def __init__(self, scorer: Scorer, prepared: PreparedSet) -> None:
        self.prepared = prepared
        self.scorers: dict[Domain | None, Scorer] = {None: scorer}

    def __call__(
        self,
        sampler: Sampler,
        drawn: dict[str, Array],
        names: list[str],
        places: Mapping[str, str] | None = None,
    ) -> Iterator[Row]:
        """Yield the rows of all sources, and of their mixture where they are compared with the same.

        `places` names the source in whose place samples stand; these are never mixed.
        """
        groups: dict[Domain | None, dict[str, Array]] = {}
        for name, samples in drawn.items():
            source = (places or {}).get(name, name)
            reference = sampler.reference(source) if source in sampler.sources else None
            groups.setdefault(None if reference == SAMPLES else reference, {})[name] = samples
        for reference, group in groups.items():
            if reference is not None and reference not in self.scorers:
                self.scorers[reference] = self.scorers[None].against(part_of(self.prepared, reference))
            together = places is None and sampler.mixed
            scored = [group] if together else [{name: drawn} for name, drawn in group.items()]
            for part in scored:
                yield from self.scorers[reference](part, names)


def means_of_directions(rows: Iterable[Row], directions: Sequence[str]) -> Iterator[Row]:
    """Yield the mean over all directions of each metric, as "mean", and of each row beside them, "identity", …

    Of a translator between two domains the first direction stands for the method, and there are none.
    """
    if len(directions) <= 2:
        return
    values: dict[tuple[str, str], list[Row]] = {}
    means = dict.fromkeys(directions, MEAN)  # by what each row is called; names of classes may have spaces
    means |= {f"{kind} {way}": kind for kind in (IDENTITY, BICUBIC, REAL) for way in directions}
    for row in rows:
        if row[0] in means:
            values.setdefault((means[row[0]], row[1]), []).append(row)
    for (source, name), of in values.items():
        if len(of) == len(directions):
            yield source, name, float(np.mean([row[2] for row in of])), of[0][3], of[0][4]


def _draw(
    sampler: Sampler, prepared: PreparedSet, scoring: dict[str, Any], device: torch.device
) -> tuple[dict[str, Array], dict[str, Array]]:
    """Return the samples to score and those to show, by source.

    Sources differ in their seeds when they are scored, and share their inputs when they are shown.
    """
    drawn, shown = {}, {}
    held_out = prepared.held_out()
    for index, source in enumerate(sampler.sources, 1):
        seed = SCORED_SEED + 1000 * index
        drawn[source] = sampled(sampler, source, scoring["samples"], seed, device, held_out)
        shown[source] = sampled(sampler, source, scoring["shown"], SHOWN_SEED, device, held_out)
    if is_translator(sampler):
        shown |= shown_beside(sampler, held_out, shown, scoring["shown"])
    elif sampler.mixed and len(drawn) > 1 and not scoring.get("score_generators", True):
        drawn = {MIXTURE: equal_mixture(list(drawn.values()), scoring["samples"])}
    return drawn, shown


def _real_again(prepared: PreparedSet, count: int) -> Array:
    """Return `count` of the real samples, drawn with replacement: another sample of their distribution."""
    rng = np.random.default_rng(SCORED_SEED)
    return np.asarray(prepared.samples[np.sort(rng.integers(len(prepared.samples), size=count))])


def _write_rows(path: Path, rows: list[list[Any]]) -> None:
    assert len({tuple(row[:-3]) for row in rows}) == len(rows), "two rows of one source and metric"
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for *key, value, samples, network in rows:
        writer.writerow([*key, f"{value:.10g}", samples, network])
    write_text(path, text.getvalue())


def _write_samples(
    path: Path,
    shown: dict[int, dict[str, Array]],
    tables: dict[str, Array],
    prepared: PreparedSet,
    count: int,
) -> None:
    """Write what figures show; of real data only points, which belong to nobody, and what translators are given.

    Inputs of translations, their truths, and tables with real images in them are as private as the data set.
    """
    written: dict[str, Array] = tables | {"iterations": np.asarray(list(shown), dtype=np.int64)}
    sources = next(iter(shown.values()), {})
    written |= {source: np.stack([pictures[source] for pictures in shown.values()]) for source in sources}
    if prepared.kind == "points":
        written["real"] = np.array(prepared.samples[:count])
    write_with(path, lambda temporary: np.savez_compressed(temporary, allow_pickle=False, **written))


def build_scorer(
    prepared: PreparedSet, scoring: dict[str, Any], statistics: Path | None, weights: Path | None, device: Any
) -> Scorer:
    """Return the scorer for points or for images that computes the metrics that `scoring` names."""
    needs = "points" if prepared.kind == "points" else "images"
    for name in scoring["metrics"] + scoring["final_metrics"]:
        if metric(name).needs != "method" and (metric(name).needs == "points") != (needs == "points"):
            raise UserError(f"metric {name!r} is not for {needs}: change `metrics` of the workload")
    if needs == "points":
        from gantry.evaluation import points

        _check_known(scoring, points.COMPUTATIONS)
        return points.PointScorer(prepared)
    from gantry.evaluation import images
    from gantry.evaluation.computations import COMPUTATIONS, SPLITS
    from gantry.metrics.features import load_feature_network

    if statistics is None:
        raise UserError("--statistics: image metrics need the stored statistics of the real images")
    _check_known(scoring, COMPUTATIONS)
    network = load_feature_network(scoring["features"], weights, device)
    scorer = images.ImageScorer(prepared, network, statistics, scoring.get("inception_splits", SPLITS))
    wanted = scoring["metrics"] + scoring["final_metrics"]
    scorer.check([name for name in wanted if not metric(name).of_asked])
    return scorer


def _check_known(scoring: dict[str, Any], computations: Iterable[str]) -> None:
    for name in scoring["metrics"] + scoring["final_metrics"]:
        if name not in computations and not metric(name).of_asked:
            raise UserError(
                f"metric {name!r} is not computed for runs: change `metrics` of the workload; "
                f"there are {', '.join(computations)}"
            )


def equal_mixture(parts: list[Array], count: int) -> Array:
    """Return `count` rows, the first of each part in turn: 2,500 of each of two for 5,000."""
    sizes = [count // len(parts) + (index < count % len(parts)) for index in range(len(parts))]
    return np.concatenate([part[:size] for part, size in zip(parts, sizes, strict=True)])
