"""The command line: one verb a workflow step, each of which runs by hand without Snakemake.

A user's mistake ends in one message and exit code 2; a request to stop in exit code 75: run it again.
"""

import argparse
import json
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from gantry.errors import UserError, suggestion
from gantry.training.signals import EXIT_CONTINUE, Stopped

EXIT_USER_ERROR = 2


# Verbs that import PyTorch or the plotting library: worth handing to a warm process, see warm.py.
HEAVY = {"train", "classifier", "statistics", "score-run", "table", "figure", "claims", "page"}


def main() -> None:
    """Run one verb, in a warm process if the environment asks for it, and exit with its code."""
    arguments = sys.argv[1:]
    code = None
    if os.environ.get("GANTRY_WARM") == "1" and arguments and arguments[0] in HEAVY:
        from gantry import warm

        code = warm.ask(arguments)
    sys.exit(run(arguments) if code is None else code)


def run(arguments: list[str] | None = None) -> int:
    """Run one verb; return the exit code."""
    options = _parser().parse_args(arguments)
    log = getattr(options, "log", None)
    try:
        options.verb(options)
    except UserError as error:
        return _end(f"gantry: {error}", EXIT_USER_ERROR, log)
    except BrokenPipeError:
        # The reader of our output (head, less) has gone: not an error of anybody's.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return _end("gantry: interrupted", 130, log)
    except Stopped as stopped:
        return _end(f"gantry: {stopped}; the same command continues", EXIT_CONTINUE, log)
    except Exception:
        return _end(f"gantry: a defect, please report it with this:\n{traceback.format_exc()}", 1, log)
    return _end("", 0, log)


def _end(message: str, code: int, log: Path | None) -> int:
    """Print the last message, leave it in the log, return the exit code."""
    if message:
        print(message, file=sys.stderr, flush=True)
    if log is not None:
        try:
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(f"{message or 'done'}\n", encoding="utf-8")
        except OSError as error:
            print(f"gantry: {log}: the log cannot be written: {error.strerror}", file=sys.stderr)
    return code


# ── verbs: each imports what it needs, so that plan and report start without torch ────────────────────


def _plan(options: argparse.Namespace) -> None:
    from gantry.plan.estimate import describe

    print(describe(_load(options.settings)))


def _prepare(options: argparse.Namespace) -> None:
    from gantry.data import prepare

    plan = _load(options.config)
    sets = plan.prepared_sets()
    if options.prepared not in sets:
        known = ", ".join(sets)
        raise UserError(
            f"{options.prepared}: no run needs such a set{suggestion(options.prepared, sets)}; known: {known}"
        )
    name, resolution = sets[options.prepared]
    root = Path(plan.config.data)
    prepare(plan.datasets[name], name, root, resolution, options.out.parent, workers=options.workers)


def _train(options: argparse.Namespace) -> None:
    from gantry.plan.problems import Problems
    from gantry.plan.recipe import Recipe

    spec = _json(options.spec, "--spec", ("recipe", "dataset", "seed", "checkpoint_every"))
    problems = Problems()
    recipe = spec["recipe"]
    whole = {"workload": ""} | recipe if isinstance(recipe, dict) else recipe
    problems.validated(Recipe, whole, "--spec", "recipe")
    problems.raise_if_any()
    if options.until % spec["checkpoint_every"]:
        raise UserError(
            f"--until: {options.until} is not on the grid of checkpoints, every {spec['checkpoint_every']}"
        )
    from gantry.training.train import train

    train(
        options.seal.parent,
        spec,
        options.data,
        options.until,
        options.seal,
        device=options.device,
        threads=options.threads,
        deterministic=options.deterministic,
    )


def _classifier(options: argparse.Namespace) -> None:
    from gantry.evaluation.features import train_classifier

    train_classifier(options.data, options.out)


def _statistics(options: argparse.Namespace) -> None:
    from gantry.evaluation.features import store_real_statistics

    store_real_statistics(
        options.data, options.network, options.weights, options.out, options.device, options.threads
    )


def _score_run(options: argparse.Namespace) -> None:
    from gantry.evaluation.score import score_run

    score_run(
        options.seal,
        options.data,
        _json(
            options.scoring,
            "--scoring",
            ("metrics", "final_metrics", "samples", "shown", "features", "spec_digest"),
        ),
        after=options.after,
        statistics=options.statistics,
        weights=options.weights,
        metrics_out=options.metrics,
        samples_out=options.samples,
        device=options.device,
        threads=options.threads,
    )


