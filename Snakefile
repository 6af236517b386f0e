# Gantry: from raw data to the papers' tables and curves. This file is the map; see workflow/rules.


configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


onstart:
    require_data(workflow.dag.needrun_jobs())
    put_aside(
        PLAN, (file for job in workflow.dag.needrun_jobs() for file in job.output)
    )


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
