"""Which GPU a run takes, what of it, and what is said where there is none."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.holding import holding

from gantry.data.residence import fitting
from gantry.errors import UserError
from gantry.system.device import choose_device, gpu_slot


@pytest.fixture
def nobody_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nobody_has_chosen")
def test_jobs_get_different_gpus_and_the_dead_free_theirs(tools: Any, tmp_path: Path) -> None:
    def slot() -> Any:
        return gpu_slot("cuda", 2, tmp_path)

    with holding(tools, slot()):
        with slot() as second:
            assert second == [1] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
        with holding(tools, slot()):
            with slot() as third:  # one job too many shares a GPU
                assert third is None and os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1")
            assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with pytest.raises(RuntimeError, match="in the job"), slot() as first:
        assert first == [0]
        raise RuntimeError("in the job")
    with slot() as first:
        assert first == [0]


@pytest.mark.usefixtures("nobody_has_chosen")
def test_several_runs_share_a_gpu_up_to_its_shares(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GANTRY_RUNS_PER_GPU", "3")

    def slot(**options: int) -> Any:
        return gpu_slot("cuda", 2, tmp_path, **options)

    with holding(tools, slot()):  # a share of GPU 0
        with slot() as emptier:
            assert emptier == [1] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        with holding(tools, slot(shares=2)):  # two of GPU 1
            with slot(shares=2) as two:
                assert two == [0]
            for too_much in ({"shares": 3}, {"shares": 9}, {"gpus": 2}):
                with slot(**too_much) as none:
                    assert none is None and os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1", "0,1", "1,0")
            with holding(tools, slot(shares=2)), holding(tools, slot()), slot() as none:
                assert none is None  # six shares are taken
        with slot(shares=3) as whole:  # freed by its holder's death
            assert whole == [1]
        with holding(tools, slot()):
            # A workflow that knows nothing of shares takes whole GPUs, and neither one is free.
            monkeypatch.delenv("GANTRY_RUNS_PER_GPU")
            with slot() as none:
                assert none is None


@pytest.mark.usefixtures("nobody_has_chosen")
def test_a_run_over_several_gpus_takes_whole_ones(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slot(**options: int) -> Any:
        return gpu_slot("cuda", 3, tmp_path, **options)

    with holding(tools, slot()):
        with slot(gpus=2) as both:
            assert both == [1, 2] and os.environ["CUDA_VISIBLE_DEVICES"] == "1,2"
        monkeypatch.setenv("GANTRY_RUNS_PER_GPU", "4")
        with holding(tools, slot()), slot(gpus=2) as none:
            assert none is None and len(set(os.environ["CUDA_VISIBLE_DEVICES"].split(","))) == 2
        with slot(gpus=2) as both:
            assert both == [1, 2]
    with pytest.raises(UserError, match="takes 4 GPUs and this machine has 3; set processes: 3"):
        slot(gpus=4).__enter__()


def test_data_leave_room_for_the_other_runs_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 of 80 GB free: 15 GB of data lie on the GPU, unless they are more than half of a share."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40 << 30, 80 << 30))
    device = torch.device("cuda")
    assert fitting(15 << 30, device) == "device" and fitting(21 << 30, device) != "device"
    monkeypatch.setenv("GANTRY_RUNS_PER_GPU", "4")
    assert fitting(9 << 30, device) == "device" and fitting(15 << 30, device) != "device"


@pytest.mark.usefixtures("nobody_has_chosen")
def test_whoever_has_chosen_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cpu", "cuda"):
        with gpu_slot(name, 0, tmp_path / "slots") as slot:
            assert slot is None and "CUDA_VISIBLE_DEVICES" not in os.environ
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    with gpu_slot("cuda", 2, tmp_path / "slots") as slot:
        assert slot is None and os.environ["CUDA_VISIBLE_DEVICES"] == "5"
    assert not list(tmp_path.glob("slots/*.lock"))


def test_a_gpu_samples_in_single_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    """Scoring has no recipe's step that would say so, and cuDNN rounds unless it is told not to."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    cudnn = torch.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=False, allow_tf32=True):
        assert cudnn.conv.fp32_precision == "tf32"
        assert choose_device("cuda") == torch.device("cuda", 0)
        assert cudnn.conv.fp32_precision != "tf32" and not cudnn.allow_tf32


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu_is_said_with_the_way_out() -> None:
    with pytest.raises(UserError, match=r"--config scale=quick.*--config device=cpu"):
        choose_device("cuda")
