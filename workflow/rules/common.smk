# The plan, read once, and what the rules ask of it.
import atexit
import os
import subprocess
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gantry.errors import UserError
from gantry.files import canonical_json, write_text
from gantry.plan import (
    load_plan,
    load_planned,
    preflight,
    report_specs,
    resources as needs,
    steps,
    targets,
)
from gantry.plan.layering import with_settings
from gantry.plan.costs import cost_of
from gantry.plan.estimate import training_seconds
from gantry.plan.raw import differences
from gantry.plan.reading import read_yaml
from gantry.progress import advice
from gantry.progress.channel import send
from gantry.report import notes
from gantry.system import workflows
from gantry.system.orphans import be_watched
from gantry.system.switches import SWITCHES

PLANNED = "GANTRY_PLAN"
# Another workflow may use this one as a module: then the configuration is what it gives, and --config is its own.
IS_MAIN = workflow.modifier.is_main_snakefile()
IS_DRY = workflow.output_settings.dryrun
# The folder of the Snakefile, if it is not somewhere on the web.
BESIDE = Path(
    str(workflow.current_basedir.get_path_or_uri(secret_free=True))
).parent.parent

try:
    if workflow.remote_exec and PLANNED in os.environ:
        # A job on another machine: its files and parameters are those of the plan as it was made.
        PLAN = load_planned(Path(os.environ[PLANNED]))
    else:
        for each in workflow.configfiles if IS_MAIN else ():
            read_yaml(Path(each), each)  # Snakemake would let a key be given twice
        # Snakemake reads the numbers inside --config 'workloads={…}' as words; here they are numbers.
        settings = workflow.config_settings.config_args if IS_MAIN else None
        PLAN = load_plan(
            with_settings(config, settings or []),
            beside=BESIDE,
            quiet=not workflow.is_main_process,
        )
        PLAN.refuse_former_results()
except UserError as error:
    sys.exit(f"gantry: {error}")

advice.explain_targets(lambda asked: targets.unknown_target(PLAN, asked))
be_watched()
# Before Snakemake looks for locks: those of one that was killed go.
if workflow.is_main_process and not IS_DRY:
    workflows.begin(workflows.unlock_folder)
    atexit.register(workflows.end)
workflows.equip(
    {PLANNED: os.path.abspath(PLAN.place)},
    PLAN.device,
    is_main=workflow.is_main_process,
    is_remote=workflow.remote_exec,
)

# What jobs are told of instead of the configuration: its files may change while they wait.
PLAN_FILE = PLAN.place
if workflow.is_main_process:
    send({"page": f"{PLAN.results}/report.html"})
GPUS = 1 if PLAN.device == "cuda" else 0
# With several runs a GPU, `gpu` counts shares of GPUs; a job that asks for 1 takes the whole of one otherwise.
DEVICE = f"--device {PLAN.device} --runs-per-gpu {PLAN.config.runs_per_gpu}"
WATCH = " ".join(f"--{service}" for service in PLAN.config.watch)
TRAINS = ("deterministic", *SWITCHES)
FLAGS = " ".join(
    [
        WATCH,
        *(
            f"--{each.replace('_', '-')}"
            for each in TRAINS
            if getattr(PLAN.config, each)
        ),
    ]
)
THREADS = 1 if PLAN.device == "cpu" else 4


pathvars:
    prepared=PLAN.prepared_root,
    here=PLAN.results,


wildcard_constraints:
    prepared="|".join(PLAN.prepared_sets()) or "none",
    paper="|".join(PLAN.experiments) or "none",
    dataset="[^/]+",
    recipe="[^/]+",
    seed="[0-9]+",
    digest="[0-9a-f]{16}",
    scoring="[0-9a-f]{8}",
    end="[0-9]+",
    inferred="[0-9a-f]{8}",


# Seconds each: on a cluster they run beside Snakemake, not as jobs.
localrules:
    all,
    table,
    figure,
    claims,
    page,


def planned(wildcards, input):
    """The plan. A function of `input`, which Snakemake does not take for a change of what a job is told."""
    return PLAN_FILE


