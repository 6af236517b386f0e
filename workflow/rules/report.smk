# Metrics of many runs → tables, figures, one page.


def records_of(wildcards):
    return PLAN.run_files(
        PLAN.output(wildcards.paper, wildcards.name), "record-{end}.json"
    )


def metrics_of(wildcards):
    return PLAN.run_files(
        PLAN.output(wildcards.paper, wildcards.name), "metrics-{end}.csv"
    )


def samples_of(wildcards):
    return PLAN.run_files(
        PLAN.output(wildcards.paper, wildcards.name), "samples-{end}.npz"
    )


def about(wildcards):
    """Title and notes of an output, beside it in Snakemake's report."""
    return notes.labels(orders.order(PLAN, wildcards.paper, wildcards.name))


rule table:
    input:
        records=records_of,
        metrics=metrics_of,
        published=lambda w: PLAN.published(w.paper, w.name),
    output:
        csv=report(
            "<here>/{paper}/{name}.csv",
            caption="../report/table.rst",
            category="{paper}",
            subcategory="tables",
            labels=about,
        ),
        md="<here>/{paper}/{name}.md",
        tex="<here>/{paper}/{name}.tex",
    log:
        "<here>/{paper}/{name}.log",
    wildcard_constraints:
        name=PLAN.name_pattern("table"),
    params:
        order=lambda w: orders.order_digest(PLAN, w.paper, w.name),
    shell:
        "gantry table {wildcards.paper} {wildcards.name} --config {CONFIG:q} --out {output.csv:q} --log {log:q}"


rule figure:
    input:
        records=records_of,
        metrics=metrics_of,
        samples=samples_of,
    output:
        png=report(
            "<here>/{paper}/{name}.png",
            caption="../report/figure.rst",
            category="{paper}",
            subcategory="figures",
            labels=about,
        ),
        svg="<here>/{paper}/{name}.svg",
    log:
        "<here>/{paper}/{name}.log",
    wildcard_constraints:
        name=PLAN.name_pattern("figure"),
    params:
        order=lambda w: orders.order_digest(PLAN, w.paper, w.name),
    shell:
        "gantry figure {wildcards.paper} {wildcards.name} --config {CONFIG:q} --out {output.png:q} --log {log:q}"


rule claims:
    input:
        records=records_of,
        metrics=metrics_of,
    output:
        csv=report(
            "<here>/{paper}/{name}.csv",
            caption="../report/claims.rst",
            category="{paper}",
            subcategory="claims",
            labels=about,
        ),
        md="<here>/{paper}/{name}.md",
    log:
        "<here>/{paper}/{name}.log",
    wildcard_constraints:
        name=PLAN.name_pattern("claims"),
    params:
        order=lambda w: orders.order_digest(PLAN, w.paper, w.name),
    shell:
        "gantry claims {wildcards.paper} {wildcards.name} --config {CONFIG:q} --out {output.csv:q} --log {log:q}"


rule page:
    input:
        PLAN.output_files(),
    output:
        "<here>/report.html",
    log:
        "<here>/report.log",
    params:
        orders=orders.orders_digest(PLAN),
    shell:
        "gantry page --config {CONFIG:q} --out {output:q} --log {log:q}"
