"""What a plan refuses of conditions, few labels and their metrics before anything starts, and what it warns of."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from pydantic import ValidationError
from tests.methods.points import BASE

from gantry.commands.common import load
from gantry.data.prepared import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.referee import ClassReferee
from gantry.networks import build_discriminator, build_generator
from gantry.networks.conditions import inner_norms, without_head
from gantry.plan import load_plan, loading
from gantry.plan.blocks.networks import FAMILIES
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe
from gantry.system import orphans

IMAGES: dict[str, Any] = BASE | {"networks": {"family": "sngan", "width": 2}, "objective": {"name": "hinge"}}
VIRTUAL = {"networks": {"family": "mlp", "width": 16, "virtual_batch_norm": {}}}
CONDITIONAL = {"name": "conditional"}
TRIPLE = {"name": "triple_gan", "known": 10}
SEMI = {"name": "semi_supervised", "known": 10}
STACK = {"name": "stackgan", "first": 1}
OF_STACKS: dict[str, Any] = {"networks": {"family": "stackgan"}, "objective": {"name": "non_saturating"}}

# Blocks whose options change the layers; those that one method alone builds are not built by themselves.
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "mlp": [{}, {"depth": 1}, {"depth": 3}, {"virtual_batch_norm": {}}, {"minibatch_discrimination": {}}],
    "mlp_autoencoder": [{}, {"depth": 3}, {"virtual_batch_norm": {}}],
    "dcgan": [
        {"head": head, "discriminator": discriminator, "generator": generator}
        for head in ("linear", "adaptive")
        for discriminator in ("dcgan", "patchgan")
        for generator in ("dcgan", "residual")
    ]
    + [{"virtual_batch_norm": {}}],
    "dcgan32": [{}, {"batch_norm": False}, {"r311": True}, {"head_channels": 3}],
}
BUILT_BY_A_METHOD = ("stackgan", "singan")
OF_LATENTS = [
    name for name, block in FAMILIES.items() if not block.translates and name not in BUILT_BY_A_METHOD
]


@pytest.mark.parametrize("family", OF_LATENTS)
def test_blocks_say_of_norms_and_heads_what_the_networks_have(family: str) -> None:
    block = FAMILIES[family]
    for options in OPTIONS.get(family, [{}]):
        narrow = {"width": 8} if "width" in block.model_fields else {}
        networks: Any = block.model_validate({"family": family, **options, **narrow})
        for resolution in getattr(block, "resolutions", (None,))[:2]:
            shape = (2,) if resolution is None else (3, resolution, resolution)
            with torch.device("meta"):
                generator = build_generator(networks, 20, shape)
                discriminator = build_discriminator(networks, shape, 1)
            try:
                norms = len(inner_norms(generator))
            except UserError:
                norms = 0
            try:
                without_head(discriminator)
                dense = True
            except UserError:
                dense = False
            assert (networks.inner_norms(resolution), networks.ends_dense) == (norms, dense), (
                options,
                resolution,
            )


@pytest.mark.parametrize(
    ("base", "method", "more", "message"),
    [
        *(
            (
                IMAGES,
                method,
                {"networks": {"family": "dcgan", "head": "linear", "discriminator": "patchgan"}} | more,
                "does not end in one dense layer.*take networks.family mlp, sngan, resnet",
            )
            for method, more in (
                (CONDITIONAL, {}),
                (TRIPLE, {"objective": {"name": "non_saturating"}}),
                (SEMI, {"objective": {"name": "non_saturating"}}),
                ({"name": "infogan"}, {}),
            )
        ),
        (IMAGES, CONDITIONAL, {"networks": {"family": "dcgan32"}}, "does not end in one dense layer"),
        (BASE, CONDITIONAL, VIRTUAL, "without conditions: take it away"),
        (BASE, TRIPLE, VIRTUAL, "without conditions: take it away"),
        (BASE, {"name": "infogan"}, VIRTUAL, "without conditions: take it away"),
        (
            BASE,
            CONDITIONAL | {"mismatched": 0.5},
            {"objective": {"name": "loss_sensitive", "margin": 1}},
            "compares pairs: take an objective such as non_saturating",
        ),
        (
            BASE,
            CONDITIONAL | {"mismatched": 0.5},
            {"objective": {"name": "relativistic", "of": "hinge"}},
            "compares pairs: take an objective such as non_saturating",
        ),
        (BASE, CONDITIONAL, {"objective": {"name": "d2gan"}}, "take method adversarial"),
        (BASE, CONDITIONAL, {"pack": 2}, "pack is of a discriminator that sees samples alone"),
        (
            BASE,
            CONDITIONAL,
            {"networks": {"family": "mlp_autoencoder"}, "objective": {"name": "ebgan", "margin": 1}},
            "objective is of a discriminator that sees samples alone",
        ),
        (BASE | OF_STACKS, {"name": "stackgan_pp"}, {"generators": 2}, "generators is of a discriminator"),
        (BASE, "triple_gan", {}, "known: missing: method triple_gan has no default for it"),
        (BASE, "semi_supervised", {}, "known: missing: method semi_supervised has no default"),
        (
            BASE,
            CONDITIONAL | {"unknown": "predicted"},
            {},
            "unknown: no option of method conditional; it has .*chunks",
        ),
        (BASE, CONDITIONAL | {"mismatch": 0.5}, {}, 'mismatch: no option.*did you mean "mismatched"'),
    ],
)
def test_recipes_that_no_condition_goes_with(base: Any, method: Any, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(base | {"method": method} | more)


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        (
            {"generator": "batch_norm"},
            {"networks": {"family": "lapgan"}},
            "none before the last.*mlp .depth: 2 or more., sngan",
        ),
        ({"generator": "shared"}, {"networks": {"family": "stylegan"}}, "family stylegan.*generator: concat"),
        (
            {"generator": "shared", "chunks": True},
            {"networks": {"family": "resnet"}, "latent": {"dimension": 80}},
            "latent.dimension 80 cannot be cut into 7 equal parts.*set latent.dimension to 77, say",
        ),
        (
            {"generator": "shared", "chunks": True},
            {"networks": {"family": "resnet"}, "latent": {"dimension": 77}},
            None,
        ),
        ({"generator": "batch_norm"}, {}, None),
        ({}, {"networks": {"family": "lapgan"}}, None),
    ],
)
@pytest.mark.parametrize("name", ["conditional", "triple_gan", "icgan"])
def test_generators_that_a_condition_does_not_fit_into(
    name: str, method: Any, more: Any, message: str | None
) -> None:
    of_name = {"triple_gan": {"known": 10}, "icgan": {"encoders_from": 1}}.get(name, {})
    told = {"name": name, **of_name, **method}
    recipe = Recipe.model_validate(IMAGES | more | {"method": told, "objective": {"name": "non_saturating"}})
    if message is None:
        recipe.method.check_workload(recipe, 32, 10)
    else:
        with pytest.raises(ValueError, match=message):
            recipe.method.check_workload(recipe, 32, 10)


ATTRIBUTES = DatasetSpec(title="", source="gaussian_grid", options={"side": 2, "attributes": 1})
SPLIT = ATTRIBUTES.model_copy(update={"held_out": 50})
ONE = DatasetSpec(title="", source="gaussian_grid", images=100, options={"side": 1})


@pytest.mark.parametrize(
    ("base", "method", "spec", "message"),
    [
        (BASE, CONDITIONAL, ATTRIBUTES, "attributes to ask samples for are those of held-out ones.*held_out: 500"),
        (BASE | OF_STACKS, STACK, ATTRIBUTES, "attributes to ask samples for are those of held-out ones"),
        (BASE, CONDITIONAL | {"standing": 4}, SPLIT, "the labels of data set some are attributes: take it away"),
        (BASE, CONDITIONAL | {"mismatched": 0.5}, ONE, "has one class, so no pair of it does not fit"),
        (BASE, CONDITIONAL, SPLIT, None),
        (BASE, CONDITIONAL, ONE, None),
    ],
)  # fmt: skip
def test_data_that_cannot_be_asked_for(
    base: Any, method: Any, spec: DatasetSpec, message: str | None
) -> None:
    recipe = Recipe.model_validate(base | {"method": method})
    if message is None:
        recipe.method.check_data(recipe, "some", spec)
    else:
        with pytest.raises(ValueError, match=message):
            recipe.method.check_data(recipe, "some", spec)


def plan_of(folder: Path, recipe: dict[str, Any], dataset: str, metrics: list[str], **datasets: Any) -> None:
    """Load the plan of one recipe on one data set, whose workload has these metrics."""
    workload = {"iterations": 4, "checkpoint_every": 2, "samples": 100, "metrics": metrics}
    side = {} if recipe["networks"]["family"] == "mlp" else {"resolution": 32}
    runs = [{"datasets": [dataset], "recipes": {"one": "One"}}]
    text = {
        "title": "t",
        "source": "s",
        "datasets": datasets,
        "workloads": {"some": workload | side},
        "recipes": {"one": recipe | {"workload": "some"}},
        "outputs": {"table": {"type": "scores", "title": "t", "runs": runs, "metrics": metrics}},
    }
    (folder / "own.yaml").write_text(yaml.safe_dump(text))
    load_plan({"scale": "paper", "papers": [str(folder / "own.yaml")]})


@pytest.mark.parametrize("setting", ["truncation", "scaled"])
def test_a_sweep_of_latents_that_cannot_be_truncated(setting: str) -> None:
    workload = {"pictures_truncated": {"sweep": {setting: [0.5]}}}
    given = {"scale": "paper", "papers": ["conditional"], "workloads": workload}
    load_plan(given)
    latent = {"pictures_biggan": {"latent": {"distribution": "censored"}}}
    with pytest.raises(UserError, match=rf"sweep.{setting}: censored latents cannot be truncated"):
        load_plan(given | {"recipes": latent})


FEW = {"title": "t", "source": "digits", "images": 400, "fraction": 1.0}


@pytest.mark.parametrize(
    ("recipe", "dataset", "metric", "message"),
    [
        (BASE, "mixture", "label_accuracy_points", "method adversarial asks them for nothing: take it out"),
        (BASE, "mixture_attributes", "attribute_accuracy_points", "asks them for nothing"),
        (IMAGES, "digits_split", "test_error", "method adversarial has none: take it out of the workload"),
        (IMAGES | {"method": CONDITIONAL}, "digits_split", "test_error", "method conditional has none"),
        (
            BASE | {"method": SEMI | {"known": 90}},
            "mixture",
            "test_error",
            "holds none out: give it held_out",
        ),
        (
            IMAGES | {"method": CONDITIONAL},
            "digits",
            "train_on_samples_accuracy",
            "train_on_samples_accuracy is of held-out samples, and data set digits holds none out",
        ),
        (IMAGES | {"method": CONDITIONAL}, "digits_split", "train_on_samples_accuracy", None),
        (IMAGES | {"method": CONDITIONAL}, "digits_split", "label_accuracy", None),
    ],
)
def test_metrics_that_a_method_cannot_have(
    tmp_path: Path, recipe: Any, dataset: str, metric: str, message: str | None
) -> None:
    if message is None:
        plan_of(tmp_path, recipe, dataset, [metric])
        return
    with pytest.raises(UserError, match=message):
        plan_of(tmp_path, recipe, dataset, [metric])


def test_what_is_often_a_mistake_is_said_once_and_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    auxiliary = IMAGES | {"method": CONDITIONAL | {"discriminator": "none", "classification": {"of": "both"}}}
    metrics = ["class_frechet_distance", "frechet_distance"]
    plan_of(tmp_path, auxiliary, "few", metrics, few=FEW)
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert said[0].startswith("gantry: warning: recipe one: method.classification of both")
    assert "of: real leaves them out" in said[0]
    assert "compares with 40 real samples of a class of data set few, fewer than 50" in said[1]
    plan_of(tmp_path, auxiliary, "few", metrics, few=FEW)
    assert not capsys.readouterr().err, "a command that reads the plan again has said it"
    careful = IMAGES | {"method": CONDITIONAL | {"discriminator": "none", "classification": {"of": "real"}}}
    plan_of(tmp_path, careful, "few", metrics, few=FEW | {"images": 500})
    assert not capsys.readouterr().err, "the controls: real samples alone, and 50 of a class"


@pytest.mark.parametrize("by_workflow", [False, True])
def test_a_job_of_a_workflow_does_not_repeat_what_the_workflow_has_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, by_workflow: bool
) -> None:
    auxiliary = IMAGES | {"method": CONDITIONAL | {"discriminator": "none", "classification": {"of": "both"}}}
    plan_of(tmp_path, auxiliary, "few", ["frechet_distance"], few=FEW)
    assert capsys.readouterr().err
    loading.SAID.clear()
    if by_workflow:
        monkeypatch.setenv(orphans.VARIABLE, "1:2")
    else:
        monkeypatch.delenv(orphans.VARIABLE, raising=False)
    given = {"scale": "paper", "papers": [str(tmp_path / "own.yaml")]}
    load(argparse.Namespace(config=[json.dumps(given)], configfile=None))
    assert capsys.readouterr().err.count("gantry: warning: recipe one") == (not by_workflow)


@pytest.mark.parametrize("smallest", [49, 50])
def test_scoring_warns_of_few_real_samples_of_a_class(
    capsys: pytest.CaptureFixture[str], smallest: int
) -> None:
    labels = np.repeat([0, 1], [60, smallest])
    features = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    prepared: Any = PreparedSet(Path(), {"name": "few", "kind": "images"}, features, labels)  # type: ignore[arg-type]
    referee = ClassReferee(prepared, object())  # type: ignore[arg-type]
    referee.real = (features, labels, features, labels)  # type: ignore[misc]
    assert set(referee.statistics) == {0, 1}
    assert ("compares with 49 real samples of a class" in capsys.readouterr().err) == (smallest == 49)
