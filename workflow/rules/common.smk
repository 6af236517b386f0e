# The plan, read once, and what the rules ask of it.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gantry.system.orphans import be_watched, release_stale_locks
from gantry.earlier import put_aside, put_back
from gantry.errors import UserError
from gantry.files import canonical_json
from gantry.plan import load_plan, orders, resources as needs
from gantry.plan.layering import with_settings
from gantry.plan.reading import read_yaml
from gantry.report import notes

try:
    for each in workflow.configfiles:
        read_yaml(Path(each), each)  # Snakemake would let a key be given twice
    # Snakemake reads the numbers inside --config 'workloads={…}' as words; here they are numbers.
    GIVEN = with_settings(config, workflow.config_settings.config_args or [])
    PLAN = load_plan(GIVEN)
except UserError as error:
    sys.exit(f"gantry: {error}")

be_watched()
# The steps are those of this installation, whether or not its environment is activated.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
if workflow.is_main_process and release_stale_locks():
    put_back(PLAN)

# Short jobs on a CPU share one process that has imported everything; GANTRY_FORKSERVER=0 turns it off. On a
# cluster it would be the process of another job.
if "GANTRY_WARM" in os.environ and workflow.is_main_process:
    print("gantry: GANTRY_WARM is called GANTRY_FORKSERVER now", file=sys.stderr)
os.environ.setdefault(
    "GANTRY_FORKSERVER",
    os.environ.get("GANTRY_WARM", "1" if PLAN.device == "cpu" else "0"),
)
if workflow.remote_exec:
    os.environ["GANTRY_FORKSERVER"] = "0"

CONFIG = canonical_json(GIVEN)
GPUS = 1 if PLAN.device == "cuda" else 0
# With several runs a GPU, `gpu` counts shares of GPUs; a job that asks for 1 takes the whole of one otherwise.
DEVICE = f"--device {PLAN.device} --runs-per-gpu {PLAN.config.runs_per_gpu}"
EXACT = "--deterministic" if PLAN.config.deterministic else ""
EVENTS = "--tensorboard" if PLAN.config.tensorboard else ""
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
    end="[0-9]+",


# Seconds each: on a cluster they run beside Snakemake, not as jobs.
localrules:
    all,
    table,
    figure,
    claims,
    page,


def run_of(wildcards):
    """The run that a job's wildcards name."""
    return PLAN.run(wildcards.dataset, wildcards.recipe, wildcards.seed)


ANNOUNCED = set()


def announce(missing):
    """Say, once each, which data sets are missing and how to get them."""
    for each in missing:
        if each.name not in ANNOUNCED:
            ANNOUNCED.add(each.name)
            print(f"gantry: {each}", file=sys.stderr)


def raw_data(wildcards):
    """No input that Snakemake should watch; but a dry run, too, says at once what is missing."""
    if not Path(PLAN.prepared_root, wildcards.prepared, "manifest.json").exists():
        announce(PLAN.missing_for([wildcards.prepared]))
    return []


def require_data(jobs):
    """Stop before any job runs if a set that is to be prepared has no raw data."""
    missing = PLAN.missing_for(
        job.wildcards.prepared for job in jobs if job.rule.name == "prepare"
    )
    announce(missing)
    if missing:
        names = ", ".join(each.name for each in missing)
        raise WorkflowError(
            f"gantry: nothing was started: data sets are missing, see above: {names}"
        )
