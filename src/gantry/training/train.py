"""Training one run, from wherever it stands to a given iteration."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from gantry.data import open_prepared
from gantry.data.batches import Streams
from gantry.data.prepared import verify_beside
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.files import write_json
from gantry.methods import Batch, Stage, build_method, stage_at
from gantry.plan.recipe import Recipe
from gantry.plan.runs import data_digest_of
from gantry.progress import ProgressBar
from gantry.system.device import choose_device
from gantry.system.gpus import gpu_slot
from gantry.system.lock import exclusive_lock
from gantry.system.signals import StopFlag, Stopped, stop_flag
from gantry.training.capture import build_step
from gantry.training.distributed import Distributed, DistributedStep, is_member, joined, seed_of_member
from gantry.training.history import (
    History,
    LossMeter,
    label,
    peak_host_memory,
    peak_memory,
    thinned,
    usual_rate,
)
from gantry.training.launch import launch
from gantry.training.optimisers import load_optimizer_state
from gantry.training.provenance import provenance
from gantry.training.run import RunFolder
from gantry.training.state import Progress, load_state, random_state, restore_random_state, save_state
from gantry.training.step import Step
from gantry.training.writer import Writer, to_host
from gantry.watching.base import TRAINING, WatchedRun, Watchers, open_watchers

LOG_EVERY = 100  # iterations between two readings of the losses
SAVE_EVERY = 300.0  # seconds after which the state is saved even between checkpoints
SAVE, STOP = 1, 2  # what a process asks all of them for: to save; to save and stop


class Trainer:
    """Everything that moves while a run trains, and how it is saved and loaded again."""

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        manifest: Path,
        device: torch.device,
        distributed: Distributed,
        runs_per_gpu: int = 1,
        weights: Path | None = None,
    ) -> None:
        self.run = run
        self.recipe = recipe
        self.device = device
        self.distributed = distributed
        self.progress = Progress()
        state = load_state(run.state, run.identity, device) if run.state.exists() else None
        if state is not None:
            self.progress.iteration = state["progress"]["iteration"]
        prepared = open_prepared(manifest)
        # Nothing that was trained on damaged data is ever written: see `save` and `checkpoint`.
        self.intact = verify_beside(prepared) if distributed.is_main_process else None
        seed = int(run.spec["seed"])
        torch.manual_seed(seed)
        self.data = DataShape.of(prepared)
        self.method = build_method(recipe, self.data).to(device).train()
        self.method.equip(weights)
        self.stages = self.method.stages()
        # A state is saved before the next stage begins.
        self.step = self._step(stage_at(self.stages, max(0, self.progress.iteration - 1)), None)
        if not distributed.is_main_process:  # from here on: all begin with the same weights
            torch.manual_seed(seed_of_member(seed, distributed.rank))
        streams = self.method.streams(prepared)
        labelled = any(stream.beside or stream.rows is not None for stream in streams.values())
        self.told_of_data = self.data if labelled else None
        self.batches = Streams(prepared, streams, self.step.sizes(), seed, device, recipe.flip, runs_per_gpu)
        self.phase_numbers = {phase.name: number for number, phase in enumerate(self.method.phases)}
        self.phase_keys = [phase.key for phase in self.method.phases]
        self.losses = LossMeter(device, len(self.phase_keys))
        self.writer = Writer()
        if state is not None:
            try:
                self._restore(state)
            except (RuntimeError, ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{run.state}: the state was saved by another version of Gantry and does not fit ({error}); "
                    "delete it and run the same command again: training restarts"
                ) from error

    def iterate(self) -> None:
        """Go through one iteration: the steps of every phase, each on the batch that it draws."""
        stage = stage_at(self.stages, self.progress.iteration)
        if stage is not self.step.stage:
            self.step = self._step(stage, self.step)
            self.batches.resize(self.step.sizes())
        self.step.begin(self.progress.iteration)
        self.distributed.broadcast_objectives(self.method)
        for name, loss in self.step.iterate(self._next_batch):
            self.losses.add(self.phase_numbers[name], loss)
        self.losses.end_iteration()
        self.progress.iteration += 1

    @property
    def batch_size(self) -> int:
        """Samples of an iteration, as they are counted: the stage's, or the recipe's."""
        return self.step.stage.batch_size or self.recipe.batch_size

    def _next_batch(self) -> Batch:
        """Return this process's share of the next batch, without noise."""
        return self.distributed.share(Batch(*self.batches.next()))

    def _step(self, stage: Stage, before: Step | None) -> Step:
        """Return what runs the phases in a stage, going on from that of the stage before."""
        self.method.enter(stage)
        if self.distributed.size > 1:
            return DistributedStep(self.method, self.recipe, self.device, self.distributed, stage, before)
        return build_step(self.method, self.recipe, self.device, stage, before)

    def save(self) -> None:
        """Have the state written: networks, optimisers, averages, randomness, data cursor, progress."""
        self.writer.flush()  # first, since progress knows of a checkpoint once it is written
        content = self._content()
        if not self.distributed.is_main_process:
            return
        content, arrived = to_host(content, self.device)

        def write() -> None:
            self._expect_intact_data()
            arrived()
            save_state(self.run.state, self.run.identity, content)

        self.writer.submit(write)

    def checkpoint(self) -> None:
        """Have what sampling needs written, noted in the progress, and then the state that knows of it."""
        self.writer.flush()
        iteration = self.progress.iteration
        known = [
            checkpoint for checkpoint in self.progress.checkpoints if checkpoint["iteration"] < iteration
        ]
        content = self._content()
        if not self.distributed.is_main_process:
            return
        (networks, content), arrived = to_host(
            (self.step.sampling_networks().state_dict(), content), self.device
        )

        def write() -> None:
            self._expect_intact_data()
            arrived()
            # A new list, in one assignment: nobody reads it before `flush`, and nobody sees half of it.
            self.progress.checkpoints = [
                *known,
                self.run.save_checkpoint(iteration, networks, self.told_of_data),
            ]
            content["progress"]["checkpoints"] = self.progress.checkpoints
            save_state(self.run.state, self.run.identity, content)

        self.writer.submit(write)

    def _expect_intact_data(self) -> None:
        """Wait for the data's digests, the first time; UserError if they are not what was prepared."""
        if self.intact is not None:
            self.intact.result()

    def reserve(self) -> None:
        """Take, before the first checkpoint, the pinned memory that it needs: to take it stops the GPU."""
        content = self._content()
        if self.device.type == "cuda" and self.distributed.is_main_process:
            _, arrived = to_host((self.step.sampling_networks().state_dict(), content), self.device)
            arrived()

    def close(self) -> None:
        """End the threads that work beside training; what they have begun to write, they finish."""
        self.batches.close()
        self.writer.close()

    def _content(self) -> dict[str, Any]:
        own, *others = self.distributed.all_gather(random_state(self.device))
        average = self.step.average
        return {
            "method": self.method.state_dict(),
            "objective": self.method.objective_state(),
            "average": None if average is None else average.state_dict(),
            "random": own,
            "batches": self.batches.state_dict(),
            "losses": self.losses.state_dict(),
            "progress": asdict(self.progress),
            **{f"optimiser_{key}": optimiser.state_dict() for key, optimiser in self._optimisers().items()},
        } | ({"random_of_others": others} if others else {})

    def _optimisers(self) -> dict[str, torch.optim.Optimizer]:
        return {phase.key: self.step.optimisers[phase.name] for phase in self.method.phases}

    def _restore(self, state: dict[str, Any]) -> None:
        # "game" was its name before there were other methods.
        self.method.load_state_dict(state["method"] if "method" in state else state["game"])
        self.method.load_objective_state(state["objective"])
        for key, optimiser in self._optimisers().items():
            load_optimizer_state(optimiser, state[f"optimiser_{key}"])
        if self.step.average is not None:
            self.step.average.load_state_dict(state["average"])
        self.batches.load_state_dict(state["batches"])
        self.losses.load_state_dict(state["losses"])
        self.progress = Progress(**state["progress"])
        everybodys = [state["random"], *state.get("random_of_others", [])]
        restore_random_state(everybodys[self.distributed.rank], self.device)


