"""`gantry export`: from a run or a checkpoint to a folder that needs no Gantry."""

from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from gantry.errors import UserError
from gantry.evaluation.by_checkpoint import Trained, load_trained, mixture, picture_of
from gantry.export.card import card, scores_at, usage
from gantry.export.program import function_name, written_out
from gantry.files import digest_of, read_mapping, sha256_of_file, write_json, write_text, write_with
from gantry.runs.record import read_record

FORMAT = 1
SHOWN = 64
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
    inputs = {each: _inputs(trained, each) for each in sampler.sources}
    told = _told(trained, source, licence, data_licence, title)
    text, constants = written_out(f"{told['title']}: generators as plain PyTorch.", kept, sampler, inputs)
    weights = {name: value.detach().cpu().contiguous() for name, value in kept.state_dict().items()}
    first = sampler.sources[0]
    given = {name: value.contiguous() for name, value in inputs[first].items()}
    translates = "translate" in sampler.can
    made = mixture(trained, sampler.sources, given)
    shown = None
    if made.ndim == 4 and not translates:
        shown = "samples.png"
        write_with(folder / shown, Image.fromarray(picture_of([made])).save)
    write_with(folder / "model.safetensors", lambda path: save_file({**weights, **constants}, path))
    write_with(folder / "inputs.safetensors", lambda path: save_file(given, path))
    write_text(folder / "generator.py", text)
    use = usage(
        function_name(first),
        given,
        {name: tuple(value.shape) for name, value in given.items()},
        images=made.ndim == 4,
        latents="uniform" if trained.recipe.latent.distribution == "uniform" else "normal",
    )
    run = trained.run
    scores = [] if run is None else scores_at(run, trained.iteration)
    write_text(folder / "README.md", card(told, use, scores, shown))
    write_json(folder / "config.json", told)
    return trained


def _inputs(trained: Trained, source: str) -> dict[str, Tensor]:
    """Inputs of some samples of `source`; of a translator noise, in place of images that somebody owns."""
    randomness = torch.Generator().manual_seed(SEED)
    if "translate" in trained.sampler.can:
        shape = trained.data.input or trained.data.sample
        return {"x": 2 * torch.rand(8, *shape, generator=randomness) - 1}
    return trained.sampler.inputs(source, range(SHOWN), randomness)


def _told(
    trained: Trained, source: Path, licence: str | None, data_licence: str | None, title: str | None
) -> dict[str, Any]:
    """What config.json holds: everything that is known of the model, as plain values."""
    spec = trained.spec
    record: dict[str, Any] = {}
    if trained.run is not None:
        found = [read_record(path) for path in sorted(trained.run.glob("record-*.json"))]
        record = next(each for each in found if _lists(each, trained.iteration))
    names = record.get("run", {})
    recipe = names.get("recipe")
    return {
        "gantry_export": FORMAT,
        "title": title
        or f"{recipe or spec['recipe'].get('objective', {}).get('name', 'GAN')} on "
        f"{spec['dataset'].get('name', 'its data')}",
        "recipe_name": recipe,
        "recipe": spec["recipe"],
        "dataset": spec["dataset"],
        "seed": spec["seed"],
        "iteration": trained.iteration,
        "functions": {each: function_name(each) for each in trained.sampler.sources},
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
