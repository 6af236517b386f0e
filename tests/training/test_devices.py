"""Which GPU a run takes, what of it, and what is said where there is none."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.holding import holding

from gantry.data.storage import fitting
from gantry.errors import UserError
from gantry.system.device import choose_device
from gantry.system.gpus import SCHEDULERS_JOBS, gpu_slot


@pytest.fixture
def nobody_has_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", *SCHEDULERS_JOBS):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("nobody_has_chosen")
def test_jobs_get_different_gpus_and_the_dead_free_theirs(tools: Any, tmp_path: Path) -> None:
    def slot() -> Any:
        return gpu_slot("cuda", 2, tmp_path)

    with holding(tools, slot()):
        with slot() as second:
            assert second == ["1"] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        assert "CUDA_VISIBLE_DEVICES" not in os.environ
        with holding(tools, slot()):
            with slot() as third:  # one job too many shares a GPU
                assert third is None and os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1")
            assert "CUDA_VISIBLE_DEVICES" not in os.environ
    with pytest.raises(RuntimeError, match="in the job"), slot() as first:
        assert first == ["0"]
        raise RuntimeError("in the job")
    with slot() as first:
        assert first == ["0"]


@pytest.mark.usefixtures("nobody_has_chosen")
def test_several_runs_share_a_gpu_up_to_its_shares(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slot(**options: int) -> Any:
        return gpu_slot("cuda", 2, tmp_path, **{"runs_per_gpu": 3} | options)

    with holding(tools, slot()):  # a share of GPU 0
        with slot() as emptier:
            assert emptier == ["1"] and os.environ["CUDA_VISIBLE_DEVICES"] == "1"
        with holding(tools, slot(shares=2)):  # two of GPU 1
            with slot(shares=2) as two:
                assert two == ["0"]
            for too_much in ({"shares": 3}, {"shares": 9}, {"gpus": 2}):
                with slot(**too_much) as none:
                    assert none is None and os.environ["CUDA_VISIBLE_DEVICES"] in ("0", "1", "0,1", "1,0")
            with holding(tools, slot(shares=2)), holding(tools, slot()), slot() as none:
                assert none is None  # six shares are taken
        with slot(shares=3) as whole:  # freed by its holder's death
            assert whole == ["1"]
        # A workflow that knows nothing of shares takes whole GPUs, and neither one is free.
        with holding(tools, slot()), slot(runs_per_gpu=1) as none:
            assert none is None


@pytest.mark.usefixtures("nobody_has_chosen")
def test_a_run_over_several_gpus_takes_whole_ones(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slot(**options: int) -> Any:
        return gpu_slot("cuda", 3, tmp_path, **options)

    with holding(tools, slot()):
        with slot(gpus=2) as both:
            assert both == ["1", "2"] and os.environ["CUDA_VISIBLE_DEVICES"] == "1,2"
        with holding(tools, slot(runs_per_gpu=4)), slot(gpus=2, runs_per_gpu=4) as none:
            assert none is None and len(set(os.environ["CUDA_VISIBLE_DEVICES"].split(","))) == 2
        with slot(gpus=2) as both:
            assert both == ["1", "2"]
    with pytest.raises(UserError, match="takes 4 GPUs and 3 can be used here; set processes: 3"):
        slot(gpus=4).__enter__()


def test_data_leave_room_for_the_other_runs_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 of 80 GB free: 15 GB of data lie on the GPU, unless they are more than half of a share."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (40 << 30, 80 << 30))
    device = torch.device("cuda")
    assert fitting(15 << 30, device) == "device" and fitting(21 << 30, device) != "device"
    assert fitting(9 << 30, device, 4) == "device" and fitting(15 << 30, device, 4) != "device"


@pytest.mark.usefixtures("nobody_has_chosen")
def test_a_job_that_was_given_its_card_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cpu", "cuda"):
        with gpu_slot(name, 0, tmp_path / "slots") as slot:
            assert slot is None and "CUDA_VISIBLE_DEVICES" not in os.environ
    for chosen in ("5", "GPU-8932f937-d72c", "", "NoDevFiles", "-1,0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
        with gpu_slot("cuda", 2, tmp_path / "slots") as slot:
            assert slot is None and os.environ["CUDA_VISIBLE_DEVICES"] == chosen
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5,7")
    with gpu_slot("cuda", 2, tmp_path / "slots", gpus=2) as slot:
        assert slot is None and os.environ["CUDA_VISIBLE_DEVICES"] == "5,7"
    assert not list(tmp_path.glob("slots/*.lock"))


@pytest.mark.parametrize(
    ("environment", "cards"),
    [
        ({"CUDA_VISIBLE_DEVICES": "2,3"}, ["2", "3"]),
        (
            {"CUDA_VISIBLE_DEVICES": " 3, 2 ,-1,0"},
            ["3", "2"],
        ),  # CUDA stops at the first that it does not know
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,MIG-GPU-1/5/0"}, ["GPU-8932f937", "MIG-GPU-1/5/0"]),
        ({"SLURM_JOB_ID": "77"}, ["0", "1"]),
        ({"SLURM_JOB_ID": "77", "CUDA_VISIBLE_DEVICES": "0,1"}, ["0", "1"]),
        ({"PBS_JOBID": "12.host/a", "CUDA_VISIBLE_DEVICES": "4,6,7"}, ["4", "6"]),  # PyTorch sees but two
    ],
)
@pytest.mark.usefixtures("nobody_has_chosen")
def test_jobs_at_once_share_what_is_visible(
    environment: dict[str, str], cards: list[str], tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    def slot() -> Any:
        return gpu_slot("cuda", 2, tmp_path)

    with holding(tools, slot()), slot() as second:
        assert second == cards[1:] and os.environ["CUDA_VISIBLE_DEVICES"] == cards[1]
        with gpu_slot("cuda", 2, tmp_path) as third:
            assert third is None and os.environ["CUDA_VISIBLE_DEVICES"] == cards[1]  # the one it was left
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == environment.get("CUDA_VISIBLE_DEVICES")
    with slot() as first:
        assert first == cards[:1]


@pytest.mark.usefixtures("nobody_has_chosen")
def test_allocations_that_number_their_cards_alike_do_not_meet(
    tools: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scheduler shows each of its jobs other cards as 0 and 1."""
    monkeypatch.setenv("SLURM_JOB_ID", "77")
    with holding(tools, gpu_slot("cuda", 2, tmp_path)):
        monkeypatch.setenv("SLURM_JOB_ID", "78")
        with gpu_slot("cuda", 2, tmp_path) as other:
            assert other == ["0"]


@pytest.mark.usefixtures("nobody_has_chosen")
def test_gpus_are_counted_in_a_child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting may initialise CUDA; a driver that does not answer is named, and no job goes to GPU 0 instead."""
    here = os.getpid()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3 if os.getpid() != here else 1)
    with gpu_slot("cuda", folder=tmp_path) as first:
        assert first == ["0"] and (tmp_path / "2.lock").exists()
    monkeypatch.setattr(torch.cuda, "device_count", lambda: os._exit(1))
    with pytest.raises(UserError, match=r"cannot be counted.*nvidia-smi.*CUDA_VISIBLE_DEVICES=0,1"):
        gpu_slot("cuda", folder=tmp_path).__enter__()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4")  # nothing to count
    with gpu_slot("cuda", folder=tmp_path) as chosen:
        assert chosen is None


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
