# Raw data → prepared sets.


rule prepare:
    input:
        raw_data,
    output:
        manifest="<prepared>/{prepared}/manifest.json",
    log:
        "<prepared>/{prepared}/prepare.log",
    threads: workflow.cores if PLAN.device == "cuda" else 1
    params:
        identity=lambda w: canonical_json(PLAN.preparation(w.prepared)),
    shell:
        "gantry prepare {wildcards.prepared} --config {CONFIG:q} --out {output.manifest:q} --workers {threads} --log {log:q}"
