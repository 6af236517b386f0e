"""`gantry export`: from a run or a checkpoint to a folder that needs no Gantry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from gantry.data.prepared import PreparedSet
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import Trained, load_trained, mixture, picture_of
from gantry.export.card import card, scores_at, usage
from gantry.export.program import FURTHER, function_name, written_out
from gantry.files import digest_of, read_mapping, sha256_of_file, write_json, write_text, write_with
from gantry.methods.sampler import Sampler
from gantry.plan.renamed import renamed
from gantry.runs.record import read_record

FORMAT = 1
SHOWN, SHOWN_POINTS, TRANSLATED = 64, 400, 8
SEED = 0


def export(
    source: Path,
    folder: Path,
    iteration: int | None = None,
    licence: str | None = None,
    data_licence: str | None = None,
    title: str | None = None,
) -> Trained:
    """Write a checkpoint (a run's folder, of which the last one or `iteration`'s, or a file) to `folder`.

    Raises UserError if `folder` holds anything else than an earlier export.
    """
    if (
        folder.exists()
        and any(folder.iterdir())
        and "gantry_export" not in read_mapping(folder / "config.json")
    ):
        raise UserError(f"--to: {folder} is not empty, and no earlier export; name a new folder")
    trained = load_trained(source, iteration)
    sampler, kept = trained.sampler, trained.kept
    further = {ability: _samples(trained) for ability in FURTHER if ability in sampler.can}
    inputs = {generator: _inputs(trained, generator) for generator in sampler.sources}
    told = _told(trained, source, licence, data_licence, title)
    text, constants = written_out(
        f"{told['title']}: generators as plain PyTorch.", kept, sampler, inputs | further
    )
    # Copies, since networks that share layers share memory, and a file of weights may not.
    weights = {
        name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, value in kept.state_dict().items()
    }
    first = sampler.sources[0]
    given = {name: value.contiguous() for name, value in inputs[first].items()}
    translates = "translate" in sampler.can
    made = mixture(trained, sampler.sources if sampler.mixed else (first,), given)
    shown = None if translates else "samples.png"
    if shown and made.ndim == 4:
        write_with(folder / shown, Image.fromarray(picture_of([made])).save)
    elif shown:
        with torch.inference_mode():
            points = {name: sampler.sample(name, inputs[name]).cpu().numpy() for name in sampler.sources}
        write_with(folder / shown, lambda path: draw_points(points, path))
    told["check"] = checks(sampler, inputs)
    write_with(folder / "model.safetensors", lambda path: save_file({**weights, **constants}, path))
    write_with(folder / "inputs.safetensors", lambda path: save_file(given, path))
    write_text(folder / "generator.py", text)
    use = usage(
        function_name(first),
        {name: tuple(value.shape) for name, value in given.items()},
        trained.recipe.latent,
        images=made.ndim == 4,
        truncation=getattr(trained.recipe.method, "truncation", None),
        scaled=getattr(trained.recipe.method, "scaled", False),
    )
    run = trained.run
    scores = [] if run is None else scores_at(run, trained.iteration)
    write_text(folder / "README.md", card(told, use, scores, shown))
    write_json(folder / "config.json", told)
    return trained


@torch.inference_mode()
def checks(sampler: Sampler, inputs: Mapping[str, Mapping[str, Tensor]]) -> dict[str, dict[str, float]]:
    """Return, by function, mean and deviation of all numbers of the samples for these inputs."""
    found = {}
    for source, given in inputs.items():
        samples = sampler.sample(source, given).double()
        found[function_name(source)] = {"mean": float(samples.mean()), "deviation": float(samples.std())}
    return found


def draw_points(points: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Draw points (N, 2) of each generator in a colour of its own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot(aspect="equal")
    for source, drawn in points.items():
        axes.scatter(drawn[:, 0], drawn[:, 1], s=4, label=source)
    axes.legend(loc="upper right")
    figure.savefig(path, dpi=100, format="png")


def _inputs(trained: Trained, source: str) -> dict[str, Tensor]:
    """Inputs of some samples of `source`; where it wants held-out samples of somebody's, noise takes their place."""
    usual = SHOWN_POINTS if len(trained.data.sample) == 1 else SHOWN
    count = TRANSLATED if "translate" in trained.sampler.can else usual
    randomness = torch.Generator().manual_seed(SEED)
    return trained.sampler.inputs(source, range(count), randomness, noise_set(trained.data))


def _samples(trained: Trained) -> dict[str, Tensor]:
    """Noise in place of samples, for what is asked of samples."""
    randomness = torch.Generator().manual_seed(SEED)
    return {"x": 2 * torch.rand(TRANSLATED, *trained.data.sample, generator=randomness) - 1}


def noise_set(data: DataShape) -> PreparedSet:
    """A set of noise with the shapes of the data: labels in turn, attributes drawn evenly."""
    count = max(SHOWN, 2 * data.classes)
    random = np.random.default_rng(SEED)

    def drawn(shape: tuple[int, ...]) -> Any:
        if len(shape) == 1:
            return random.uniform(-1, 1, (count, *shape)).astype(np.float32)
        channels, *sides = shape
        return random.integers(0, 256, (count, *sides, channels), dtype=np.uint8)

    labels: Any = np.arange(count) % data.classes if data.classes else None
    if data.attributes:
        labels = random.integers(0, 2, (count, data.attributes), dtype=np.uint8)
    if data.vectors:
        labels = random.normal(size=(count, data.vectors)).astype(np.float32)
    kind = "points" if len(data.sample) == 1 else "images"
    inputs = None if data.input is None else drawn(data.input)
    return PreparedSet(Path(), {"name": "noise", "kind": kind}, drawn(data.sample), labels, inputs)


def _told(
    trained: Trained, source: Path, licence: str | None, data_licence: str | None, title: str | None
) -> dict[str, Any]:
    """What config.json holds: everything that is known of the model, as plain values."""
    spec = trained.spec
    record: dict[str, Any] = {}
    if trained.run is not None:
        found = [read_record(path) for path in sorted(trained.run.glob("record-*.json"))]
        record = next(candidate for candidate in found if _lists(candidate, trained.iteration))
    names = record.get("run", {})
    recipe = names.get("recipe")
    return {
        "gantry_export": FORMAT,
        "title": title
        or f"{recipe or spec['recipe'].get('objective', {}).get('name', 'GAN')} on "
        f"{spec['dataset'].get('name', 'its data')}",
        "recipe_name": recipe,
        "recipe": renamed(spec["recipe"]),
        "dataset": spec["dataset"],
        "seed": spec["seed"],
        "iteration": trained.iteration,
        "functions": {generator: function_name(generator) for generator in trained.sampler.sources},
        "further": [ability for ability in FURTHER if ability in trained.sampler.can],
        "latent": trained.recipe.latent.model_dump(mode="json"),
        "licence": licence,
        "data_licence": data_licence,
        "checkpoint_sha256": sha256_of_file(trained.path),
        "spec_digest": digest_of(spec),
        "data_digest": record.get("data_digest"),
        "provenance": record.get("provenance", {}),
    }


def _lists(record: dict[str, Any], iteration: int) -> bool:
    return any(entry["iteration"] == iteration for entry in record["checkpoints"])
