# Raw data → prepared sets.


rule prepare:
    output:
        manifest="<prepared>/{prepared}/manifest.json",
    log:
        "<prepared>/{prepared}/prepare.log",
    threads: workflow.cores if PLAN.device == "cuda" else 1
    params:
        dataset=lambda w: PLAN.preparation(w.prepared),
    shell:
        "gantry prepare --dataset {params.dataset:q} --out {output.manifest} --workers {threads} --log {log}"
