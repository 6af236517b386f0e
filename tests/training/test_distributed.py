"""One run over two processes: gradient accumulation in two places at once, written once, stopped and killed."""

import copy
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.training.games import DCGAN, REALNESS, batch_of, method_of, recipe_of
from torch import Tensor

from gantry.errors import UserError
from gantry.methods.adversarial import Adversarial
from gantry.plan.recipe import Recipe
from gantry.system.signals import EXIT_CONTINUE, Stopped
from gantry.training import launch as launching
from gantry.training import train as loop
from gantry.training.distributed import Distributed, DistributedStep, joined
from gantry.training.step import Step

CPU = torch.device("cpu")
SIZE = 2


def test_a_process_is_told_of_files_as_train_is(tmp_path: Path) -> None:
    """Weights of a loss's network, where there are any; the control: no file stays none."""
    told = {"root": "r", "manifest": "m", "record": "c", "until": 6}
    for weights in ("vgg19.npz", None):
        (tmp_path / "job.json").write_text(json.dumps(told | {"weights": weights}))
        job = launching.job_in(tmp_path)
        assert job["weights"] == (Path(weights) if weights else None) and job["root"] == Path("r")
        assert job["until"] == 6


def members(tools: Any, work: Callable[[int], None]) -> list[int]:
    """Fork two children that find each other as torchrun's would, and `work(rank)`; return their processes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    def member(rank: int) -> None:
        os.environ.update(
            {
                "RANK": str(rank),
                "LOCAL_RANK": str(rank),
                "WORLD_SIZE": str(SIZE),
                "MASTER_ADDR": "127.0.0.1",
                "MASTER_PORT": str(port),
                "GLOO_SOCKET_IFNAME": "lo",
            }
        )
        work(rank)

    return [tools.fork(lambda rank=rank: member(rank)) for rank in range(SIZE)]


# ── the same mathematics ──────────────────────────────────────────────────────────────────────────────

ITERATIONS = 4
GAMES: dict[str, dict[str, Any]] = {
    "BCGAN": {
        "objective": REALNESS,
        "generators": 2,
        "terms": {"logit_agreement": 1.0, "sample_spread": 0.1},
        "ema": 0.9,
    },
    "images, BatchNorm in D, a gradient's gradient, oadam": {
        "networks": {"family": "dcgan32", "width": 2, "spectral_penultimate": True},
        "terms": {"entropy_distance": 1.0, "gradient_penalty": 10.0},
        "optimiser": {"name": "oadam"},
        "batch_size": 8,
    },
    "random head, spectral norm": {"objective": REALNESS, "networks": DCGAN, "batch_size": 8},
    "BEGAN": {"objective": {"name": "began"}, "networks": {"family": "mlp_autoencoder", "width": 16, "depth": 1}},
}  # fmt: skip


def data(recipe: Recipe, shape: tuple[int, ...]) -> list[tuple[str, Tensor, Tensor]]:
    """(player, whole real batch, whole z) of every update."""
    source = torch.Generator().manual_seed(3)
    return [
        (
            player,
            torch.rand(recipe.batch_size, *shape, generator=source) * 2 - 1,
            torch.randn(recipe.batch_size, recipe.latent.dimension, generator=source),
        )
        for _ in range(ITERATIONS)
        for player in ("discriminator", "generator")
    ]


def built(recipe: Recipe, shape: tuple[int, ...]) -> Adversarial:
    torch.manual_seed(0)
    method = method_of(recipe, shape).train()
    method.adversary.objective.redraw(CPU)
    return method


def accumulated(recipe: Recipe, shape: tuple[int, ...]) -> tuple[list[float], Step]:
    """One process, the two parts one after the other: mean loss, mean gradient, mean of running statistics."""
    method = built(recipe, shape)
    step, losses = Step(method, recipe, CPU), []
    for update, (player, real, z) in enumerate(data(recipe, shape)):
        optimiser = step.optimisers[player]
        optimiser.zero_grad()
        before, objective = (
            copy.deepcopy(dict(method.named_buffers())),
            method.adversary.objective.state_dict(),
        )
        statistics, objectives, loss_sum = [], [], 0.0
        for rank in range(SIZE):
            torch.manual_seed(100 * update + rank)
            for name, buffer in method.named_buffers():
                buffer.data.copy_(before[name])
            method.adversary.objective.load_state_dict(objective)
            part = slice(rank * recipe.batch_size // SIZE, (rank + 1) * recipe.batch_size // SIZE)
            loss = method.loss(player, batch_of(real[part], [z[part]]))
            assert isinstance(loss, Tensor)
            # Gradients of D in the generators' update are nobody's: they are cleared before D's own.
            (loss / SIZE).backward()
            loss_sum += loss.item() / SIZE
            statistics.append(copy.deepcopy(dict(method.named_buffers())))
            objectives.append(method.adversary.objective.state_dict())
        for name, buffer in method.named_buffers():
            if buffer.is_floating_point():
                buffer.data.copy_(sum(statistic[name] for statistic in statistics) / SIZE)
        method.adversary.objective.load_state_dict(
            {key: sum(term[key] for term in objectives) / SIZE for key in objectives[0]}
        )
        optimiser.step()
        if player == "generator" and step.average is not None:
            from gantry.training.step import follow

            follow(step.average, method.generators, step.decay)
        losses.append(loss_sum)
    return losses, step


def outcome_of(step: Step, losses: list[float]) -> dict[str, Any]:
    average = {} if step.average is None else step.average.state_dict()
    moments = {
        f"{player} {place} {name}": value
        for player, optimiser in step.optimisers.items()
        for place, state in enumerate(optimiser.state.values())
        for name, value in state.items()
    }
    objective = step.method.adversary.objective.state_dict()
    return {
        "losses": torch.tensor(losses),
        "tensors": dict(step.method.state_dict())
        | average
        | moments
        | {f"objective {key}": value for key, value in objective.items()},
    }  # fmt: skip


@pytest.mark.parametrize("name", GAMES)
def test_two_processes_are_gradient_accumulation_over_two_parts(
    name: str, tools: Any, tmp_path: Path
) -> None:
    recipe = recipe_of(GAMES[name] | {"processes": SIZE})
    shape = (2,) if recipe.networks.makes == "points" else (3, 32, 32)

    def work(rank: int) -> None:
        torch.set_num_threads(1)
        with joined(recipe, "cpu") as team:
            step = DistributedStep(built(recipe, shape), recipe, CPU, team)
            losses = []
            for update, (player, real, z) in enumerate(data(recipe, shape)):
                torch.manual_seed(100 * update + rank)
                losses.append(step.update(player, team.share(batch_of(real, [z]))).item())
            torch.save(outcome_of(step, losses), tmp_path / f"{rank}.pt")

    children = members(tools, work)
    expected = outcome_of(*reversed(accumulated(recipe, shape)))
    assert [tools.ended(child) for child in children] == [0, 0]
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(SIZE))
    torch.testing.assert_close(first["losses"], expected["losses"], rtol=1e-4, atol=1e-5)
    assert torch.equal(first["losses"], second["losses"])
    assert first["tensors"].keys() == expected["tensors"].keys()
    for key, value in expected["tensors"].items():
        assert torch.equal(first["tensors"][key], second["tensors"][key]), key
        torch.testing.assert_close(
            first["tensors"][key], value, rtol=1e-3, atol=1e-4, msg=lambda m, k=key: f"{k}: {m}"
        )


def test_without_statistics_of_a_batch_it_is_the_whole_batch(tools: Any, tmp_path: Path) -> None:
    """EBGAN's pair for images has no BatchNorm, and its losses are means over samples."""
    recipe = recipe_of(
        {"objective": {"name": "ebgan", "margin": 1.0}, "networks": {"family": "autoencoder", "width": 2}}
    )
    shape = (3, 32, 32)
    whole, losses = Step(built(recipe, shape), recipe, CPU), []
    for player, real, z in data(recipe, shape):
        losses.append(whole.update(player, batch_of(real, [z])).item())

    def work(rank: int) -> None:
        torch.set_num_threads(1)
        with joined(recipe.model_copy(update={"processes": SIZE}), "cpu") as team:
            step = DistributedStep(built(recipe, shape), recipe, CPU, team)
            found = [
                step.update(player, team.share(batch_of(real, [z]))).item()
                for player, real, z in data(recipe, shape)
            ]
            if team.is_main_process:
                torch.save(outcome_of(step, found), tmp_path / "team.pt")

    assert [tools.ended(child) for child in members(tools, work)] == [0, 0]
    team, expected = torch.load(tmp_path / "team.pt", weights_only=True), outcome_of(whole, losses)
    torch.testing.assert_close(team["losses"], expected["losses"], rtol=1e-4, atol=1e-5)
    for key, value in expected["tensors"].items():
        torch.testing.assert_close(team["tensors"][key], value, rtol=1e-3, atol=1e-4)