def _table(options: argparse.Namespace) -> None:
    from gantry.report.make import make_table

    out = options.out
    order = _order(options, "table")
    make_table(order, out, out.with_suffix(".md"), out.with_suffix(".tex"))


def _figure(options: argparse.Namespace) -> None:
    from gantry.report.make import make_figure

    order = _order(options, "figure")
    make_figure(order, options.out, options.out.with_suffix(".svg"))


def _claims(options: argparse.Namespace) -> None:
    from gantry.report.make import make_claims

    order = _order(options, "claims")
    make_claims(order, options.out, options.out.with_suffix(".md"))


def _page(options: argparse.Namespace) -> None:
    from gantry.report.make import make_page

    plan = _load(options.config)
    made = {
        f"{paper}/{name}": {
            suffix: Path(plan.results, paper, f"{name}.{suffix}") for suffix in output.suffixes
        }
        for paper, name, output in plan.outputs()
    }
    make_page([plan.order(paper, name) for paper, name, _ in plan.outputs()], made, options.out)


def _order(options: argparse.Namespace, family: str) -> dict[str, Any]:
    """Return the order of the output that the arguments name, which must be of this family."""
    plan = _load(options.config)
    known = [f"{paper} {name}" for paper, name, output in plan.outputs() if output.family == family]
    asked = f"{options.paper} {options.name}"
    if asked not in known:
        raise UserError(
            f"{asked}: no {family} of this name{suggestion(asked, known)}; known: {', '.join(known)}"
        )
    return cast(dict[str, Any], plan.order(options.paper, options.name))


def _score(options: argparse.Namespace) -> None:
    from gantry.evaluation.by_hand import score_by_hand

    def progress(which: str, done: int, total: int) -> None:
        print(f"\r\x1b[K{which}: {done}/{total} images", end="", file=sys.stderr, flush=True)

    scores = score_by_hand(
        options.real,
        options.generated,
        options.network,
        options.weights,
        options.metrics,
        device=options.device,
        intervals=options.intervals,
        progress=progress if sys.stderr.isatty() else None,
    )
    print(json.dumps(scores.as_json(), indent=2) if options.json else scores.table())


def _fetch(options: argparse.Namespace) -> None:
    from gantry.data.fetch import fetch

    plan = _load(options.settings)
    if options.dataset not in plan.datasets:
        near = suggestion(options.dataset, plan.datasets)
        known = ", ".join(sorted(plan.datasets))
        raise UserError(f"unknown data set {options.dataset!r}{near}; known: {known}")
    fetch(plan.datasets[options.dataset], options.dataset, Path(plan.config.data))


# ── arguments ─────────────────────────────────────────────────────────────────────────────────────────


def _load(settings: list[str] | str) -> Any:
    """Return the plan of a JSON configuration, or of config.yaml with `key=value` settings on top."""
    from gantry.plan import load_plan
    from gantry.plan.configuration import with_settings
    from gantry.plan.reading import read_yaml

    if isinstance(settings, str):
        return load_plan(_json(settings, "--config"))
    return load_plan(with_settings(read_yaml(Path("config.yaml"), "config.yaml"), settings))


