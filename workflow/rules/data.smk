# Raw data → prepared sets.


rule prepare:
    """Crop and resize a data set to arrays that training maps into memory, with a manifest."""
    input:
        noticed,
    output:
        manifest="<prepared>/{prepared}/manifest.json",
    log:
        "<prepared>/{prepared}/prepare.log",
    threads: workflow.cores if PLAN.device == "cuda" else 1
    params:
        plan=planned,
        identity=lambda w: canonical_json(PLAN.preparation(w.prepared)),
    shell:
        "gantry prepare {wildcards.prepared} --plan {params.plan:q} --out {output.manifest:q} --workers {threads} --log {log:q}"