def train(
    root: Path,
    spec: dict[str, Any],
    manifest: Path,
    until: int,
    record: Path,
    *,
    device: str = "cpu",
    threads: int = 1,
    deterministic: bool = False,
    gpu_shares: int = 1,
    runs_per_gpu: int = 1,
    watch: Sequence[str] = (),
    weights: Path | None = None,
) -> None:
    """Train the run in `root` to iteration `until` and write its record; resume from its state if there is one.

    `weights` is the file of a network that was trained elsewhere, where a loss of the recipe's method has one.

    Raises UserError for a user's mistake, Stopped when a signal asked to stop (the state is saved).
    """
    recipe = _checked(spec)
    run = _run_on(root, spec, open_prepared(manifest).manifest)
    every = int(spec["checkpoint_every"])
    if until % every:
        raise UserError(f"--until: {until} is not on the grid of checkpoints (one every {every} iterations)")
    if run.key["seed"] != spec["seed"]:
        raise UserError(f"--record: {record} is for another seed than the spec's, {spec['seed']}")
    if recipe.processes > 1 and not is_member():
        job = {
            "root": str(root),
            "manifest": str(manifest),
            "record": str(record),
            "spec": spec,
            "until": until,
            "weights": None if weights is None else str(weights),
        }
        options = {"device": device, "threads": threads, "deterministic": deterministic}
        options["watch"] = list(watch)
        with gpu_slot(device, gpus=recipe.processes, runs_per_gpu=runs_per_gpu):
            launch(recipe.processes, job | options)
        return
    with ExitStack() as held:
        if recipe.processes == 1:
            held.enter_context(gpu_slot(device, shares=gpu_shares, runs_per_gpu=runs_per_gpu))
        if recipe.processes == 1 or os.environ["RANK"] == "0":
            held.enter_context(exclusive_lock(run.lock))
        request = held.enter_context(stop_flag())
        distributed = held.enter_context(joined(recipe, device))
        chosen = choose_device(device, max(1, threads // distributed.size), deterministic)
        if distributed.is_main_process:
            run.sweep()
        trainer = Trainer(run, recipe, manifest, chosen, distributed, runs_per_gpu, weights)
        if distributed.is_main_process:
            write_json(run.work / "spec.json", spec)
        watched = WatchedRun(run.work, run.name, run.identity, spec)
        services = watch if distributed.is_main_process else ()
        watchers = open_watchers(services, watched, TRAINING, trainer.progress.iteration)
        try:
            _train_until(trainer, until, request, watchers)
        finally:
            trainer.close()
            watchers.close()
        if distributed.is_main_process:
            measured = (
                provenance(chosen) | _cost(trainer) | {"step": trainer.step.how} | _stages(trainer, until)
            )
            progress = trainer.progress
            run.write_record(record, until, progress.checkpoints, progress.diverged_at, recipe, measured)


def _run_on(root: Path, spec: dict[str, Any], described: dict[str, Any]) -> RunFolder:
    """Return the run on the data that a manifest describes: where it began before labels counted, it goes on there."""
    run = RunFolder(root, spec, data_digest_of(described, spec))
    before = RunFolder(root, spec, str(described["digest"]))
    return before if before.work.is_dir() and not run.work.is_dir() else run


def _checked(spec: dict[str, Any]) -> Recipe:
    """Return the recipe of `spec`, or raise UserError for what a spec written by hand gets wrong."""
    for name, kind in (("recipe", dict), ("seed", int), ("checkpoint_every", int)):
        if not isinstance(spec.get(name), kind) or (name == "checkpoint_every" and spec[name] < 1):
            raise UserError(f"--spec: {name} should be there, and be a JSON {_JSON_NAMES[kind]}")
    try:
        return Recipe.of_spec(spec)
    except ValidationError as error:
        places = [f"recipe.{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
        raise UserError("--spec: " + "\n--spec: ".join(places)) from None


_JSON_NAMES = {dict: "mapping", int: "whole number"}


def _train_until(trainer: Trainer, until: int, request: StopFlag, watchers: Watchers) -> None:
    """Run the loop to `until`, to divergence, or to a request to stop; then everything is on the disk."""
    progress, distributed = trainer.progress, trainer.distributed
    keys = trainer.phase_keys
    every = int(trainer.run.spec["checkpoint_every"])
    main = distributed.is_main_process
    history = History(trainer.run.history, progress.iteration, keys) if main else None
    bar = ProgressBar(trainer.run.name, until, "it", progress.iteration) if main else None
    saved_at = mark_time = time.perf_counter()
    mark_iteration = first = progress.iteration
    while progress.iteration < until and progress.diverged_at is None:
        trainer.iterate()
        done = progress.iteration
        if done == first + 1:  # the optimisers have their moments
            trainer.reserve()
        if done % LOG_EVERY == 0 or done % every == 0:
            losses, healthy, finite = trainer.losses.read()
            now = time.perf_counter()
            rate = (done - mark_iteration) / (now - mark_time)
            progress.seconds += now - mark_time
            named = dict(zip(map(label, keys), losses, strict=True))
            if history is not None and bar is not None:
                batch, memory = trainer.batch_size, peak_memory(trainer.device)
                history.add(done, losses, rate, batch, memory)
                shown = ", ".join(f"{name} {loss:.4f}" for name, loss in named.items())
                bar.show(done, f"loss {shown}", rate)
            losses_by_name = {f"loss/{name}": loss for name, loss in named.items()}
            watchers.scalars(done, losses_by_name | {"iterations per second": rate})
            if not finite:
                progress.diverged_at = progress.read_at + healthy + 1
                trainer.save()
                break
            progress.read_at = done
            trainer.writer.check()
            if done % every == 0:
                trainer.checkpoint()
                saved_at = time.perf_counter()
            mark_time, mark_iteration = time.perf_counter(), done
        asked = SAVE if time.perf_counter() - saved_at > SAVE_EVERY else 0
        if asked := distributed.all_reduce_max(STOP if request.signal else asked):
            progress.seconds += time.perf_counter() - mark_time
            trainer.save()
            saved_at = mark_time = time.perf_counter()
            mark_iteration = done
            if asked == STOP:
                trainer.writer.flush()
                raise Stopped(
                    f"{request.signal or 'signal to another process'}: state saved at iteration {done} of {until}"
                )
    trainer.writer.flush()
    if bar is not None:
        bar.close()


def _cost(trainer: Trainer) -> dict[str, Any]:
    """Time and memory of the whole run so far; the time of checkpoints is not training time.

    One iteration takes what it takes in the median interval of the history: a machine that slept, or a process that
    was stopped for an hour, makes no method slow.
    """
    progress = trainer.progress
    rate = usual_rate(trainer.run.history, progress.iteration)
    per_iteration = 1 / rate if rate else None
    return {
        "wall_seconds": round(progress.seconds, 3),
        "seconds_per_iteration": per_iteration,
        "images_per_second": trainer.batch_size / per_iteration if per_iteration else None,
        "peak_memory_bytes": peak_memory(trainer.device),
        "peak_host_bytes": peak_host_memory(),
        "generator_parameters": sum(weight.numel() for weight in trainer.step.kept.parameters()),
    }


def _stages(trainer: Trainer, until: int) -> dict[str, Any]:
    """What held when, and what came of it, of methods whose stages have something to say."""
    told = [stage.told() for stage in trainer.stages if stage.start < until]
    if not any(told):
        return {}
    return {"stages": told, "history": thinned(trainer.run.history, until)}
