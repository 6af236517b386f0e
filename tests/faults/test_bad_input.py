"""Users' mistakes, in one table over configuration, data, command line, state and environment: exit code 2, one
message that names the culprit and the fix, no traceback, and nothing damaged that was there before.

docs/faults.md lists these; more are in tests/plan/test_wrong_configurations.py and test_problems.py, and in
tests/workflow/test_bad_*.py.
"""

# ruff: noqa: E501 (a table: each mistake on as few lines as it takes)

import json
import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.status.half import SETTINGS, TABLE, plan_of
from tests.workflow.steps import CONFIG, MANIFEST, PLAN, RUN, TWO, Gantry, contents, refused

from gantry.files import canonical_json

RECORD = RUN / "record-20.json"
METRICS, SAMPLES = Path(PLAN.metrics(TWO, 20)), Path(PLAN.samples(TWO, 20))
ONE_SEED = [*SETTINGS, "seeds=[0]"]


@dataclass(frozen=True)
class Mistake:
    """What the user typed, what was done before to the files, and what the message must say."""

    title: str
    command: Callable[[], list[str]]
    says: tuple[str, ...]
    spoil: Callable[[], object] = lambda: None


def plan(*settings: str) -> Callable[[], list[str]]:
    return lambda: ["plan", "scale=smoke", *settings]


def verb(*arguments: str) -> Callable[[], list[str]]:
    return lambda: list(arguments)


def train(until: int = 40) -> list[str]:
    run = plan_of(workloads={"synthetic": {"iterations": 40}}).runs["mixture/points_two/seed0"]
    return ["train", "--spec", canonical_json(run.spec), "--data", str(MANIFEST), "--until", str(until),
            "--record", str(RUN / f"record-{until}.json")]  # fmt: skip


def score() -> list[str]:
    made = plan_of()
    told = json.dumps(made.scoring(made.runs["mixture/points_two/seed0"]))
    return ["score-run", "--record", str(RECORD), "--data", str(MANIFEST), "--scoring", told,
            "--metrics", "out.csv", "--samples", "out.npz"]  # fmt: skip


def make(family: str, name: str, out: str) -> Callable[[], list[str]]:
    return lambda: [family, "sketch", name, "--config", json.dumps(CONFIG), "--out", out]


def prepare(**dataset: Any) -> Callable[[], list[str]]:
    whole = {"title": "mine", "source": "folder", "images": None, "options": {}, "path": "raw"} | dataset
    config = CONFIG | {"data": "", "datasets": {**CONFIG["datasets"], "digits": whole}}
    return lambda: ["prepare", "digits-32", "--config", json.dumps(config), "--out", "out/manifest.json"]


def write(path: str | Path, content: bytes | str) -> Callable[[], object]:
    def spoil() -> object:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def folder_for(pattern: str) -> Callable[[], object]:
    """Put a folder where a file should be."""

    def spoil() -> object:
        path = next(Path().glob(pattern))
        path.unlink()
        return path.mkdir()

    return spoil


def replace(pattern: str, content: bytes) -> Callable[[], object]:
    return lambda: next(Path().glob(pattern)).write_bytes(content)


def images(**options: Any) -> Callable[[], object]:
    def spoil() -> object:
        Path("raw").mkdir()
        noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        return Image.fromarray(noise).save("raw/one.png", **options)

    return spoil


def array(content: Any) -> Callable[[], object]:
    return lambda: np.save("raw.npy", content, allow_pickle=True)


def edit(path: Path, change: Callable[[dict[str, Any]], Any]) -> Callable[[], object]:
    return lambda: path.write_text(json.dumps(change(json.loads(path.read_text()))))