# ── a run ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def both(lab: Any, tools: Any) -> Iterator[Callable[..., list[int]]]:
    """`both(name, until, disturb)`: train as two processes; `disturb(rank, iteration)` before each iteration."""
    recipe = tools.bcgan | {"processes": SIZE, "ema": 0.5}

    def train(name: str, until: int, disturb: Callable[[int, int], None] | None = None) -> list[int]:
        def work(rank: int) -> None:
            iterate = loop.Trainer.iterate

            def disturbed(self: loop.Trainer) -> None:
                if disturb is not None:
                    disturb(rank, self.progress.iteration)
                iterate(self)

            loop.Trainer.iterate = disturbed  # type: ignore[method-assign]
            lab.train(name, until, recipe)

        return [tools.ended(child) for child in members(tools, work)]

    yield train


def test_a_run_of_two_is_stopped_killed_and_ends_in_the_same_bits(
    both: Callable[..., list[int]], lab: Any, tools: Any
) -> None:
    assert both("reference", 12) == [0, 0]
    expected = tools.outcome(lab.root("reference"))
    assert len(expected["state"]["random_of_others"]) == 1
    assert expected["state"]["random_of_others"][0] != expected["state"]["random"]
    assert [int(row[0]) for row in expected["history"][1:]] == [4, 6, 8, 12]
    record = json.loads((lab.root("reference") / "record-12.json").read_text())
    assert record["provenance"]["step"] == "plain (2 processes)"

    def told(rank: int, iteration: int) -> None:  # only one of them gets the signal
        if (rank, iteration) == (1, 3):
            os.kill(os.getpid(), signal.SIGTERM)

    def struck(rank: int, iteration: int) -> None:
        if (rank, iteration) == (1, 8):
            os.kill(os.getpid(), signal.SIGKILL)

    assert both("stopped", 12, told) == [EXIT_CONTINUE, EXIT_CONTINUE]
    codes = both("stopped", 12, struck)
    assert codes[0] > 0 and codes[1] == -signal.SIGKILL
    assert not (lab.root("stopped") / "record-12.json").exists()
    assert both("stopped", 12) == [0, 0]
    assert tools.outcome(lab.root("stopped")) == expected
    assert not tools.litter(lab.root("stopped"))


