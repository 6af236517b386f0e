# Gantry: from raw data to the papers' tables and curves. This file is the map; see workflow/rules.


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


onstart:
    require_data(workflow.dag.needrun_jobs())
    show_jobs(workflow.dag.needrun_jobs())
    write_plan()


onsuccess:
    workflows.end()


onerror:
    workflows.end()


rule all:
    input:
        PLAN.output_files(),
        "<here>/report.html",


for paper in PLAN.experiments:

    rule:
        name:
            paper
        input:
            PLAN.output_files(paper),
        localrule: True


# Files that the command line spells in another way than the plan: with // or through a link, say.
for target, file in steps.spelled_otherwise(PLAN, sys.argv[1:]).items():

    rule:
        name:
            target
        input:
            file,
        localrule: True
