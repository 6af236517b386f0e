"""What a change that should change nothing leaves alone: losses, weights, digests of specs, orders and data."""

import csv
import hashlib
import json
import platform
import re
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gantry.data import open_prepared, prepare
from gantry.data.shape import DataShape
from gantry.methods import build_method
from gantry.plan import Plan, load_plan
from gantry.plan.recipe import Recipe
from gantry.plan.report_specs import report_spec_digest
from gantry.training import train as loop

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = Path(__file__).with_name("golden.json")
# Together they hold every recipe; bcgan_small has bcgan's names at its own sizes.
PAPERS = (
    "bcgan",
    "bcgan_extras",
    "conditional",
    "edgan",
    "encoders",
    "precision",
    "scales",
    "translation",
    "zoo",
)
OWN_NAMES = ("bcgan_small",)
# Embedded sets, as the experiments have them, with few samples.
DATA = {
    "points": ("mixture", None),
    "images": ("digits", 32),
    "pairs of points": ("mixture_turned", None),
    "pairs of images": ("digits_edges", 32),
    "enlargements": ("digits_low", 32),
}
EMBEDDED = (("mixture", None), ("digits", 32), ("china", 32), ("flower", 32))
ITERATIONS = 2
WIDTHS = {"mlp": 8, "mlp_autoencoder": 16, "sagan": 8}  # others: 2
LISTED = 12  # digits of a SHA-256


def processor() -> str:
    """What decides the last bits of a sum: PyTorch's version, the kernels that it takes, the chip.

    The kernels' name is not enough: MKL and oneDNN choose by the maker and by newer instructions, too.
    """
    version, kernels = torch.__version__.partition("+")[0], torch.backends.cpu.get_cpu_capability()
    return f"torch {version}, {kernels}, {platform.machine()}, {_chip()}"


def _chip() -> str:
    told = Path("/proc/cpuinfo")
    if not told.exists():
        return platform.processor()
    facts = dict(re.findall(r"^(vendor_id|cpu family|model)\s*: (.+)$", told.read_text(), re.MULTILINE))
    return " ".join(facts.values())


def plan_of(papers: Iterable[str], scale: str = "paper", **settings: str) -> Plan:
    """The plan of these papers at one of the shipped scales."""
    return load_plan({"scale": scale, "papers": list(papers)} | settings, REPOSITORY)


def recipe_names() -> list[str]:
    """Every recipe of every experiment."""
    return sorted(plan_of(PAPERS).recipes)


