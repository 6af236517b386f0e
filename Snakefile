# Gantry: from raw data to the papers' tables and curves. This file is the map; see workflow/rules.
from snakemake.utils import min_version

from gantry.plan.places import configuration_file

min_version("9.20")
# The working directory's config.yaml, or the one beside this file.
CONFIGURATION = configuration_file(
    workflow.current_basedir.get_path_or_uri(secret_free=True)
)


configfile: CONFIGURATION


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


onstart:
    require_readiness(workflow.dag.needrun_jobs())
    show_jobs(workflow.dag.needrun_jobs())
    write_plan()


onsuccess:
    workflows.end()


onerror:
    workflows.end()


rule all:
    """Make every table, figure and list of claims that the configuration asks for, and the page."""
    input:
        PLAN.output_files(),
        "<here>/report.html",


for paper in PLAN.experiments:

    rule:
        """Make the outputs of one paper."""
        name:
            paper
        input:
            PLAN.output_files(paper),
        localrule: True


# Files that the command line spells in another way than the plan: with // or through a link, say.
for target, file in steps.spelled_otherwise(PLAN, sys.argv[1:]).items():

    rule:
        """Make a file that the command line spells in another way."""
        name:
            target
        input:
            file,
        localrule: True
