# Prepared set → trained generators. The declared output is the record; what it lists lies beside it, where
# Snakemake deletes nothing.


rule train:
    """Train a run up to the end of a segment; stopped anywhere, it goes on from its saved state."""
    input:
        noticed,
        manifest=lambda w: PLAN.manifest(run_of(w)),
        labels=lambda w: PLAN.inferred_labels(run_of(w)),
        weights=lambda w: PLAN.training_weights(run_of(w)),
        previous=lambda w: PLAN.previous_record(run_of(w), int(w.end)),
    output:
        record="<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/record-{end}.json",
    log:
        "<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/train-{end}.log",
    threads: lambda w: THREADS * run_of(w).recipe.processes
    resources:
        gpu=lambda w: needs.training_gpus(PLAN, run_of(w)),
        mem_mb=lambda w: needs.training_mb(PLAN, run_of(w)),
        runtime=lambda w: needs.training_minutes(PLAN, run_of(w), int(w.end)),
    params:
        device=computing,
        flags=lambda w, input: FLAGS,
        spec=lambda w: canonical_json(run_of(w).spec),
    shell:
        "gantry train --spec {params.spec:q} --data {input.manifest:q} --until {wildcards.end}"
        " --record {output.record:q} --weights {input.weights:q} {params.device} --gpu-shares {resources.gpu} --threads {threads}"
        " {params.flags} --log {log:q}"
