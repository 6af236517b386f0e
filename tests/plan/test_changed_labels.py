"""Other labels of the same samples are other data to runs that read labels, and to no other."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.golden import measure
from tests.training.conftest import Lab

from gantry.data import open_prepared, prepare
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.score import score_run
from gantry.files import digest_of
from gantry.methods import build_method
from gantry.plan.dataset import DatasetSpec
from gantry.plan.methods.base import options_of
from gantry.plan.recipe import Recipe
from gantry.plan.runs import data_digest_of, is_of_data, reads_labels, works_of
from gantry.training.train import _run_on

MLP: dict[str, Any] = {
    "networks": {"family": "mlp", "width": 8, "depth": 2, "maxout_depth": 1},
    "objective": {"name": "non_saturating"},
    "latent": {"dimension": 4},
    "batch_size": 8,
}
CGAN = MLP | {"method": {"name": "conditional"}}


def spec_of(method: Any = None) -> dict[str, Any]:
    return {"recipe": {} if method is None else {"method": method}}


MANIFEST = {"digest": "a" * 64, "labels_digest": "b" * 64}


@pytest.mark.parametrize(
    ("method", "reads"),
    [
        (None, False),
        ("adversarial", False),
        ({"name": "infogan"}, False),
        ({"name": "conditional"}, True),
        ({"name": "stackgan_pp"}, True),
        ({"name": "s3gan", "known": 10}, True),
        ({"name": "s2gan", "known": 10}, True),
        ({"name": "semi_supervised", "known": 10}, True),
        ({"name": "triple_gan", "known": 10}, True),
        ({"name": "cyclegan"}, True),
        ({"name": "of another version"}, False),
    ],
)
def test_labels_count_where_they_are_read(method: Any, reads: bool) -> None:
    spec = spec_of(method)
    assert reads_labels(spec) is reads
    changed = MANIFEST | {"labels_digest": "c" * 64}
    assert (data_digest_of(MANIFEST, spec) != data_digest_of(changed, spec)) is reads
    assert (data_digest_of(MANIFEST, spec) == "a" * 64) is not reads
    unlabelled = {"digest": "a" * 64}
    assert data_digest_of(unlabelled, spec) == "a" * 64, "sets without labels keep their digest"
    record = {"data_digest": data_digest_of(MANIFEST, spec)}
    assert is_of_data(record, MANIFEST, spec) and is_of_data(record, {}, spec)
    assert is_of_data(record, changed, spec) is not reads
    assert not is_of_data(record, MANIFEST | {"digest": "d" * 64}, spec)


def test_records_of_before_labels_counted_are_taken_as_they_are() -> None:
    spec = spec_of({"name": "conditional"})
    assert is_of_data({"data_digest": "a" * 64}, MANIFEST, spec)
    assert len(works_of(spec, MANIFEST)) == 2 and len(works_of(spec_of(), MANIFEST)) == 1
    assert works_of(spec, {}) == []


class Watched:
    """A prepared set that notes whether its labels are looked at."""

    def __init__(self, prepared: Any) -> None:
        self._prepared, self.looked = prepared, False

    @property
    def labels(self) -> Any:
        self.looked = True
        return self._prepared.labels

    def __getattr__(self, name: str) -> Any:
        return getattr(self._prepared, name)

    def __len__(self) -> int:
        return len(self._prepared)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    spec = DatasetSpec(title="", source="gaussian_grid", options={"count": 200})
    prepare(spec, "mixture", tmp_path, None, tmp_path / "data")
    return Lab(tmp_path / "runs", tmp_path / "data/manifest.json", every=2)


def relabel(manifest: Path) -> None:
    """Give each sample the next class, as a preparation with other labels would have."""
    labels = (np.load(manifest.parent / "labels.npy", allow_pickle=False) + 1) % 9
    np.save(manifest.parent / "labels.npy", labels)
    told = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(told | {"labels_digest": hashlib.sha256(labels.tobytes()).hexdigest()}))


def trained(lab: Lab, name: str, recipe: dict[str, Any], until: int = 2) -> dict[str, Any]:
    folder = lab.train(name, until, recipe)
    record: dict[str, Any] = json.loads((folder / f"record-{until}.json").read_text())
    return record


def test_a_run_that_reads_labels_starts_afresh_with_others(lab: Lab) -> None:
    told, plain = trained(lab, "told", CGAN), trained(lab, "plain", MLP)
    assert plain["data_digest"] == open_prepared(lab.manifest).digest != told["data_digest"]
    before = {path.parent.name for path in lab.root("told").glob("work/*/spec.json")}
    relabel(lab.manifest)
    again, unmoved = trained(lab, "told", CGAN), trained(lab, "plain", MLP)
    assert again["data_digest"] != told["data_digest"]
    works = {path.parent.name for path in lab.root("told").glob("work/*/spec.json")}
    assert len(works) == 2 and before < works, "beside the other one, whose labels it had"
    assert unmoved["data_digest"] == plain["data_digest"]
    assert len(list(lab.root("plain").glob("work/*/spec.json"))) == 1


def test_scores_of_a_run_with_other_labels_are_refused(lab: Lab, tmp_path: Path) -> None:
    for name, recipe in (("told", CGAN), ("plain", MLP)):
        lab.train(name, 2, recipe)
    relabel(lab.manifest)

    def score(name: str, recipe: dict[str, Any]) -> None:
        scoring = {
            "spec_digest": digest_of(lab.spec(recipe)),
            "metrics": ["modes_covered"],
            "final_metrics": [],
            "samples": 100,
            "shown": 4,
        }
        score_run(
            lab.root(name) / "record-2.json",
            lab.manifest,
            scoring,
            after=0,
            statistics=None,
            weights=None,
            metrics_out=tmp_path / f"{name}.csv",
            samples_out=tmp_path / f"{name}.npz",
        )

    score("plain", MLP)
    with pytest.raises(UserError, match="trained on other data than"):
        score("told", CGAN)


def test_a_run_that_began_before_labels_counted_goes_on(lab: Lab) -> None:
    """Its work folder is called after the samples alone; the control is a fresh run's, which is not."""
    lab.train("told", 2, CGAN)
    (work,) = lab.root("told").glob("work/*/")
    own, before = works_of(lab.spec(CGAN), json.loads(lab.manifest.read_text()))
    assert work.name == own != before
    run = _run_on(lab.root("told"), lab.spec(CGAN), json.loads(lab.manifest.read_text()))
    assert run.work == work
    work.rename(work.parent / before)
    run = _run_on(lab.root("told"), lab.spec(CGAN), json.loads(lab.manifest.read_text()))
    assert run.work == work.parent / before


def test_every_method_that_looks_at_labels_says_so(tmp_path: Path) -> None:
    """One recipe of each shipped method, on a set with labels: whoever looks at them must say that it reads them."""
    bench = measure.Bench(tmp_path)
    of_method: dict[str, str] = {}
    for name, recipe in sorted(bench.plan.recipes.items()):
        if not bench.data(name).startswith(("pairs", "enlargements")):
            of_method.setdefault(recipe.method.name, name)
    looked = set()
    for method_name, name in of_method.items():
        recipe = Recipe.model_validate({"workload": ""} | bench.recipe(name))
        prepared = open_prepared(bench.manifest(bench.data(name)))
        watched: Any = Watched(prepared)
        streams = build_method(recipe, DataShape.of(prepared)).streams(watched)
        if watched.looked or any("labels" in stream.beside for stream in streams.values()):
            looked.add(method_name)
    assert {"conditional", "semi_supervised", "stackgan", "stacked"} <= looked
    silent = {name for name in looked if not options_of(name).reads_labels}
    assert not silent
