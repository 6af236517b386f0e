"""Orders: what the report is told of each table, figure or list of claims, all of it plain data."""

from typing import Any

from gantry.files import digest_of
from gantry.plan.configuration import Output
from gantry.plan.plan import Plan


def order(plan: Plan, paper: str, name: str) -> dict[str, Any]:
    """What the report needs to know to make one output; KeyError if no experiment describes it.

    `gantry.report.specs` reads it.
    """
    output = plan.output(paper, name)
    groups = [
        _group(plan, output, dataset, recipe, label)
        for block in output.runs
        for dataset in block.datasets
        for recipe, label in block.recipes.items()
    ]
    first = plan.workload_of(groups[0]["recipe"])
    on_paper = plan.experiments[paper].workloads[plan.recipes[groups[0]["recipe"]].workload]
    return {
        "format": 1,
        "paper": paper,
        "name": name,
        "kind": output.kind,
        "title": output.title,
        "notes": list(output.notes),
        "options": output.options,
        "scale": plan.scale_name,
        "scale_title": plan.scale.title,
        "results": plan.results,
        "published": next(iter(plan.published(paper, name)), None),
        # A scale may score fewer metrics than the paper prints: what is not measured is not shown.
        "metrics": [metric for metric in output.metrics if metric in (*first.metrics, *first.final_metrics)],
        "snapshots": list(first.snapshots),
        "iterations": first.end(output.until),
        "paper_iterations": on_paper.end(output.until),
        "usual_iterations": first.iterations,
        "groups": groups,
    }


def order_digest(plan: Plan, paper: str, name: str) -> str:
    """The digest of an order: what Snakemake watches, so that a changed caption remakes one table."""
    return digest_of(order(plan, paper, name))


def orders_digest(plan: Plan) -> str:
    """The digest of every order, for the page that shows them all."""
    return digest_of([order(plan, paper, name) for paper, name, _ in plan.outputs()])


def _group(plan: Plan, output: Output, dataset: str, recipe: str, label: str) -> dict[str, Any]:
    """One recipe on one data set: how both are called, and the runs of all seeds."""
    used = plan.stand_in(dataset)
    end = plan.workload_of(recipe).end(output.until)
    runs = [plan.run(used, recipe, seed) for seed in plan.seeds]
    return {
        "dataset": used,
        "dataset_name": dataset,
        "dataset_label": plan.datasets[dataset].title,
        "stand_in": plan.datasets[used].title if used != dataset else None,
        "recipe": recipe,
        "recipe_label": label,
        "method": output.methods.get(recipe, recipe),
        "runs": [
            {"seed": run.seed, "spec_digest": run.spec_digest, "ends": run.ends_until(end)} for run in runs
        ],
    }
