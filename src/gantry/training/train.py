"""Training one run, from wherever it stands to a given iteration."""

import os
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError

from gantry.data import open_prepared
from gantry.data.batches import Batches
from gantry.errors import UserError
from gantry.files import write_json
from gantry.plan.recipe import Recipe
from gantry.system.device import choose_device
from gantry.system.gpus import gpu_slot
from gantry.system.lock import exclusive_lock
from gantry.system.signals import StopFlag, Stopped, stop_flag
from gantry.training.capture import build_step
from gantry.training.events import Events
from gantry.training.game import Game, Latents
from gantry.training.history import (
    History,
    LossMeter,
    ProgressLine,
    peak_host_memory,
    peak_memory,
    usual_rate,
)
from gantry.training.launch import launch
from gantry.training.optimisers import take_up
from gantry.training.provenance import provenance
from gantry.training.run import RunFolder
from gantry.training.state import Progress, load_state, random_state, restore_random_state, save_state
from gantry.training.team import Team, TeamStep, is_member, joined, seed_of_member
from gantry.training.writer import Writer, to_host

LOG_EVERY = 100  # iterations between two readings of the losses
SAVE_EVERY = 300.0  # seconds after which the state is saved even between checkpoints
STOP = 2  # the wish to save and stop; 1 is the wish to save


