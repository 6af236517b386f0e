# Checkpoints → samples → metrics.


rule classifier:
    """Train the small classifier whose features stand in for the Inception's on a CPU."""
    input:
        noticed,
        manifests=PLAN.embedded_manifests(),
    output:
        weights="<prepared>/embedded-classifier.safetensors",
        record="<prepared>/embedded-classifier.record.json",
    log:
        "<prepared>/embedded-classifier.log",
    threads: 1
    shell:
        "gantry classifier --data {input.manifests:q} --out {output.weights:q} --log {log:q}"


rule real_statistics:
    """Store mean and covariance of the real images' features."""
    input:
        noticed,
        manifest="<prepared>/{prepared}/manifest.json",
        weights=PLAN.feature_weights(),
    output:
        statistics="<prepared>/{prepared}/statistics-{features}.npz",
        record="<prepared>/{prepared}/statistics-{features}.record.json",
    log:
        "<prepared>/{prepared}/statistics-{features}.log",
    threads: THREADS
    resources:
        gpu=GPUS,
    params:
        device=computing,
        network=PLAN.features,
    shell:
        "gantry statistics --data {input.manifest:q} --network {params.network} --weights {input.weights:q}"
        " --out {output.statistics:q} {params.device} --threads {threads} --log {log:q}"


rule score:
    """Sample every checkpoint of a segment and compute its metrics."""
    input:
        noticed,
        record="<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/record-{end}.json",
        manifest=lambda w: PLAN.manifest(run_of(w)),
        statistics=lambda w: PLAN.real_statistics(run_of(w)),
        weights=lambda w: (
            PLAN.feature_weights() if run_of(w).workload.resolution else []
        ),
    output:
        metrics="<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/metrics-{end}-{scoring}.csv",
        samples="<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/samples-{end}-{scoring}.npz",
        record="<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/metrics-{end}-{scoring}.record.json",
    log:
        "<here>/runs/{dataset}/{recipe}/seed{seed}/{digest}/score-{end}-{scoring}.log",
    threads: THREADS
    resources:
        gpu=GPUS,
        mem_mb=lambda w, attempt: needs.scoring_mb(PLAN, run_of(w), attempt),
        runtime=lambda w, attempt: needs.scoring_minutes(
            PLAN, run_of(w), int(w.end), attempt
        ),
    params:
        device=computing,
        watch=lambda w, input: WATCH,
        scoring=lambda w: canonical_json(PLAN.scoring(run_of(w))),
        after=lambda w: run_of(w).previous_end(int(w.end)),
    shell:
        "gantry score-run --record {input.record:q} --data {input.manifest:q} --scoring {params.scoring:q}"
        " --after {params.after} --statistics {input.statistics:q} --weights {input.weights:q}"
        " --metrics {output.metrics:q} --samples {output.samples:q}"
        " {params.device} --threads {threads} {params.watch} --log {log:q}"
