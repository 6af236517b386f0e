"""The steps of a plan: which files each makes of which others, and what each is told.

Snakemake's rules say the same with wildcards. Here it is said without Snakemake, for those who look at the files
alone: whatever was made of other inputs or settings, or is damaged, is found without Snakemake's memory.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gantry.files import digest_of, read_mapping
from gantry.plan.plan import Plan
from gantry.plan.report_specs import report_spec_digest, report_specs_digest
from gantry.plan.runs import is_of_data
from gantry.runs.outputs import is_current
from gantry.runs.paths import canonical
from gantry.runs.record import is_whole


@dataclass(frozen=True)
class Step:
    """One job: the files it makes, the files it reads, and the digest of what it is told.

    `rule` is the rule's name. `reads_training` says that of run records it reads what was trained, not by whom.
    """

    rule: str
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    told: str = ""
    reads_training: bool = False

    @property
    def is_there(self) -> bool:
        """Whether all of its files exist."""
        return all(Path(output).is_file() for output in self.outputs)


def preparations(plan: Plan) -> Iterator[Step]:
    """The steps that prepare data sets."""
    for name in plan.prepared_sets():
        yield Step("prepare", (f"{plan.prepared_root}/{name}/manifest.json",), ())


def trainings(plan: Plan) -> Iterator[Step]:
    """The steps that train a segment of a run."""
    for run in plan.runs.values():
        for end in run.ends:
            inputs = (
                plan.manifest(run),
                *plan.inferred_labels(run),
                *plan.training_weights(run),
                *plan.previous_record(run, end),
            )
            yield Step("train", (plan.record(run, end),), inputs, run.spec_digest)


def others(plan: Plan) -> Iterator[Step]:
    """The steps that leave a record beside what they make: all but preparation and training."""
    if plan.uses_embedded:
        weights = tuple(plan.feature_weights("embedded"))
        yield Step("classifier", weights, tuple(plan.embedded_manifests()), classifier_told())
    shared: dict[str, Step] = {}
    for run in plan.runs.values():
        for file in plan.inferred_labels(run):
            told = digest_of(run.recipe.method.inferred)
            shared[file] = Step("label", (file,), (plan.manifest(run),), told)
        weights = tuple(plan.feature_weights()) if run.workload.resolution else ()
        stored, manifest = plan.real_statistics(run), plan.manifest(run)
        for file in stored:
            shared[file] = Step(
                "real_statistics", (file,), (manifest, *weights), statistics_told(plan.features)
            )
        for end in run.ends:
            yield Step(
                "score",
                (plan.metrics(run, end), plan.samples(run, end)),
                (plan.record(run, end), manifest, *stored, *weights),
                plan.scoring_digest(run, end),
                reads_training=True,
            )
    yield from shared.values()
    for paper, name, output in plan.outputs():
        files, inputs = plan.files_of(paper, name), plan.inputs_of(paper, name)
        yield Step(output.family, tuple(files), tuple(inputs), report_spec_digest(plan, paper, name))
    page = f"{plan.results}/report.html"
    yield Step("page", (page,), tuple(plan.inputs_of_page()), report_specs_digest(plan))


def classifier_told() -> str:
    """What the training of the embedded classifier is told: nothing but its data."""
    return digest_of("classifier")


def statistics_told(network: str) -> str:
    """What the statistics of real images are told: the feature network."""
    return digest_of({"network": network})


def needed(plan: Plan, targets: Iterable[str]) -> list[Step]:
    """The steps that `targets` rest on: files, papers, rules, or everything if there is none."""
    steps = [*preparations(plan), *trainings(plan), *others(plan)]
    maker = {file: step for step in steps for file in step.outputs}
    wanted: set[str] = set()
    for target in list(targets) or ["all"]:
        if target == "all":
            wanted |= set(maker)
        elif target in plan.experiments:
            wanted |= set(plan.output_files(target))
        else:
            wanted |= {file for step in steps if step.rule == target for file in step.outputs} or {
                canonical(target)
            }
    found: dict[Step, None] = {}
    pending = [maker[file] for file in wanted if file in maker]
    while pending:
        step = pending.pop()
        if step not in found:
            found[step] = None
            pending += [maker[file] for file in step.inputs if file in maker]
    return [step for step in steps if step in found]


def prepared_by(steps: Iterable[Step]) -> set[str]:
    """The names of the prepared sets that these steps make."""
    return {Path(step.outputs[0]).parent.name for step in steps if step.rule == "prepare"}


def spelled_otherwise(plan: Plan, words: Iterable[str]) -> dict[str, str]:
    """Those words of a command line that name a file of the plan in another spelling than the plan's → the file."""
    files = {file for step in (*preparations(plan), *trainings(plan), *others(plan)) for file in step.outputs}
    found = {word: canonical(word) for word in words if "/" in word}
    return {word: file for word, file in found.items() if file in files and word not in files}


def stale(steps: Iterable[Step]) -> list[str]:
    """The first files of those steps whose files are there but of other inputs or settings, or damaged.

    Preparations are not looked at here: see `raw`.
    """
    found = []
    for step in steps:
        if step.rule == "prepare" or not step.is_there:
            continue
        inputs = [Path(file) for file in step.inputs]
        if step.rule == "train":
            current = _is_of(Path(step.outputs[0]), step.told, inputs[0])
        else:
            files = [Path(output) for output in step.outputs]
            current = is_current(files, inputs, step.told, of_training=step.reads_training)
        if not current:
            found.append(step.outputs[0])
    return found


def stale_text(files: Sequence[str], shown: int = 3) -> str:
    """Say that these files are made again."""
    more = f" and {len(files) - shown} more" if len(files) > shown else ""
    return f"of other settings or inputs, or damaged, and made again: {', '.join(files[:shown])}{more}"


def _is_of(record: Path, spec_digest: str, manifest: Path) -> bool:
    """Whether a run record is whole, of this spec, and of the data that the manifest describes, if it is there."""
    found = read_mapping(record)
    if not is_whole(found) or found.get("spec_digest") != spec_digest:
        return False
    return is_of_data(found, read_mapping(manifest), found.get("spec", {}))