class Bench:
    """Trains every recipe for two iterations at toy size, on embedded data."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = plan_of(PAPERS, precision="fp32")  # but for the recipes that name another
        self.manifests: dict[str, Path] = {}

    def recipe(self, name: str) -> dict[str, Any]:
        """The recipe as a spec has it, narrow and with small batches; all else as the experiment says."""
        recipe = self.plan.recipes[name]
        told = recipe.model_dump(mode="json", exclude={"workload"}, exclude_defaults=True)
        networks = told["networks"]
        networks["width"] = WIDTHS.get(networks["family"], 2)
        if recipe.networks.translates and recipe.networks.makes == "images":
            networks["patch_width"] = 2
        for option, key in (("minibatch_discrimination", "kernels"), ("virtual_batch_norm", "reference")):
            if networks.get(option) is not None:
                networks[option] |= {key: 4}
        told["batch_size"] = 4 * recipe.pack
        if "known" in told.get("method", {}):  # the digits are 1,797
            told["method"]["known"] = min(told["method"]["known"], 500)
        if "pretraining" in told.get("method", {}):
            told["method"]["pretraining"] = 2
        if "domains" in told.get("method", {}):
            told["method"]["domains"] = [3, 8]
        told.get("method", {}).pop("exclusive", None)  # digits have no hair
        return told

    def data(self, name: str) -> str:
        """What a recipe trains on, as `DATA` has it."""
        recipe = self.plan.recipes[name]
        networks = recipe.networks
        if not networks.translates or getattr(recipe.method, "domains", (0, 1)) != (0, 1):
            return networks.makes
        return "enlargements" if networks.family == "sr_resnet" else f"pairs of {networks.makes}"

    def manifest(self, makes: str) -> Path:
        """The prepared set that recipes for points, or for images, train on."""
        if makes not in self.manifests:
            name, resolution = DATA[makes]
            out = self.folder / makes
            prepare(self.plan.datasets[name], name, self.folder, resolution, out)
            self.manifests[makes] = out / "manifest.json"
        return self.manifests[makes]

    def losses(self, name: str) -> dict[str, Any]:
        """Digest of the initial weights, losses of two iterations, and digest of the generators after them."""
        told, makes = self.recipe(name), self.data(name)
        manifest = self.manifest(makes)
        torch.manual_seed(0)
        recipe = Recipe.model_validate({"workload": ""} | told)
        method = build_method(recipe, DataShape.of(open_prepared(manifest)))
        root = self.folder / makes / name / "seed0"
        spec = {"recipe": told, "dataset": {"name": makes}, "seed": 0, "checkpoint_every": 1}
        loop.train(root, spec, manifest, ITERATIONS, root / f"record-{ITERATIONS}.json")
        (history,) = root.rglob("history.csv")
        with history.open(newline="") as stream:
            rows = [row[1 : 1 + min(2, len(method.phases))] for row in csv.reader(stream)][1:]
        last = max(root.rglob("*.safetensors"))
        return {"start": digest_of_tensors(method.state_dict()), "losses": rows, "end": _tensors_of(last)}


def digest_of_tensors(tensors: dict[str, torch.Tensor]) -> str:
    """A digest of names, shapes and bits."""
    digest = hashlib.sha256()
    for name, value in sorted(tensors.items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:LISTED]


def _tensors_of(path: Path) -> str:
    from safetensors.torch import load_file

    return digest_of_tensors(load_file(path))


def specs_and_orders(scale: str) -> dict[str, dict[str, str]]:
    """Digest of the specs of each data set and recipe, all seeds together, and of each order, at one scale."""
    specs: dict[str, str] = {}
    orders: dict[str, str] = {}
    for papers in (PAPERS, OWN_NAMES):
        plan = plan_of(papers, scale)
        for run in plan.runs.values():
            key = f"{run.dataset}/{run.recipe_name}" + ("" if papers is PAPERS else f" ({papers[0]})")
            specs[key] = hashlib.sha256((specs.get(key, "") + run.spec_digest).encode()).hexdigest()[:LISTED]
        orders |= {
            f"{paper}/{name}": report_spec_digest(plan, paper, name)[:LISTED]
            for paper, name, _ in plan.outputs()
        }
    return {"specs": dict(sorted(specs.items())), "orders": dict(sorted(orders.items()))}


def scales() -> list[str]:
    """The shipped scales."""
    shipped = subprocess.run(
        ["git", "ls-files", "workflow/scales/*.yaml"], cwd=REPOSITORY, capture_output=True, text=True
    )
    names = shipped.stdout.split() or (REPOSITORY / "workflow/scales").glob("*.yaml")
    return sorted(Path(name).stem for name in names)


def prepared_sets() -> dict[str, list[str]]:
    """Digest of the samples, and of the labels, of every embedded set as the experiments prepare it."""
    found = {}
    datasets = plan_of(PAPERS).datasets
    with tempfile.TemporaryDirectory() as name:
        for dataset, resolution in EMBEDDED:
            folder = Path(name) / dataset
            digest = prepare(datasets[dataset], dataset, folder, resolution, folder)["digest"]
            labels = folder / "labels.npy"
            of_labels = (
                hashlib.sha256(np.load(labels, allow_pickle=False).tobytes()).hexdigest()
                if labels.exists()
                else ""
            )
            found[dataset] = [digest[:LISTED], of_labels[:LISTED]]
    return found


def tables(results: Path) -> dict[str, str]:
    """Digest of every table below a folder of results, but for those that tell times."""
    return {
        str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest()[:LISTED]
        for path in sorted(results.glob("*/*.csv"))
        if "times" not in path.name and "cost" not in path.name
    }


def read() -> dict[str, Any]:
    """The golden file."""
    content: dict[str, Any] = json.loads(GOLDEN.read_text(encoding="utf-8"))
    return content