# ── what starts them ──────────────────────────────────────────────────────────────────────────────────


def test_gantry_starts_them_as_torchrun_does(both: Callable[..., list[int]], lab: Any, tools: Any) -> None:
    assert both("forked", 6) == [0, 0]
    spec = json.dumps(lab.spec(tools.bcgan | {"processes": SIZE, "ema": 0.5}))
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", str(SIZE), "-m", "gantry.cli"]
    for name, module in (("own", ["gantry.cli"]), ("torchrun", torchrun)):
        record = lab.root(name) / "record-6.json"
        told = ["--spec", spec, "--data", str(lab.manifest), "--until", "6", "--record", str(record)]
        command = [sys.executable, "-m", *module, "train", *told, "--device", "cpu"]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert ran.returncode == 0, ran.stderr
        one, other = (tools.outcome(lab.root(run)) for run in (name, "forked"))
        assert one | {"history": None} == other | {
            "history": None
        }  # whose intervals the tests have shortened


SCRIPT = """
import json, os, pathlib, signal, sys, time
folder, rank = pathlib.Path(sys.argv[1]), int(os.environ["RANK"])
assert os.environ["WORLD_SIZE"] == "3" and os.environ["LOCAL_RANK"] == str(rank) and os.environ["MASTER_PORT"]
def end(kind, message, code):
    (folder / f"ended-{rank}.json").write_text(json.dumps({"kind": kind, "message": message}))
    sys.exit(code)
"""