class Trainer:
    """Everything that moves while a run trains, and how it is put aside and taken up again."""

    def __init__(
        self,
        run: RunFolder,
        recipe: Recipe,
        manifest: Path,
        device: torch.device,
        team: Team,
        runs_per_gpu: int = 1,
    ) -> None:
        self.run = run
        self.recipe = recipe
        self.device = device
        self.team = team
        prepared = open_prepared(manifest)
        seed = int(run.spec["seed"])
        torch.manual_seed(seed)
        self.game = Game(recipe, prepared.sample_shape).to(device).train()
        self.step = (
            build_step(self.game, recipe, device)
            if team.size == 1
            else TeamStep(self.game, recipe, device, team)
        )
        if not team.leads:  # from here on: all begin with the same weights
            torch.manual_seed(seed_of_member(seed, team.rank))
        self.batches = Batches(
            prepared, recipe.batch_size, seed=seed, device=device, flip=recipe.flip, runs_per_gpu=runs_per_gpu
        )
        self.latents = Latents(recipe.latent, recipe.batch_size // team.size, device)
        self.losses = LossMeter(device)
        self.progress = Progress()
        self.writer = Writer()
        if run.state.exists():
            state = load_state(run.state, run.identity, device)
            try:
                self._restore(state)
            except (RuntimeError, ValueError, KeyError, TypeError) as error:
                raise UserError(
                    f"{run.state}: the state was saved by another version of Gantry and does not fit ({error}); "
                    "delete it and run the same command again: training restarts"
                ) from error

    def iterate(self) -> None:
        """One iteration: the discriminator's updates, then the generators', each on fresh batches."""
        self.game.objective.redraw(self.device)
        self.team.follow(self.game.objective)
        for _ in range(self.recipe.updates.discriminator):
            real = self.team.share(self.batches.next())
            self.losses.add(0, self.step.discriminator(real, self.latents.next()))
        for _ in range(self.recipe.updates.generator):
            real = self.team.share(self.batches.next())
            self.losses.add(1, self.step.generator(real, self.latents.next()))
        self.losses.end_iteration()
        self.progress.iteration += 1

    def save(self) -> None:
        """Have the state written: networks, optimisers, averages, randomness, data cursor, progress."""
        self.writer.flush()  # first, since progress knows of a checkpoint once it is written
        content = self._content()
        if not self.team.leads:
            return
        content, arrived = to_host(content, self.device)

        def write() -> None:
            arrived()
            save_state(self.run.state, self.run.identity, content)

        self.writer.submit(write)

    def checkpoint(self) -> None:
        """Have the generators written, noted in the progress, and then the state that knows of them."""
        self.writer.flush()
        iteration = self.progress.iteration
        known = [each for each in self.progress.checkpoints if each["iteration"] < iteration]
        content = self._content()
        if not self.team.leads:
            return
        (generators, content), arrived = to_host(
            (self.step.sampling_generators().state_dict(), content), self.device
        )

        def write() -> None:
            arrived()
            # A new list, in one assignment: nobody reads it before `flush`, and nobody sees half of it.
            self.progress.checkpoints = [*known, self.run.save_checkpoint(iteration, generators)]
            content["progress"]["checkpoints"] = self.progress.checkpoints
            save_state(self.run.state, self.run.identity, content)

        self.writer.submit(write)

    def close(self) -> None:
        """End the threads that work beside training; what they have begun to write, they finish."""
        self.batches.close()
        self.writer.close()

    def _content(self) -> dict[str, Any]:
        own, *others = self.team.gathered(random_state(self.device))
        average = self.step.average
        return {
            "game": self.game.state_dict(),
            "objective": self.game.objective.state_dict(),
            "optimiser_d": self.step.optimiser_d.state_dict(),
            "optimiser_g": self.step.optimiser_g.state_dict(),
            "average": None if average is None else average.state_dict(),
            "random": own,
            "batches": self.batches.state_dict(),
            "losses": self.losses.state_dict(),
            "progress": asdict(self.progress),
        } | ({"random_of_others": others} if others else {})

    def _restore(self, state: dict[str, Any]) -> None:
        self.game.load_state_dict(state["game"])
        self.game.objective.load_state_dict(state["objective"])
        take_up(self.step.optimiser_d, state["optimiser_d"])
        take_up(self.step.optimiser_g, state["optimiser_g"])
        if self.step.average is not None:
            self.step.average.load_state_dict(state["average"])
        self.batches.load_state_dict(state["batches"])
        self.losses.load_state_dict(state["losses"])
        self.progress = Progress(**state["progress"])
        everybodys = [state["random"], *state.get("random_of_others", [])]
        restore_random_state(everybodys[self.team.rank], self.device)


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
    tensorboard: bool = False,
) -> None:
    """Train the run in `root` to iteration `until` and write its record; resume from its state if there is one.

    Raises UserError for a user's mistake, Stopped when a signal asked to stop (the state is saved).
    """
    recipe = _checked(spec)
    run = RunFolder(root, spec, open_prepared(manifest).digest)
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
        }
        options = {"device": device, "threads": threads, "deterministic": deterministic}
        options["tensorboard"] = tensorboard
        with gpu_slot(device, gpus=recipe.processes, runs_per_gpu=runs_per_gpu):
            launch(recipe.processes, job | options)
        return
    with ExitStack() as held:
        if recipe.processes == 1:
            held.enter_context(gpu_slot(device, shares=gpu_shares, runs_per_gpu=runs_per_gpu))
        if recipe.processes == 1 or os.environ["RANK"] == "0":
            held.enter_context(exclusive_lock(run.lock))
        request = held.enter_context(stop_flag())
        team = held.enter_context(joined(recipe, device))
        chosen = choose_device(device, max(1, threads // team.size), deterministic)
        if team.leads:
            run.sweep()
        trainer = Trainer(run, recipe, manifest, chosen, team, runs_per_gpu)
        if team.leads:
            write_json(run.work / "spec.json", spec)
        try:
            _train_until(trainer, until, request, tensorboard)
        finally:
            trainer.close()
        if team.leads:
            measured = provenance(chosen) | _cost(trainer) | {"step": trainer.step.how}
            run.write_record(
                record, until, trainer.progress.checkpoints, trainer.progress.diverged_at, measured
            )


def _checked(spec: dict[str, Any]) -> Recipe:
    """Return the recipe of `spec`, or raise UserError for what a spec written by hand gets wrong."""
    for name, kind in (("recipe", dict), ("seed", int), ("checkpoint_every", int)):
        if not isinstance(spec.get(name), kind) or (name == "checkpoint_every" and spec[name] < 1):
            raise UserError(f"--spec: {name} should be there, and be a JSON {_JSON_NAMES[kind]}")
    try:
        return Recipe.model_validate({"workload": ""} | spec["recipe"])
    except ValidationError as error:
        places = [f"recipe.{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
        raise UserError("--spec: " + "\n--spec: ".join(places)) from None


_JSON_NAMES = {dict: "mapping", int: "whole number"}


def _train_until(trainer: Trainer, until: int, request: StopFlag, tensorboard: bool) -> None:
    """Run the loop to `until`, to divergence, or to a request to stop; then everything is on the disk."""
    progress, team = trainer.progress, trainer.team
    every = int(trainer.run.spec["checkpoint_every"])
    history = History(trainer.run.history, progress.iteration) if team.leads else None
    events = Events(trainer.run.events, progress.iteration) if tensorboard and team.leads else None
    line = ProgressLine(trainer.run.name, until)
    saved_at = mark_time = time.perf_counter()
    mark_iteration = progress.iteration
    while progress.iteration < until and progress.diverged_at is None:
        trainer.iterate()
        done = progress.iteration
        if done % LOG_EVERY == 0 or done % every == 0:
            loss_d, loss_g, healthy, finite = trainer.losses.read()
            now = time.perf_counter()
            rate = (done - mark_iteration) / (now - mark_time)
            progress.seconds += now - mark_time
            if history is not None:
                batch, memory = trainer.recipe.batch_size, peak_memory(trainer.device)
                history.add(done, loss_d, loss_g, rate, batch, memory)
                line.show(done, rate, loss_d, loss_g, force=done == until)
            if events:
                events.add(done, loss_d, loss_g, rate)
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
        wish = STOP if request.signal else int(time.perf_counter() - saved_at > SAVE_EVERY)
        if wish := team.agree(wish):
            progress.seconds += time.perf_counter() - mark_time
            trainer.save()
            saved_at = mark_time = time.perf_counter()
            mark_iteration = done
            if wish == STOP:
                trainer.writer.flush()
                raise Stopped(
                    f"{request.signal or 'signal to another process'}: state saved at iteration {done} of {until}"
                )
    trainer.writer.flush()


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
        "images_per_second": trainer.recipe.batch_size / per_iteration if per_iteration else None,
        "peak_memory_bytes": peak_memory(trainer.device),
        "peak_host_bytes": peak_host_memory(),
        "generator_parameters": sum(weight.numel() for weight in trainer.game.generators.parameters()),
    }
