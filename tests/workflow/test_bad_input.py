"""Users' mistakes, through the command line: exit code 2, one message with the culprit and the fix, no
traceback, and nothing damaged that was there before.
"""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from gantry.cli import run
from gantry.files import canonical_json
from gantry.plan import load_plan
from gantry.plan.configuration import merged

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
CONFIG: dict[str, Any] = {
    "scale": str(HERE / "tiny.yaml"),
    "papers": ["sketch"],
    "seeds": [0],
    "segment_iterations": 10,
    "datasets": {"mixture": {"images": 300, "options": {"count": 300}}},
}
RUN = Path("results/tiny/runs/mixture/points_two/seed0")
SEAL = RUN / "seal-10.json"
MANIFEST = Path("results/data/mixture/manifest.json")
Gantry = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a prepared set and one sealed segment of a run, trained by the command line."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(REPOSITORY / "workflow", folder / "workflow")
    shutil.copy(REPOSITORY / "config.yaml", folder)
    shutil.copy(HERE / "sketch.yaml", folder / "workflow/experiments")
    before = Path.cwd()
    os.chdir(folder)
    try:
        assert run(["prepare", "mixture", "--config", json.dumps(CONFIG), "--out", str(MANIFEST)]) == 0
        assert run(train_arguments()) == 0
    finally:
        os.chdir(before)
        torch.set_flush_denormal(False)
    yield folder