def launched(tmp_path: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`launch` three processes that run `script` in place of training."""
    monkeypatch.setattr(launching, "MEMBER", ("--no-python", sys.executable, "-c", SCRIPT + script))
    launching.launch(3, {})


def test_all_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All three have run to their end, and nobody is left over."""
    script = f'open({str(tmp_path)!r} + f"/{{rank}}", "w").write(str(os.getpid())); end("done", "", 0)'
    launched(tmp_path, script, monkeypatch)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0", "1", "2"]
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.read_text()), 0)


@pytest.mark.parametrize(
    ("script", "error", "message"),
    [
        ("""if rank == 2:
    end("user", "disk full", 1)
while not (folder / "ended-2.json").exists():
    time.sleep(0.01)
end("defect", "lost", 1)""", UserError, "^disk full$"),
        ('end("stopped", f"at {rank}", 1)', Stopped, "^at 0$"),
        ('end("defect", "Trace", 1) if rank == 1 else end("done", "", 0)', RuntimeError, "^process 1: Trace$"),
        ("os.kill(os.getpid(), signal.SIGKILL) if rank == 2 else time.sleep(600)",
         UserError, "process 2 of 3 was killed by SIGKILL, perhaps for want of memory; run the same command"),
        ('sys.exit("no module") if rank == 1 else time.sleep(600)', RuntimeError,
         "process 1: ended without a word. no module"),
        ("os.kill(os.getppid(), signal.SIGTERM) if rank == 1 else 0; time.sleep(600)", Stopped,
         "SIGTERM: training had not begun"),
    ],
)  # fmt: skip
def test_the_best_reason_is_told(
    script: str, error: type[Exception], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", "3")
    start = time.monotonic()
    with pytest.raises(error, match=message):
        launched(tmp_path, script, monkeypatch)
    assert time.monotonic() - start < 60  # those that sleep were not waited for


def test_signals_go_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
signal.signal(signal.SIGURG, lambda *_: end("stopped", "asked to", 1))
(folder / f"ready-{rank}").touch()
if rank == 0:
    while len(list(folder.glob("ready-*"))) < 3:
        time.sleep(0.01)
    os.kill(os.getppid(), signal.SIGURG)
time.sleep(600)
"""
    with pytest.raises(Stopped, match="asked to"):
        launched(tmp_path, script, monkeypatch)


def test_processes_of_another_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "4")
    with pytest.raises(UserError, match="one of 4 processes, and the recipe says processes: 2"):
        joined(recipe_of({"processes": 2}), "cpu").__enter__()


def test_a_single_process_sends_nothing() -> None:
    alone, recipe = Distributed(), recipe_of({"objective": REALNESS})
    alone.broadcast_objectives(built(recipe, (2,)))
    assert alone.is_main_process and alone.all_reduce_max(2) == 2 and alone.all_gather("x") == ["x"]
    assert torch.equal(alone.share(batch_of(torch.arange(4), {})).x, torch.arange(4))
