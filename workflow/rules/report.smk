# Metrics of many runs → tables, figures, one page.


rule table:
    """Put the papers' numbers and ours side by side: CSV, Markdown and LaTeX."""
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
        plan=planned,
        spec=lambda w: report_specs.report_spec_digest(PLAN, w.paper, w.name),
    shell:
        "gantry table {wildcards.paper} {wildcards.name} --plan {params.plan:q} --out {output.csv:q} --log {log:q}"


rule figure:
    """Draw one figure: PNG and SVG."""
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
        plan=planned,
        spec=lambda w: report_specs.report_spec_digest(PLAN, w.paper, w.name),
    shell:
        "gantry figure {wildcards.paper} {wildcards.name} --plan {params.plan:q} --out {output.png:q} --log {log:q}"


rule claims:
    """Hold the paper's statements against our runs: CSV and Markdown."""
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
        plan=planned,
        spec=lambda w: report_specs.report_spec_digest(PLAN, w.paper, w.name),
    shell:
        "gantry claims {wildcards.paper} {wildcards.name} --plan {params.plan:q} --out {output.csv:q} --log {log:q}"


rule page:
    """Put everything on one page that works offline."""
    input:
        noticed,
        PLAN.inputs_of_page(),
    output:
        html="<here>/report.html",
        record="<here>/report.record.json",
    log:
        "<here>/report.log",
    params:
        plan=planned,
        specs=report_specs.report_specs_digest(PLAN),
    shell:
        "gantry page --plan {params.plan:q} --out {output.html:q} --log {log:q}"
