"""The commands of the README and of docs, as they stand there; and a checkout in which all scales are toys."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image
from tests.workflow.checkout import Checkout, SnakemakeServer
from tests.workflow.plans import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
SHELL = re.compile(r"^```(?:bash|sh)\n(.*?)^```", re.DOTALL | re.MULTILINE)
INDENTED = re.compile(r"^    ((?:uv run |gantry |snakemake ).*)$", re.MULTILINE)

# What is not run here, and why. Commands of gantry are parsed all the same, and files that are named must be there.
NOT_RUN = {
    r"^pip install|^uv (sync|venv|pip)": "installs from the network",
    r"^uv run pytest": "the suite itself, or a part of it",
    r"^uv run python ": "minutes to hours: benchmarks and campaigns",
    r"--group (slurm|cluster)": "needs a scheduler's plugin, and a scheduler",
    r"--group watch|--logger rich": "needs a plugin that only those who watch install",
    r"^nvidia-|^uv export": "needs a GPU's driver",
    r"^chmod": "of scripts that are the reader's",
    r"^tar |^\(cd results|^sha256sum": "packs results of paper scale",
    r"^snakemake --report": "needs every result; test_moved_results makes one",
    r"--like|--network (own|net)|--generator sampler": "needs the Inception's weights, or a file of the reader's",
    r"^gantry export": "seconds of torch.export; tests of its own",
    r"^gantry score REAL|^gantry score --against": "REAL and GENERATED are the reader's",
    r"^gantry sample RUN|^gantry score results/data/digits_split": "needs a run of classes; tests of their own",
    r"^gantry statistics": "needs CelebA",
    r"^gantry (encode|reconstruct|invert|translate)": "needs a trained run of another kind; tests of their own",
    r"features=inception": "needs the Inception's weights",
}  # fmt: skip
# A command with these is an example of a form.
PLACEHOLDERS = re.compile(r"…|<\w+>|\bNAME\b|\bFOLDER\b")


@dataclass(frozen=True)
class Command:
    """One command of a page, without `uv run` and remarks."""

    page: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def reason(self) -> str:
        """Why it is not run; '' if it is."""
        if PLACEHOLDERS.search(self.text):
            return "an example of a form"
        return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, self.text)), "")


def commands() -> list[Command]:
    """Every command of every page, once each."""
    found = [Command(page.name, text) for page in PAGES for text in _texts(page.read_text(encoding="utf-8"))]
    return list({command.text: command for command in found}.values())


def _texts(page: str) -> Iterator[str]:
    page = re.sub(r"\\\n\s*", " ", page)
    for block in [*SHELL.findall(page), *INDENTED.findall(page)]:
        if block.startswith("#!"):
            continue  # a script
        for line in map(_words, block.splitlines()):
            if line.startswith("git clone"):
                continue  # its address is not known here
            parts = [line] if line.startswith("(") else line.split(" && ")
            for text in filter(None, map(str.strip, parts)):
                yield re.sub(r"^uv run (?!pytest|python|--group)", "", text)


def _words(line: str) -> str:
    """A line without the remark at its end: '  # …', outside of quotes."""
    return re.sub(r"(^|\s+)#(\s.*)?$", "", line).strip()


TOY: dict[str, Any] = {
    "title": "a toy",
    "device": "cpu",
    "seeds": [0],
    "features": "embedded",
    "outputs": {"bcgan": ["table5", "figure12"], "edgan": ["ladder"]},
    "substitute": {"celeba": "digits", "cifar10": "digits"},
    "workloads": {
        "synthetic": {"iterations": 4, "checkpoint_every": 2, "snapshots": [4], "samples": 50, "shown": 10,
                      "recipe": {"networks": {"width": 4, "depth": 1, "maxout_units": 2}}},
        **{name: {"iterations": 4, "checkpoint_every": 2, "resolution": 32, "samples": 20, "shown": 4,
                  "recipe": {"networks": {"width": 2}, "batch_size": 4}} for name in ("structures", "penalties")},
        "images": {"iterations": 4, "checkpoint_every": 2, "extended_iterations": None, "resolution": 32, "samples": 20,
                   "shown": 4, "final_metrics": [], "recipe": {"networks": {"width": 2}, "batch_size": 4}},
    },
}  # fmt: skip


class ToyCheckout(Checkout):
    """A checkout as a reader has it, with toys for scales, few images, and what the commands name."""

    def __init__(self, folder: Path, snakemake: SnakemakeServer) -> None:
        super().__init__(folder, snakemake)
        for scale in (folder / "workflow/scales").glob("*.yaml"):
            scale.write_text(yaml.safe_dump(TOY), encoding="utf-8")
        sets = folder / "workflow/datasets.yaml"
        small = yaml.safe_load(sets.read_text(encoding="utf-8"))
        small["digits"]["fraction"] = 0.05
        for name in ("china", "flower"):
            small[name] |= {"images": 20, "options": small[name]["options"] | {"count": 20}}
        sets.write_text(yaml.safe_dump(small), encoding="utf-8")
        rng = np.random.default_rng(0)
        for name in ("faces", "folder_a", "folder_b", "real", "generated"):
            (folder / name).mkdir()
            for number in range(12):
                pixels = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / name / f"{number}.png")
        (folder / "runs.csv").write_text(
            "run,group,seed,metric,value\n"
            + "".join(f"{g}{s},{g},{s},fid,{12 + s / 7}\n" for g in ("ours", "baseline") for s in range(3))
        )
        (folder / "published.csv").write_text("group,metric,value\nours,fid,11\n")
        (folder / "home").mkdir()

    def made_toy(self, command: Command) -> list[str]:
        """The words of a command with its paths replaced, and the networks that are not here."""
        words = [word.replace("/data/faces", str(self.folder / "faces")) for word in command.words]
        if words[:2] == ["gantry", "trace"]:
            words = ["FD" if word == "FID" else word for word in words]
            words += [] if any(word.startswith("scale=") for word in words) else ["scale=quick"]
        if words[:2] == ["gantry", "score"] and "--network" not in words:
            weights = self.folder / "results/data/embedded-classifier.safetensors"
            words += ["--network", "embedded", "--weights", str(weights)]
            words += ["--metrics", "frechet_distance"]
        if "--count" in words:
            words[words.index("--count") + 1] = "20"
        if words[0] == "snakemake":
            words = [word.replace("~", str(self.folder / "home")) for word in words] + ["-n"]
        return words
