# The plan, read once, and what the rules ask of it.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from gantry.errors import UserError
from gantry.plan import load_plan, to_json
from gantry.plan.reading import read_yaml

try:
    for each in workflow.configfiles:
        read_yaml(Path(each), each)  # Snakemake would let a key be given twice
    PLAN = load_plan(config)
except UserError as error:
    sys.exit(f"gantry: {error}")

if workflow.dryrun:
    for each in PLAN.missing():
        print(f"gantry: {each}", file=sys.stderr)

# Short jobs on a CPU share one process that has imported everything; GANTRY_WARM=0 turns it off.
os.environ.setdefault("GANTRY_WARM", "1" if PLAN.device == "cpu" else "0")

CONFIG = to_json(config)
GPUS = 1 if PLAN.device == "cuda" else 0
DEVICE = PLAN.device
EXACT = "--deterministic" if PLAN.config.deterministic else ""
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


localrules:
    all,


def run_of(wildcards):
    """The run that a job's wildcards name."""
    return PLAN.run(wildcards.dataset, wildcards.recipe, wildcards.seed)


def require_data(jobs):
    """Stop before any job runs if a set that is to be prepared has no raw data."""
    try:
        PLAN.require_data(
            job.wildcards.prepared for job in jobs if job.rule.name == "prepare"
        )
    except UserError as error:
        raise WorkflowError(f"gantry: {error}") from None