class Trap:
    """Unpickled, it would leave a file."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


STATE = f"{RUN}/work/*/state/state.bin"
CHECKPOINT = f"{RUN}/work/*/checkpoints/0000020.safetensors"
PICKLE = pickle.dumps(Trap())

CONFIGURATION = [
    Mistake("a tag that would run code", plan(), ("config.yaml", "line 1", "python/object"),
            write("config.yaml", "scale: !!python/object/apply:os.mkdir [trapped]\n")),
    Mistake("a tag in a setting", plan("data=!!python/object/apply:os.mkdir [trapped]"), ("data=", "not YAML")),
    Mistake("a file with tabs", plan(), ("config.yaml: line 1", "not valid YAML"), write("config.yaml", "\tscale: smoke\n")),
    Mistake("a file in another encoding", plan(), ("config.yaml: cannot be read", "utf-8"), write("config.yaml", "scale: qü".encode("utf-16"))),
    Mistake("a file that is a list", plan(), ("config.yaml", "mapping"), write("config.yaml", "- scale\n")),
    Mistake("a key given twice", plan(), ("config.yaml: line 2", "'scale' given twice"),
            write("config.yaml", "scale: smoke\nscale: paper\n")),
    Mistake("a folder for a file", plan(), ("config.yaml", "cannot be read"), folder_for("config.yaml")),
    Mistake("a scale that is a list", plan("scale=[smoke]"), ("config: scale: should be",)),
    Mistake("a scale by a path that is not there", plan("scale=../../etc/passwd"), ("passwd", "no such file")),
    Mistake("no papers", plan("papers=null"), ("config: papers: should be",)),
    Mistake("a paper outside the folder", plan("papers=[../../secrets]"), ("papers.0", "name of letters")),
    Mistake("a data set outside the folder", plan("datasets={../x: {title: t, source: folder}}"), ("datasets", "../x")),
    Mistake("a data set by an absolute name", plan("datasets={/etc: {title: t, source: folder}}"), ("datasets", "/etc")),
    Mistake("a data set of an unknown source", plan("datasets={mine: {title: t, source: foldr}}"), ("datasets.mine.source", "folder")),
    Mistake("a data set without a title", plan("datasets={mine: {source: folder}}"), ("datasets.mine.title: missing",)),
    Mistake("a fraction above one", plan("datasets={celeba: {fraction: 1.5}}"), ("fraction", "less than or equal to 1")),
    Mistake("a fraction of nothing", plan("datasets={celeba: {fraction: 0}}"), ("fraction", "greater than 0")),
    Mistake("a learning rate that is not a number", plan("recipes={bcgan: {optimiser: {lr_g: .nan}}}"), ("lr_g", "nan")),
    Mistake("a learning rate without end", plan("recipes={bcgan: {optimiser: {lr_g: .inf}}}"), ("lr_g", "inf")),
    Mistake("a negative learning rate", plan("recipes={bcgan: {optimiser: {lr_d: -1}}}"), ("lr_d: should be greater than 0",)),
    Mistake("half a batch", plan("recipes={bcgan: {batch_size: 1}}"), ("batch_size: should be 2 or more",)),
    Mistake("nine generators", plan("recipes={bcgan: {generators: 9}}"), ("generators: should be less than or equal to 8",)),
    Mistake("a seed too large", plan(f"seeds=[{2**63}]"), ("seeds.0",)),
    Mistake("a device in capitals", plan("device=CUDA"), ("config: device: should be 'cpu' or 'cuda'", "'CUDA'")),
    Mistake("determinism, perhaps", plan("deterministic=perhaps"), ("config: deterministic: should be", "'perhaps'")),
    Mistake("segments off the grid", plan("segment_iterations=7"), ("segment_iterations: 7 is not a multiple",)),
    Mistake("a folder of data that is a number", plan("data=3"), ("config: data: should be",)),
    Mistake("a resolution of zero", plan("workloads={images: {resolution: 0}}"), ("resolution: should be a power of two",)),
    Mistake("no samples", plan("workloads={images: {samples: 0}}"), ("samples: should be greater than or equal to 1",)),
    Mistake("metrics that are a word", plan("workloads={images: {metrics: swd}}"), ("metrics: should be a list",)),
]  # fmt: skip

DATA = [
    Mistake("fewer images than were said", prepare(images=2), ("1 images found, 2 expected",), images()),
    Mistake("an image of no bytes", prepare(), ("empty.png",), write("raw/empty.png", b"")),
    Mistake("a bomb of an image", prepare(), ("bomb.png",), write(
        "raw/bomb.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\xff\xff\xff\x00\xff\xff\xff\x00\x08\x02\x00\x00\x00")),
    Mistake("an array of pickles", prepare(source="array", path="raw.npy"), ("raw.npy", "not a whole .npy file"),
            array(np.array([Trap()], dtype=object))),
    Mistake("an array of complex numbers", prepare(source="array", path="raw.npy"), ("raw.npy", "complex"),
            array(np.zeros((4, 32, 32, 3), np.complex64))),
    Mistake("an archive that is none", prepare(source="celeba", path="raw"), ("img_align_celeba.zip",),
            write("raw/img_align_celeba.zip", b"PK nothing")),
    Mistake("a database that is none", prepare(source="lsun", path="raw"), ("raw",), write("raw/data.mdb", b"nothing")),
    Mistake("a MATLAB file that is none", prepare(source="svhn", path="raw"), ("train_32x32.mat",),
            write("raw/train_32x32.mat", b"nothing")),
    Mistake("pickled batches with a trap", prepare(source="cifar10", path="raw"), ("cifar",), lambda: [
        write(f"raw/cifar-10-batches-py/{name}", PICKLE)()
        for name in ("data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "batches.meta")]),
]  # fmt: skip

COMMANDS = [
    Mistake("a data set to fetch that is unknown", verb("fetch", "cifar", "scale=smoke"), ("unknown data set 'cifar'", '"cifar10"')),
    Mistake("a data set that may not be fetched", verb("fetch", "celeba", "scale=smoke"), ("celeba", "cannot be downloaded by a program", "mmlab")),
    Mistake("scores of nothing", verb("score", "nowhere", "nothing"), ("nowhere",)),
    Mistake("scores by an unknown network", verb("score", "raw", "raw", "--network", "inceptoin"), ("inceptoin", "inception"), images()),
    Mistake("a table of an unknown paper", make("table", "modse", "out.csv"), ("modse: no table", '"sketch modes"')),
    Mistake("a trace of an unknown table", verb("trace", "modse", "Two", "JS", *ONE_SEED), ("modse: no table", '"modes"')),
    Mistake("a status of an unknown scale", verb("status", "scale=qick"), ("qick.yaml: no such file", '"quick"')),
    Mistake("a cleaning of an unknown scale", verb("clean", "--yes", "scale=qick"), ("qick.yaml: no such file",)),
    Mistake("a configuration in no file", lambda: ["table", "sketch", "modes", "--config", "@gone.json", "--out", "x.csv"],
            ("--config: not JSON", "gone.json")),
    Mistake("a length of time run backwards", lambda: [*train(10)[:-3], "5", "--record", str(RUN / "record-5.json")], ("--until: 5 is not on the grid",)),
    Mistake("a record into no run's folder", lambda: [*train()[:-1], "elsewhere/record-40.json"], ("<dataset>/<recipe>/seed<number>",)),
    Mistake("a record into another seed's folder", lambda: [*train()[:-1], str(RUN.parent.with_name("seed3") / RUN.name / "record-40.json")], ("another seed",)),
]  # fmt: skip

STATES = [
    Mistake("a pickle for a state", train, ("state.bin", "not a state", "delete it"), replace(STATE, PICKLE)),
    Mistake("a folder for a state", train, ("state.bin", "cannot be read", "delete it"), folder_for(STATE)),
    Mistake("a pickle for a checkpoint", score, ("0000020.safetensors", "damaged", "delete"), replace(CHECKPOINT, PICKLE)),
    Mistake("a folder for a lock", train, ("lock", "cannot be written"), folder_for(f"{RUN}/work/lock")),
    Mistake("a folder for a record", score, ("record-20.json", "cannot be read"), folder_for(str(RECORD))),
    Mistake("a record that is a list", score, ("record-20.json", "not a record"), lambda: RECORD.write_text("[]")),
    Mistake("a record of other bytes", score, ("record-20.json", "cannot be read"), lambda: RECORD.write_bytes(b"\xff\xfe{")),
    Mistake("a record that lists a file elsewhere", score, ("record-20.json", "outside of its run's folder", "delete"),
            edit(RECORD, lambda record: record | {"checkpoints": [record["checkpoints"][0] | {"file": "../../../../../../x"}]})),
    Mistake("a folder for a manifest", score, ("manifest.json", "cannot be read"), folder_for(str(MANIFEST))),
    Mistake("a pickle for points", score, ("points.npy",), replace("results/data/mixture/points.npy", PICKLE)),
    Mistake("scores cut short", make("table", "modes", TABLE), ("metrics-20-", "damaged"), replace(str(METRICS), b"dataset,recipe\n1")),
    Mistake("scores of other bytes", make("table", "modes", TABLE), ("metrics-20-", "damaged"), replace(str(METRICS), b"\xff\xfe\x00")),
    Mistake("scores that are words", make("table", "modes", TABLE), ("metrics-20-", "damaged"),
            lambda: METRICS.write_text(METRICS.read_text().replace("js,0", "js,a lot"))),
    Mistake("samples that are pickled", make("figure", "places", "out.png"), ("samples-20-", "damaged"),
            lambda: np.savez(SAMPLES, iterations=np.array([Trap()], dtype=object))),
    Mistake("samples cut short", make("figure", "places", "out.png"), ("samples-20-", "damaged"), replace(str(SAMPLES), b"PK\x03\x04")),
    Mistake("a record with another number", score, ("record-20.json", "damaged"),
            edit(RECORD, lambda record: record | {"iterations": 21})),
    Mistake("runs of another recipe", lambda: ["table", "sketch", "modes", "--out", TABLE, "--config",
            json.dumps(CONFIG | {"recipes": {"points_two": {"batch_size": 30}}})],
            ("record-10.json", "not found", "run the same snakemake command again")),
]  # fmt: skip

ENVIRONMENT = [
    Mistake("no configuration in this folder", plan(), ("config.yaml: no such file",), lambda: Path("config.yaml").unlink()),
    Mistake("a file where results go", lambda: ["prepare", "mixture", "--config", json.dumps(CONFIG), "--out", "file/manifest.json"],
            ("file",), write("file", "")),
    Mistake("a file where a table goes", make("table", "modes", "file/modes.csv"), ("file", "cannot be written"), write("file", "")),
    Mistake("a file where scores go", lambda: [*score()[:-3], "file/out.csv", "--samples", "file/out.npz"], ("file", "cannot be written"), write("file", "")),
    Mistake("a folder where a table goes", make("table", "modes", "out.csv"), ("out.csv", "cannot be written"), lambda: Path("out.csv").mkdir()),
]  # fmt: skip

AREAS = {
    "config": CONFIGURATION,
    "data": DATA,
    "command": COMMANDS,
    "state": STATES,
    "environment": ENVIRONMENT,
}
MISTAKES = {f"{area}: {case.title}": case for area, found in AREAS.items() for case in found}


@pytest.mark.parametrize("title", MISTAKES)
def test_a_mistake(here: Path, gantry: Gantry, title: str) -> None:
    mistake = MISTAKES[title]
    command = mistake.command()
    mistake.spoil()
    before = contents()
    refused(gantry(*command), *mistake.says)
    after = contents()
    assert {path: after.get(path) for path in before} == before, "something that was there has changed"
    assert not [path for path in after if path.endswith(".part")], "half a file was left behind"
    assert not Path("trapped").exists(), "code from data was run"


def test_there_are_many() -> None:
    assert len(MISTAKES) >= 60


def rows() -> list[str]:
    """The table as docs/faults.md shows it."""
    return [
        f"| {title.partition(': ')[0]} | {title.partition(': ')[2]} | {' … '.join(f'`{word}`' for word in case.says)} |"
        for title, case in MISTAKES.items()
    ]


def test_the_documentation_shows_this_table(repository: Path) -> None:
    for name in ("docs/faults.md", "results/reference/faults/bad_input.md"):
        text = (repository / name).read_text(encoding="utf-8")
        shown = [
            line for line in text.splitlines() if line.startswith(tuple(f"| {area} |" for area in AREAS))
        ]
        assert shown == rows(), f"{name}: replace its table by:\n" + "\n".join(rows())
