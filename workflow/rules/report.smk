# Metrics of many runs → tables, figures, one page.


def inputs_of(wildcards):
    return PLAN.inputs_of(wildcards.paper, wildcards.name)


def about(wildcards):
    """Title and notes of an output, beside it in Snakemake's report."""
    return notes.labels(report_specs.report_spec(PLAN, wildcards.paper, wildcards.name))


rule table:
    input:
        noticed,
        inputs_of,
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
        record="<here>/{paper}/{name}.record.json",
    log:
        "<here>/{paper}/{name}.log",
    wildcard_constraints:
        name=PLAN.name_pattern("table"),
    params:
        spec=lambda w: report_specs.report_spec_digest(PLAN, w.paper, w.name),
    shell:
        "gantry table {wildcards.paper} {wildcards.name} --plan {PLAN_FILE:q} --out {output.csv:q} --log {log:q}"


rule figure:
    input:
        noticed,
        inputs_of,
    output:
        png=report(
            "<here>/{paper}/{name}.png",
            caption="../report/figure.rst",
            category="{paper}",
            subcategory="figures",
            labels=about,
        ),
        svg="<here>/{paper}/{name}.svg",
        record="<here>/{paper}/{name}.record.json",
    log:
        "<here>/{paper}/{name}.log",
    wildcard_constraints:
        name=PLAN.name_pattern("figure"),
    params:
        spec=lambda w: report_specs.report_spec_digest(PLAN, w.paper, w.name),
    shell:
        "gantry figure {wildcards.paper} {wildcards.name} --plan {PLAN_FILE:q} --out {output.png:q} --log {log:q}"


rule claims:
    input:
        noticed,
        inputs_of,
    output:
        csv=report(
            "<here>/{paper}/{name}.csv",
            caption="../report/claims.rst",
            category="{paper}",
            subcategory="claims",
            labels=about,
        ),
        md="<here>/{paper}/{name}.md",
        record="<here>/{paper}/{name}.record.json",
    log:
        "<here>/{paper}/{name}.log",
    wildcard_constraints:
        name=PLAN.name_pattern("claims"),
    params:
        spec=lambda w: report_specs.report_spec_digest(PLAN, w.paper, w.name),
    shell:
        "gantry claims {wildcards.paper} {wildcards.name} --plan {PLAN_FILE:q} --out {output.csv:q} --log {log:q}"


rule page:
    input:
        noticed,
        PLAN.inputs_of_page(),
    output:
        html="<here>/report.html",
        record="<here>/report.record.json",
    log:
        "<here>/report.log",
    params:
        specs=report_specs.report_specs_digest(PLAN),
    shell:
        "gantry page --plan {PLAN_FILE:q} --out {output.html:q} --log {log:q}"