def _json(text: str, option: str, keys: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON mapping that `option` was given, as text or as @file; it must have all of `keys`."""
    try:
        value = json.loads(Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text)
    except (ValueError, OSError) as error:
        raise UserError(f"{option}: not JSON: {error}; give a mapping, or @ and the name of a file") from None
    if not isinstance(value, dict):
        raise UserError(f"{option}: should be a JSON mapping, not {type(value).__name__}")
    lacking = [key for key in keys if key not in value]
    if lacking:
        raise UserError(f"{option}: without {', '.join(lacking)}; it should have {', '.join(keys)}")
    return value


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return value


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="gantry", description=__doc__.partition("\n")[0] if __doc__ else "")
    verbs = parser.add_subparsers(required=True, metavar="verb")

    def verb(
        name: str, function: Callable[[argparse.Namespace], None], about: str
    ) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about)
        added.set_defaults(verb=function)
        return added

    def step(
        name: str, function: Callable[[argparse.Namespace], None], about: str
    ) -> argparse.ArgumentParser:
        added = verb(name, function, about)
        added.add_argument("--log", type=Path, help="file for the last message")
        return added

    def compute(added: argparse.ArgumentParser) -> None:
        added.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
        added.add_argument("--threads", type=_positive, default=1, help="threads on a CPU")

    add = verb("plan", _plan, "list runs, data, and what they will cost, before anything starts")
    add.add_argument("settings", nargs="*", metavar="key=value", help="as after snakemake's --config")

    add = verb("fetch", _fetch, "download a data set, or say exactly what to get and where to put it")
    add.add_argument("dataset", help="a name of workflow/datasets.yaml")
    add.add_argument("settings", nargs="*", metavar="key=value", help="as after snakemake's --config")

    add = verb("score", _score, "score one set of images against another: folders, arrays, prepared sets")
    add.add_argument("real", type=Path, help="folder, .npy, manifest.json, or stored statistics (.npz)")
    add.add_argument("generated", type=Path, help="folder, .npy or manifest.json")
    add.add_argument("--network", default="inception", help="feature network")
    add.add_argument("--weights", type=Path, help="its weights, where it does not find them by itself")
    add.add_argument(
        "--metrics", nargs="*", default=(), help="by name; all that the sets allow if none is given"
    )
    add.add_argument("--intervals", action="store_true", help="95 %% intervals by bootstrap")
    add.add_argument("--json", action="store_true", help="JSON instead of a table")
    add.add_argument("--device", choices=("cpu", "cuda"), default="cpu")

    add = step("prepare", _prepare, "raw data set → images.npy and its manifest")
    add.add_argument("prepared", help="name of the prepared set: data set and resolution, e.g. celeba-64")
    add.add_argument("--config", required=True, help="JSON: the configuration")
    add.add_argument("--out", type=Path, required=True, help="manifest.json to write")
    add.add_argument("--workers", type=_positive, default=1)

    add = step("train", _train, "train one run up to an iteration, resuming from its state")
    add.add_argument("--spec", required=True, help="JSON: recipe, dataset, seed, checkpoint_every")
    add.add_argument("--data", type=Path, required=True, help="manifest of the prepared set")
    add.add_argument("--until", type=_positive, required=True, help="iteration to reach")
    add.add_argument("--seal", type=Path, required=True, help="seal to write, in the run's folder")
    add.add_argument("--deterministic", action="store_true", help="the same bits in every run on a GPU too")
    compute(add)

    add = step("classifier", _classifier, "train the embedded feature network on labelled sets")
    add.add_argument("--data", type=Path, nargs="+", required=True, help="manifests of prepared sets")
    add.add_argument("--out", type=Path, required=True)

    add = step("statistics", _statistics, "statistics of a prepared set under a feature network")
    add.add_argument("--data", type=Path, required=True, help="manifest of the prepared set")
    add.add_argument("--network", required=True)
    add.add_argument("--weights", type=Path, nargs="?")
    add.add_argument("--out", type=Path, required=True)
    compute(add)

    add = step("score-run", _score_run, "sample and score the checkpoints that a seal lists")
    add.add_argument("--seal", type=Path, required=True)
    add.add_argument("--data", type=Path, required=True, help="manifest of the prepared set")
    add.add_argument("--scoring", required=True, help="JSON: metrics, samples, shown, features, spec_digest")
    add.add_argument("--after", type=int, default=0, help="leave out checkpoints up to this iteration")
    add.add_argument("--statistics", type=Path, nargs="?", help="stored statistics of the real images")
    add.add_argument("--weights", type=Path, nargs="?", help="weights of the feature network")
    add.add_argument("--metrics", type=Path, required=True, help="CSV to write")
    add.add_argument("--samples", type=Path, required=True, help=".npz to write")
    compute(add)

    for name, function, about in (
        ("table", _table, "one table as CSV, Markdown and LaTeX"),
        ("figure", _figure, "one figure as PNG and SVG"),
        ("claims", _claims, "the paper's statements, checked, as CSV and Markdown"),
    ):
        add = step(name, function, about)
        add.add_argument("paper")
        add.add_argument("name")
        add.add_argument("--config", required=True, help="JSON: the configuration")
        add.add_argument(
            "--out", type=Path, required=True, help="first file to write; the others lie beside it"
        )

    add = step("page", _page, "everything on one page, report.html")
    add.add_argument("--config", required=True, help="JSON: the configuration")
    add.add_argument("--out", type=Path, required=True)
    return parser


if __name__ == "__main__":
    main()
