# The plan, read once, and what the rules ask of it.
import sys

from gantry.errors import UserError
from gantry.plan import load_plan, to_json

try:
    PLAN = load_plan(config)
except UserError as error:
    sys.exit(f"gantry: {error}")

if workflow.dryrun:
    for each in PLAN.missing():
        print(f"gantry: {each}", file=sys.stderr)

CONFIG = to_json(config)
GPUS = 1 if PLAN.device == "cuda" else 0
DEVICE = PLAN.device
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
