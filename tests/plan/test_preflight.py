"""What stands in the way of a plan is said before anything starts; nothing is said where all is well."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.plan.conftest import Checkout

from gantry.metrics import weight_files
from gantry.plan import Plan
from gantry.plan.describe import describe
from gantry.plan.preflight import Work, done_already, obstacles, work_left, work_of
from gantry.plan.steps import needed, trainings
from gantry.runs.paths import canonical
from gantry.system import gpus


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Without a GPU, without weights in any cache."""
    monkeypatch.setattr(gpus, "DRIVERS", (str(tmp_path / "driver"),))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    files = {key: replace(file, folders=()) for key, file in weight_files.published_files().items()}
    monkeypatch.setattr(weight_files, "published_files", lambda: files)
    return tmp_path


@pytest.fixture
def plan(checkout: Checkout, tmp_path: Path) -> Plan:
    return checkout.plan(scale="paper", data=str(tmp_path / "data"), results=str(tmp_path / "results"))


def said(plan: Plan, word: str) -> list[str]:
    """The obstacles that speak of it."""
    return [obstacle for obstacle in obstacles(plan, work_left(plan)) if word in obstacle]


def test_each_obstacle_is_named_with_what_removes_it(plan: Plan) -> None:
    assert len(said(plan, "is missing: looked for")) == 3
    (weights,) = said(plan, "weights of feature network inception")
    assert "`gantry fetch inception` downloads them (about 96 MB)" in weights
    (gpu,) = said(plan, "GPU")
    assert "--config scale=quick" in gpu
    assert len(obstacles(plan, work_left(plan))) in (
        5,
        6,
    )  # and the disk, where it is too small for the papers
    assert all(obstacle in describe(plan) for obstacle in obstacles(plan, work_left(plan)))


def test_who_wants_the_gpu_is_named(checkout: Checkout, bare_machine: Path) -> None:
    asked = checkout.plan(device="cuda", results=str(bare_machine / "results"))
    (gpu,) = said(asked, "GPU")
    assert gpu.startswith("device=cuda computes on a GPU") and "scale trial is for a CPU" in gpu


def test_they_go_when_they_are_removed(
    plan: Plan, bare_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (bare_machine / "driver").touch()
    assert not said(plan, "GPU")
    monkeypatch.setenv(gpus.VISIBLE, "")
    assert said(plan, "GPU"), "hidden from CUDA"
    cached = bare_machine / "cache/gantry/inception-2015-12-05.pt"
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert not said(plan, "weights")
    (bare_machine / "data/celeba").mkdir(parents=True)
    (bare_machine / "data/celeba/img_align_celeba.zip").touch()
    assert len(said(plan, "is missing: looked for")) == 2


def test_a_cluster_needs_no_gpu_here(plan: Plan) -> None:
    assert not [obstacle for obstacle in obstacles(plan, work_left(plan), here=False) if "GPU" in obstacle]


def test_weights_that_are_configured_must_be_there(checkout: Checkout, tmp_path: Path) -> None:
    given = {"scale": "paper", "weights": {"inception": str(tmp_path / "w.pth")}}
    assert said(checkout.plan(**given), "w.pth is not there")
    (tmp_path / "w.pth").touch()
    assert not said(checkout.plan(**given), "weights")


def test_weights_of_a_loss_are_missed_where_a_run_is_to_learn_from_them(
    checkout: Checkout, tmp_path: Path
) -> None:
    """VGG's are a user's; the embedded network is trained on the way, and then is a step of its own."""
    told = {"scale": "paper", "papers": ["translation"], "only_datasets": ["cifar10_low"]}

    def plan(network: str, **more: Any) -> Plan:
        loss = {"perceptual": {"weight": 1, "network": network}}
        return checkout.plan(**told, recipes={"pictures_srgan": {"method": loss}}, **more)

    (missed,) = said(plan("vgg19"), "method.perceptual")
    assert "no weights configured; put torchvision's vgg19 state dict" in missed
    given = {"vgg19": str(tmp_path / "vgg19.npz")}
    assert "vgg19.npz is not there" in said(plan("vgg19", weights=given), "method.perceptual")[0]
    (tmp_path / "vgg19.npz").touch()
    there = plan("vgg19", weights=given)
    assert not said(there, "method.perceptual")
    (step,) = {job.inputs for job in trainings(there) if "pictures_srgan/" in job.outputs[0]}
    assert canonical(tmp_path / "vgg19.npz") in step
    own = plan("embedded")
    assert not said(own, "method.perceptual") and "classifier" in {job.rule for job in needed(own, [])}
    assert "classifier" not in {job.rule for job in needed(there, [])}


def test_a_disk_that_is_too_small(plan: Plan, checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(free: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**15, 0, free))

    usage(10**15)
    assert not said(plan, "are free")
    usage(10**9)
    (small,) = said(plan, "are free")
    assert "1.0 GB are free" in small and "--config results=" in small
    assert not [obstacle for obstacle in obstacles(plan, Work((), (), False)) if "are free" in obstacle]


def test_all_is_well_where_everything_ships(checkout: Checkout) -> None:
    plan = checkout.plan()
    assert obstacles(plan, work_left(plan)) == []
    assert "before it can start" not in describe(plan)


def test_only_what_is_left_needs_anything(plan: Plan, bare_machine: Path) -> None:
    """Points need neither data nor weights; a set that is prepared needs no raw files."""
    points = work_of(plan, needed(plan, [plan.files_of("bcgan", "figure12")[0]]))
    assert points.prepare == ("mixture",) and not points.scores_images and points.train
    assert not [
        obstacle
        for obstacle in obstacles(plan, points, here=False)
        if "is missing" in obstacle or "weights" in obstacle
    ]
    manifest = Path(plan.prepared_root, "celeba-256/manifest.json")
    manifest.parent.mkdir(parents=True)
    manifest.write_text("{}")
    assert "celeba-256" not in work_left(plan).prepare
    assert not said(plan, "data set celeba (CelebA)")


def test_what_is_done_already_is_counted(plan: Plan) -> None:
    steps = list(trainings(plan))
    assert done_already(steps) == ""
    for number, step in enumerate(steps):
        Path(step.outputs[0]).parent.mkdir(parents=True, exist_ok=True)
        Path(step.outputs[0]).touch()
        if number == 1:
            assert done_already(steps) == f"2 of {len(steps)} trainings are done already"
    assert done_already(steps) == ""