@pytest.fixture
def folder(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of it, to be spoilt, as the working directory."""
    copy = tmp_path / "copy"
    shutil.copytree(made, copy)
    monkeypatch.chdir(copy)
    yield copy
    torch.set_flush_denormal(False)


@pytest.fixture
def gantry(capfd: pytest.CaptureFixture[str]) -> Gantry:
    """Run one verb in this process: its exit code and everything it printed."""

    def call(*arguments: str) -> tuple[int, str]:
        capfd.readouterr()
        code = run(list(arguments))
        caught = capfd.readouterr()
        return code, caught.out + caught.err

    return call


def train_arguments(until: int = 10, device: str = "cpu", **config: Any) -> list[str]:
    plan = load_plan(merged(CONFIG, config))
    spec = plan.run("mixture", "points_two", 0).spec
    seal = RUN / f"seal-{until}.json"
    return ["train", "--spec", canonical_json(spec), "--data", str(MANIFEST), "--until", str(until),
            "--seal", str(seal), "--device", device]  # fmt: skip


def score_arguments(**scoring: Any) -> list[str]:
    plan = load_plan(CONFIG)
    told = plan.scoring(plan.run("mixture", "points_two", 0)) | scoring
    return ["score-run", "--seal", str(SEAL), "--data", str(MANIFEST), "--scoring", json.dumps(told),
            "--metrics", str(RUN / "metrics-10.csv"), "--samples", str(RUN / "samples-10.npz")]  # fmt: skip


def prepare_arguments(dataset: dict[str, Any], prepared: str = "digits-32") -> list[str]:
    """Prepare `dataset` in place of the digits."""
    whole = {"title": "mine", "source": "folder", "images": None, "options": {}} | dataset
    config = merged(CONFIG, {"datasets": {"digits": whole}})
    return [
        "prepare",
        prepared,
        "--config",
        json.dumps(config),
        "--out",
        f"results/data/{prepared}/manifest.json",
    ]


def contents(*, without: str = "lock") -> dict[str, str]:
    """Every file below the working directory with its digest; a lock file may name its last holder."""
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(Path().rglob("*"))
        if path.is_file() and path.name != without
    }


def refused(answer: tuple[int, str], *says: str) -> None:
    """The command ended as a user's mistake does, and its message says all of this."""
    code, output = answer
    assert code == 2, output
    assert "Traceback" not in output
    message = output[output.index("gantry: ") :]
    for part in says:
        assert part in message


# ── configuration ─────────────────────────────────────────────────────────────────────────────────────

PLANNED = [
    (["sedes=[0]"], ["config: sedes: unknown key", 'did you mean "seeds"?']),
    (["scale=qick"], ["workflow/scales/qick.yaml: no such file", 'did you mean "quick"?']),
    (["papers=[bcgam]"], ["workflow/experiments/bcgam.yaml: no such file", 'did you mean "bcgan"?']),
    (["substitute={celeba: digts}"], ["unknown data set 'digts'", 'did you mean "digits"?']),
    (["recipes={bcgn: {generators: 2}}"], ["config: recipes.bcgn: unknown recipe", 'did you mean "bcgan"?']),
    (["recipes={bcgan: {objective: {name: wgan}}}"], ["name 'wgan' is unknown", "minimax, non_saturating"]),
    (["seeds=[a, b]"], ["config: seeds.0: should be a valid integer", "config: seeds.1"]),
    (["seeds=[0.5]"], ["config: seeds.0: should be a valid integer", "0.5"]),
    (["seeds=two"], ["config: seeds: should be a list", "'two'"]),
    (["recipes={bcgan: {terms: {sample_spread: -1}}}"], ["terms.sample_spread: should be greater than or equal to 0"]),
    (["workloads={images: {resolution: 100}}"], ["workloads.images.resolution: should be a power of two"]),
    (["recipes={bcgan: {objective: {outcomes: 1}}}"], ["objective.outcomes: should be greater than or equal to 2"]),
    (["seeds"], ["'seeds': write settings as key=value"]),
    (["seeds=[0, 1"], ["'seeds=[0, 1': the value is not YAML"]),
    (["scale=a.yaml"], ["a.yaml: no such file"]),
]  # fmt: skip


@pytest.mark.parametrize(("settings", "says"), PLANNED, ids=[case[0][0] for case in PLANNED])
def test_a_configuration_that_makes_no_sense(
    folder: Path, gantry: Gantry, settings: list[str], says: list[str]
) -> None:
    before = contents()
    first = [] if any(setting.startswith(("scale", "seeds [")) for setting in settings) else ["scale=quick"]
    refused(gantry("plan", *first, *settings), *says)
    assert contents() == before


def test_a_configuration_file_that_is_no_yaml(folder: Path, gantry: Gantry) -> None:
    Path("config.yaml").write_text("scale: [quick\n", encoding="utf-8")
    refused(gantry("plan"), "config.yaml: line 2: not valid YAML")
    Path("config.yaml").unlink()
    refused(gantry("plan"), "config.yaml: no such file")


# ── raw data ──────────────────────────────────────────────────────────────────────────────────────────


def no_folder(raw: Path) -> dict[str, Any]:
    return {"path": str(raw / "nowhere"), "acquisition": "Ask for it nicely."}


def folder_without_images(raw: Path) -> dict[str, Any]:
    (raw / "readme.txt").write_text("nothing here")
    return {"path": str(raw)}


def file_for_a_folder(raw: Path) -> dict[str, Any]:
    (raw / "faces.jpg").write_bytes(b"x")
    return {"path": str(raw / "faces.jpg")}


def truncated_image(raw: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0).integers(0, 256, (2, 40, 40, 3), dtype=np.uint8)
    for name, pixels in zip(("whole.png", "torn.png"), noise, strict=True):
        Image.fromarray(pixels).save(raw / name)
    (raw / "torn.png").write_bytes((raw / "torn.png").read_bytes()[:2000])
    return {"path": str(raw)}


def text_for_an_image(raw: Path) -> dict[str, Any]:
    (raw / "face.png").write_text("not an image")
    return {"path": str(raw)}


def too_few_images(raw: Path) -> dict[str, Any]:
    Image.new("RGB", (40, 40)).save(raw / "one.png")
    return {"path": str(raw), "images": 7}


def array(content: Any, **options: Any) -> Callable[[Path], dict[str, Any]]:
    """A data set in one .npy file with this content: an array, or raw bytes."""

    def write(raw: Path) -> dict[str, Any]:
        path = raw / "images.npy"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            np.save(path, content, allow_pickle=True)
        return {"source": "array", "path": str(path)} | options

    return write


def torn_array(raw: Path) -> dict[str, Any]:
    described = array(np.zeros((4, 32, 32, 3), np.uint8))(raw)
    path = Path(described["path"])
    path.write_bytes(path.read_bytes()[:-1000])
    return described


RAW: dict[str, tuple[Callable[[Path], dict[str, Any]], list[str]]] = {
    "no folder": (no_folder, ["nowhere", "is not there", "Ask for it nicely."]),
    "a folder without images": (folder_without_images, ["no image in this folder", "correct `path`"]),
    "a file for a folder": (file_for_a_folder, ["faces.jpg", "a folder of images was expected"]),
    "a truncated image": (truncated_image, ["torn.png", "on_bad_image: skip"]),
    "text for an image": (text_for_an_image, ["face.png"]),
    "too few images": (too_few_images, ["1 images found, 7 expected", "set `images`"]),
    "an array of the wrong shape": (
        array(np.zeros((4, 5), np.uint8)),
        ["images.npy", "shape (4, 5)", "expected images (N, H, W, 3)"],
    ),
    "an array of the wrong type": (
        array(np.zeros((4, 32, 32, 3), np.float32)),
        ["images.npy", "dtype float32", "uint8"],
    ),
    "an empty array": (array(np.zeros((0, 32, 32, 3), np.uint8)), ["images.npy", "shape (0, 32, 32, 3)"]),
    "an array of objects": (array(np.array([{}, {}], dtype=object)), ["images.npy", "not a whole .npy file"]),
    "a torn array": (torn_array, ["images.npy", "not a whole .npy file"]),
    "no array at all": (array(b"nonsense"), ["images.npy"]),
    "an unknown option": (lambda raw: {"path": str(raw), "options": {"colour": 1}}, ["options.colour", "unknown"]),
    "points at a resolution": (array(np.zeros((4, 2), np.float32)), ["points have no resolution"]),
}  # fmt: skip


@pytest.mark.parametrize("case", RAW)
def test_raw_data_that_are_not_as_they_should_be(
    folder: Path, tmp_path: Path, gantry: Gantry, case: str
) -> None:
    """A set of this name that is prepared already stays as it is."""
    spoil, says = RAW[case]
    raw = tmp_path / "raw"
    raw.mkdir()
    shutil.copytree(MANIFEST.parent, "results/data/digits-32")
    before = contents()
    refused(gantry(*prepare_arguments(spoil(raw))), *says)
    after = contents()
    assert {path: after[path] for path in before} == before
    assert not [path for path in after if path.endswith("manifest.json") and path not in before]


def test_a_set_that_no_run_needs(folder: Path, gantry: Gantry) -> None:
    refused(gantry(*prepare_arguments({}, "digits-64")), "digits-64: no run needs such a set", '"digits-32"')


# ── states, checkpoints, seals, prepared sets ─────────────────────────────────────────────────────────


def the(pattern: str) -> Path:
    (found,) = RUN.glob(pattern)
    return found


def flip(path: Path, place: int = -20) -> None:
    """Change one byte."""
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def state_of_another_spec() -> None:
    """As if a work folder had been renamed: the state is whole, and of another weight."""
    own = the("work/*/state/state.bin")
    assert run(train_arguments(recipes={"points_two": {"terms": {"sample_spread": 0.3}}})) == 0
    (other,) = set(RUN.glob("work/*/state/state.bin")) - {own}
    shutil.copy(other, own)


def shorten(pattern: str) -> Callable[[], None]:
    def spoil() -> None:
        path = the(pattern)
        path.write_bytes(path.read_bytes()[:-100])

    return spoil


def rewrite(path: Path, **changes: Any) -> Callable[[], None]:
    """Change entries of a JSON file."""

    def spoil() -> None:
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


STATE = "work/*/state/state.bin"
DAMAGE: dict[str, tuple[Callable[[], None], str, list[str]]] = {
    "a state of another spec": (state_of_another_spec, "train", ["state.bin", "another spec", "delete it"]),
    "a state with a wrong bit": (lambda: flip(the(STATE)), "train", ["state.bin", "damaged", "delete it"]),
    "a state cut short": (shorten(STATE), "train", ["state.bin", "damaged", "delete it"]),
    "an empty state": (lambda: the(STATE).write_bytes(b""), "train", ["state.bin", "not a state", "delete it"]),
    "a checkpoint with a wrong bit": (
        lambda: flip(the("work/*/checkpoints/0000010.safetensors")),
        "score",
        ["0000010.safetensors", "damaged", "sha256", "delete"],
    ),
    "a checkpoint that is gone": (
        lambda: the("work/*/checkpoints/0000010.safetensors").unlink(),
        "score",
        ["0000010.safetensors", "missing", "delete the run's"],
    ),
    "a seal of another spec": (
        rewrite(SEAL, spec_digest="0123456789abcdef"),
        "score",
        ["seal-10.json", "another spec", "delete it"],
    ),
    "a seal of other data": (rewrite(SEAL, data_digest="0" * 64), "score", ["seal-10.json", "other data"]),
    "a seal of another version": (rewrite(SEAL, format=99), "score", ["seal-10.json", "not a seal of this version"]),
    "a seal cut short": (shorten("seal-10.json"), "score", ["seal-10.json", "cannot be read", "delete it"]),
    "no seal": (SEAL.unlink, "score", ["seal-10.json", "not found"]),
    "no manifest": (MANIFEST.unlink, "train", ["manifest.json", "not found"]),
    "a manifest that is no JSON": (lambda: MANIFEST.write_text("{"), "train", ["manifest.json", "cannot be read"]),
    "a manifest of something else": (lambda: MANIFEST.write_text("{}"), "train", ["manifest.json", "not the manifest"]),
    "a prepared set cut short": (
        lambda: MANIFEST.with_name("points.npy").write_bytes(MANIFEST.with_name("points.npy").read_bytes()[:-9]),
        "train",
        ["points.npy", "truncated", "prepare it again"],
    ),
    "a prepared set of another size": (
        lambda: np.save(MANIFEST.with_name("points.npy"), np.zeros((5, 2), np.float32)),
        "train",
        ["points.npy", "(5, 2)", "prepare it again"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_a_file_that_is_not_what_it_was(folder: Path, gantry: Gantry, case: str) -> None:
    spoil, verb, says = DAMAGE[case]
    spoil()
    before = contents()
    refused(gantry(*(train_arguments(20) if verb == "train" else score_arguments())), *says)
    assert contents() == before


def test_metrics_that_are_not_for_points(folder: Path, gantry: Gantry) -> None:
    refused(gantry(*score_arguments(metrics=["swd"])), "metric 'swd' is not for points")


# ── the machine ───────────────────────────────────────────────────────────────────────────────────────


def test_a_second_trainer_on_the_same_run(folder: Path, gantry: Gantry) -> None:
    """The first one, here any process with the lock, is named."""
    code = (
        "import fcntl, sys; lock = open(sys.argv[1], 'a+'); fcntl.flock(lock, fcntl.LOCK_EX); "
        "lock.truncate(0); lock.write('process 4711 on elsewhere'); lock.flush(); print('held', flush=True); "
        "sys.stdin.read()"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", code, str(RUN / "work/lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with first:
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        before = contents()
        answer = gantry(*train_arguments(20))
        refused(answer, str(RUN), "another trainer (process 4711 on elsewhere)", "wait for it or stop it")
        assert contents() == before
        assert first.stdin is not None
        first.stdin.close()
    assert gantry(*train_arguments(20))[0] == 0, "the lock outlived its holder"


def test_no_gpu_where_one_is_needed(folder: Path, gantry: Gantry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = contents()
    answer = gantry(*train_arguments(20, device="cuda"))
    refused(answer, "PyTorch sees none", "--config scale=quick", "--config device=cpu")
    assert contents() == before


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Path]:
    """The run's folder on a disk of its own: 512 kB, mounted."""
    if sys.platform != "linux" or os.geteuid() != 0:
        pytest.skip("mounting a small disk takes Linux and root")
    kept = folder / "kept"
    RUN.rename(kept)
    RUN.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(RUN)], capture_output=True, text=True
    )
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    try:
        shutil.copytree(kept, RUN, dirs_exist_ok=True)
        yield RUN
    finally:
        subprocess.run(["umount", str(RUN)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Leave this many bytes on the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
        while True:
            stream.write(b"\0" * 4096)
    os.truncate(filler, filler.stat().st_size - leave)
    return filler


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384, 28672, 40960])
def test_a_full_disk_while_training(small_disk: Path, gantry: Gantry, leave: int) -> None:
    """Wherever it fills up: one message, the last state stays good, and with space training goes on."""
    seal = json.loads(SEAL.read_text())
    filler = fill(small_disk, leave)
    before = contents()
    refused(gantry(*train_arguments(20)), str(RUN), "cannot be written", "free some space")
    after = contents()
    assert {path: after[path] for path in before if "history" not in path and "state.bin" not in path} == {
        path: digest for path, digest in before.items() if "history" not in path and "state.bin" not in path
    }
    assert not [path for path in after if path.endswith(".part")], "half a file was left behind"
    filler.unlink()
    code, output = gantry(*train_arguments(20))
    assert code == 0, output
    longer = json.loads((RUN / "seal-20.json").read_text())
    assert longer["checkpoints"][:1] == seal["checkpoints"]


def test_a_full_disk_while_scoring(small_disk: Path, gantry: Gantry) -> None:
    filler = fill(small_disk, 0)
    before = contents()
    refused(gantry(*score_arguments()), "samples-10.npz: cannot be written", "free some space")
    assert contents() == before
    filler.unlink()
    assert gantry(*score_arguments())[0] == 0


def test_results_that_may_not_be_written(folder: Path, gantry: Gantry) -> None:
    """By a mount for root, whom permissions do not stop; by permissions for everybody else."""
    is_root = os.geteuid() == 0
    if is_root:
        bound = subprocess.run(["mount", "--bind", str(RUN), str(RUN)], capture_output=True, text=True)
        if bound.returncode:
            pytest.skip(f"mounting is not allowed here: {bound.stderr.strip()}")
        subprocess.run(["mount", "-o", "remount,bind,ro", str(RUN)], check=True)
    else:
        for path in (RUN, *RUN.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
    try:
        before = contents()
        refused(
            gantry(*train_arguments(20)), str(RUN), "cannot be written", "choose another `results` folder"
        )
        refused(gantry(*score_arguments()), "samples-10.npz: cannot be written", "another `results` folder")
        assert contents() == before
    finally:
        if is_root:
            subprocess.run(["umount", str(RUN)], check=True)
        else:
            for path in (RUN, *RUN.rglob("*")):
                path.chmod(path.stat().st_mode | 0o200)


# ── steps by hand ─────────────────────────────────────────────────────────────────────────────────────

BY_HAND = [
    (["train", "--spec", "{"], ["--spec: not JSON", "@ and the name of a file"]),
    (["train", "--spec", "[]"], ["--spec: should be a JSON mapping, not list"]),
    (["train", "--spec", "@nowhere.json"], ["--spec: not JSON", "nowhere.json"]),
    (["train", "--spec", '{"seed": 0}'], ["--spec: without recipe, dataset, checkpoint_every"]),
    (["train", "--spec", '{"recipe": {}, "dataset": {}, "seed": 0, "checkpoint_every": 7}'],
     ["--spec: recipe.networks: missing", "--spec: recipe.objective: missing"]),
    (["train", "--spec", '{"recipe": 3, "dataset": {}, "seed": 0, "checkpoint_every": 7}'],
     ["--spec: recipe: should be a mapping"]),
    (["train", "--until", "15"], ["--until: 15 is not on the grid of checkpoints, every 10"]),
    (["train", "--data", "nowhere/manifest.json"], ["nowhere/manifest.json", "not found"]),
    (["score", "--scoring", "{}"], ["--scoring: without metrics"]),
    (["score", "--seal", "nowhere.json"], ["nowhere.json", "not found"]),
]  # fmt: skip


@pytest.mark.parametrize(("replaced", "says"), BY_HAND, ids=[" ".join(case[0]) for case in BY_HAND])
def test_a_step_called_by_hand_with_wrong_arguments(
    folder: Path, gantry: Gantry, replaced: list[str], says: list[str]
) -> None:
    verb, option, value = replaced
    arguments = train_arguments() if verb == "train" else score_arguments()
    arguments[arguments.index(option) + 1] = value
    before = contents()
    refused(gantry(*arguments), *says)
    assert contents() == before


@pytest.mark.parametrize(
    ("verb", "name", "says"),
    [
        ("table", ["sketch", "mods"], ["sketch mods: no table of this name", '"sketch modes"']),
        ("claims", ["nobody", "said"], ["nobody said: no claims of this name", "known: sketch said"]),
        ("figure", ["sketch", "modes"], ["sketch modes: no figure of this name", "sketch places"]),
        ("table", ["sketch", "places"], ["sketch places: no table of this name", "sketch modes"]),
    ],
)
def test_an_output_that_is_not_there_or_of_another_kind(
    folder: Path, gantry: Gantry, verb: str, name: list[str], says: list[str]
) -> None:
    suffix = "png" if verb == "figure" else "csv"
    refused(gantry(verb, *name, "--config", json.dumps(CONFIG), "--out", f"out.{suffix}"), *says)
    assert not Path(f"out.{suffix}").exists()


def test_a_table_of_runs_that_are_not_made(folder: Path, gantry: Gantry) -> None:
    answer = gantry("table", "sketch", "modes", "--config", json.dumps(CONFIG), "--out", "out.csv")
    refused(answer, "points_one", "seal not found", "snakemake")


def test_a_lock_is_free_when_nobody_holds_it(folder: Path) -> None:
    """What the test of two trainers rests on."""
    with (RUN / "work/lock").open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
