"""Report specs: what the report is told of each table, figure or list of claims, all of it plain data."""

from collections.abc import Collection
from typing import Any

from gantry.files import digest_of
from gantry.plan.configuration import Output
from gantry.plan.labels import distinct
from gantry.plan.plan import Plan


def report_spec(plan: Plan, paper: str, name: str) -> dict[str, Any]:
    """What the report needs to know to make one output; KeyError if no experiment describes it.

    `gantry.report.specs` reads it.
    """
    output = plan.output(paper, name)
    groups = [
        _group(plan, output, dataset, recipe, label)
        | ({"is_published": False} if (paper, name, dataset) in plan.overrides.others else {})
        for block in output.runs
        for dataset in block.datasets
        for recipe, label in block.recipes.items()
    ]
    first = plan.workload_of(groups[0]["recipe"])
    lengths = _lengths(plan, output, groups[0]["recipe"])
    return {
        "format": 1,
        "paper": paper,
        "name": name,
        "paper_title": plan.experiments[paper].title,
        "highlight": {
            highlight: place for place, highlight in enumerate(plan.experiments[paper].highlights)
        }.get(name),
        "kind": output.type,  # the former name, so that no digest of a spec changes
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
        **lengths,
        "usual_iterations": first.iterations,
        "overrides": overrides_of(plan, {group["recipe"]: group["recipe_label"] for group in groups}),
        # A group says how long it was trained only where that is another length.
        "groups": [
            group | (own if (own := _lengths(plan, output, group["recipe"])) != lengths else {})
            for group in _told_apart(groups)
        ],
    }


def _lengths(plan: Plan, output: Output, recipe: str) -> dict[str, int]:
    """How long a recipe is trained for an output, and how long it is by its description."""
    described, used = plan.overrides.lengths[recipe], plan.workload_of(recipe)
    return {"iterations": used.end(output.until), "paper_iterations": described.end(output.until)}


def report_spec_digest(plan: Plan, paper: str, name: str) -> str:
    """The digest of a spec, wherever the results lie: a changed caption remakes one table, a moved folder none."""
    return digest_of(report_spec(plan, paper, name) | {"results": None})


def report_specs_digest(plan: Plan) -> str:
    """The digest of every spec, for the page that shows them all."""
    return digest_of([report_spec_digest(plan, paper, name) for paper, name, _ in plan.outputs()])


def overrides_of(plan: Plan, labels: dict[str, str]) -> list[str]:
    """What the scale and the configuration change of an output, as sentences; `labels` are those of its recipes.

    What is changed of some recipes alone stands in one sentence behind their names.
    """
    config, scale, found = plan.config, plan.scale, plan.overrides
    changed: dict[str, list[str]] = {}
    for of in (found.sizes, found.settings):
        for recipe in labels:
            for phrase in of.get(recipe, ()):
                changed.setdefault(phrase, []).append(recipe)
    sizes = {phrase for recipe in labels for phrase in found.sizes.get(recipe, ())}
    phrases: list[str] = []
    of_some: dict[tuple[str, ...], list[str]] = {}
    for phrase, recipes in changed.items():
        if len(recipes) == len(labels):
            phrases.append(phrase[0].upper() + phrase[1:] if phrase in sizes else phrase)
        else:
            of_some.setdefault(tuple(recipes), []).append(phrase)
    titles = distinct(labels)
    phrases += [f"{_named(titles, some)}: {'; '.join(said)}" for some, said in of_some.items()]
    if config.features and config.features != scale.features:
        phrases.append(f"Feature network: {config.features} instead of {scale.features}")
    if config.seeds and config.seeds != scale.seeds:
        ours, usual = (", ".join(map(str, seeds)) for seeds in (config.seeds, scale.seeds))
        phrases.append(f"Seeds: {ours} instead of {usual}")
    return [f"{phrase}." for phrase in dict.fromkeys(phrases)]


def _named(titles: dict[str, str], some: Collection[str]) -> str:
    """Which recipes of all are meant, in as few names as possible."""
    others = [title for recipe, title in titles.items() if recipe not in some]
    if len(others) < len(some):
        return f"All but {', '.join(others)}"
    return ", ".join(titles[recipe] for recipe in some)


def _told_apart(groups: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Name the data set that another was used for, where one was used for several."""
    originals: dict[str, set[str]] = {}
    for group in groups:
        originals.setdefault(group["dataset"], set()).add(group["dataset_label"])
    return [
        group | {"trained_on": f"{group['trained_on']}, for {group['dataset_label']}"}
        if group["trained_on"] and not group["is_proxy"] and len(originals[group["dataset"]]) > 1
        else group
        for group in groups
    ]


def _group(plan: Plan, output: Output, dataset: str, recipe: str, label: str) -> dict[str, Any]:
    """One recipe on one data set: how both are called, what was changed of them, and the runs of all seeds."""
    used = plan.dataset_for(dataset)
    end = plan.workload_of(recipe).end(output.until)
    runs = [plan.run(used, recipe, seed) for seed in plan.seeds]
    other = plan.overrides.replaced.get(used, plan.datasets[used].title if used != dataset else None)
    return {
        "dataset": used,
        "dataset_name": dataset,
        "dataset_label": plan.overrides.titles.get(dataset, plan.datasets[dataset].title),
        "trained_on": other,
        "is_proxy": used != dataset and plan.datasets[used].is_embedded,
        "recipe": recipe,
        "recipe_label": label,
        "recipe_changes": list(plan.overrides.recipes.get(recipe, ())),
        "dataset_changes": list(plan.overrides.datasets.get(used, ())),
        "method": output.methods.get(recipe, recipe),
        **({"value": plan.recipes[recipe].number_at(over)} if (over := output.options.get("over")) else {}),
        "runs": [
            {
                "seed": run.seed,
                "spec_digest": run.spec_digest,
                "ends": run.ends_until(end),
                "scorings": [plan.scoring_digest(run, stop) for stop in run.ends_until(end)],
            }
            for run in runs
        ],
    }
