# Raw data → prepared sets.


rule prepare:
    input:
        noticed,
        raw_data,
    output:
        manifest="<prepared>/{prepared}/manifest.json",
    log:
        "<prepared>/{prepared}/prepare.log",
    threads: workflow.cores if PLAN.device == "cuda" else 1
    params:
        identity=lambda w: canonical_json(PLAN.preparation(w.prepared)),
    shell:
        "gantry prepare {wildcards.prepared} --plan {PLAN_FILE:q} --out {output.manifest:q} --workers {threads} --log {log:q}"
