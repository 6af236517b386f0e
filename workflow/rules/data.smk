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


rule label:
    """Infer the labels that a GAN is trained on, from few known ones or by clusters."""
    input:
        noticed,
        manifest="<prepared>/{prepared}/manifest.json",
    output:
        labels="<prepared>/{prepared}/labels-{inferred}.npy",
        record="<prepared>/{prepared}/labels-{inferred}.record.json",
    log:
        "<prepared>/{prepared}/labels-{inferred}.log",
    threads: THREADS
    params:
        told=lambda w, output: canonical_json(PLAN.inference(output.labels)),
    shell:
        "gantry label --data {input.manifest:q} --told {params.told:q} --out {output.labels:q}"
        " --threads {threads} --log {log:q}"