def computing(wildcards, input):
    """Where to compute, which changes no result; a function of `input` for the same reason."""
    return DEVICE


def inputs_of(wildcards):
    """What a table, a figure or a list of claims is made of."""
    return PLAN.inputs_of(wildcards.paper, wildcards.name)


def about(wildcards):
    """Title and notes of an output, beside it in Snakemake's report."""
    return notes.labels(report_specs.report_spec(PLAN, wildcards.paper, wildcards.name))


def run_of(wildcards):
    """The run that a job's wildcards name."""
    return PLAN.run(
        wildcards.dataset, wildcards.recipe, wildcards.seed, wildcards.digest
    )


BEGUN = []


def noticed(wildcards):
    """No input. But asked for the first, when Snakemake knows what is wanted, it begins: see `begin`."""
    if not BEGUN and workflow.is_main_process:
        BEGUN.append(True)
        if not IS_MAIN and not IS_DRY:
            write_plan()  # a module's onstart is never called
        begin()
    return []


def begin():
    """Have files made again that are of other settings or inputs than the plan's, or damaged, whatever Snakemake
    remembers of them; refuse what cannot be.
    """
    if not IS_DRY and (workflow.non_local_exec or PLAN.config.runs_per_gpu > 1):
        # What a job asks for is estimated from what its run computes and holds; counting takes PyTorch.
        write_plan()
        subprocess.run(
            [sys.executable, "-m", "gantry.cli", "count", "--plan", PLAN_FILE]
        )
    wanted = steps.needed(PLAN, workflow.dag_settings.targets)
    try:
        changed = differences(PLAN, steps.prepared_by(wanted))
    except UserError as error:
        raise WorkflowError(f"gantry: {error}")
    for each in changed:
        print(f"gantry: {each}", file=sys.stderr)
    stale = steps.stale(wanted)
    if stale:
        print(f"gantry: {steps.stale_text(stale)}", file=sys.stderr)
    workflow.dag.forcefiles.update(stale, (each.manifest for each in changed))
    if said := preflight.done_already(wanted):
        print(f"gantry: {said}", file=sys.stderr)
    if IS_DRY:
        announce([step for step in wanted if not step.is_there])


def write_plan():
    """Write the plan that the jobs are told of."""
    if not Path(PLAN_FILE).exists():
        write_text(Path(PLAN_FILE), PLAN.sources)


def announce(to_do):
    """Say what stands in the way of these steps, with what removes it; return whether anything does."""
    is_here = IS_DRY or workflow.executor_plugin.common_settings.local_exec
    found = preflight.obstacles(PLAN, preflight.work_of(PLAN, to_do), here=is_here)
    for each in found:
        print(f"gantry: {each}", file=sys.stderr)
    return bool(found)


def estimated(job):
    """What the terminal is told of a job: its rule; of training also the seconds that its segment is estimated to
    take, the workload, and the iterations.
    """
    if job.rule.name != "train":
        return [job.rule.name]
    run, end = run_of(job.wildcards), int(job.wildcards.end)
    iterations = end - run.previous_end(end)
    whole = training_seconds(run, cost_of(PLAN, run), PLAN.device)
    return [
        "train",
        whole * iterations / max(run.ends),
        run.recipe.workload,
        iterations,
    ]


def show_jobs(jobs):
    """Let the terminal know what is to be done, how much at once, and where the page will be."""
    known = {workflow.dag.jobid(job): estimated(job) for job in jobs}
    page = any(rule == "page" for rule, *_ in known.values())
    # On GPUs, or a cluster, it is seen how many go at once.
    is_by_core = PLAN.device == "cpu" and not workflow.non_local_exec
    lanes = workflow.cores if is_by_core else 1
    send({"jobs": known, "makes_page": page, "lanes": lanes})


def require_readiness(jobs):
    """Stop before any job runs if something stands in the way of one of them."""
    files = {str(file) for job in jobs for file in job.output}
    if announce(
        step for step in preflight.all_steps(PLAN) if files.intersection(step.outputs)
    ):
        sys.exit("gantry: nothing was started")
