"""Raw files that have changed since they were prepared never pass for the old ones."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.workflow.checkout import BASE, Sketch
from tests.workflow.plans import sketch_plan

from gantry.data import prepare
from gantry.errors import UserError
from gantry.plan import Plan
from gantry.plan.raw import differences

MANIFEST = "results/data/digits-32/manifest.json"


def picture(path: Path, seed: int, side: int = 32) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)).save(path)


def plan_of(path: str = "pictures", **block: Any) -> Plan:
    """The tests' own paper with a folder of pictures in place of the digits."""
    own = {"title": "mine", "source": "folder", "path": path, "images": None, "fraction": 1.0} | block
    base = BASE | {
        "features": "inception-768",
        "data": "raw",
        "datasets": {**BASE["datasets"], "digits": own},
    }
    return sketch_plan(base, workloads={"images": {"metrics": ["frechet_distance"]}})


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Six pictures, two of them in a folder below, and the set that was made of them."""
    monkeypatch.chdir(tmp_path)
    for number in range(6):
        picture(Path("raw/pictures", "more" if number > 3 else "", f"{number}.png"), number)
    make(plan_of())
    assert differences(plan_of()) == []
    yield Path("raw/pictures")


def make(plan: Plan) -> None:
    prepare(plan.datasets["digits"], "digits", Path("raw"), 32, Path(MANIFEST).parent)


def rename(raw: Path) -> None:
    (raw / "0.png").rename(raw / "7.png")


def touch(raw: Path) -> None:
    """As if another picture of as many bytes had been put there."""
    os.utime(raw / "more/5.png", ns=(1, 1))


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "one more": (lambda raw: picture(raw / "9.png", 9), "6 files then, 7 now"),
    "one less": (lambda raw: (raw / "more/4.png").unlink(), "6 files then, 5 now"),
    "another size": (lambda raw: picture(raw / "0.png", 0, side=40), "bytes then"),
    "another name": (rename, "other names or times"),
    "another time": (touch, "other names or times"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_folder_is_prepared_again(raw: Path, change: str) -> None:
    spoil, says = CHANGES[change]
    spoil(raw)
    (found,) = differences(plan_of())
    assert found.manifest == MANIFEST
    assert str(raw) in str(found) and says in str(found) and "made again" in str(found)
    make(plan_of())
    assert differences(plan_of()) == []


def test_another_folder_and_other_settings_are_noticed(raw: Path) -> None:
    shutil.copytree(raw, "raw/others")  # with the same names, sizes and times: the same pictures
    assert differences(plan_of("others")) == []
    picture(Path("raw/others/0.png"), 17)
    assert len(differences(plan_of("others"))) == 1
    (found,) = differences(plan_of(fraction=0.5))
    assert "prepared with other settings" in str(found)


def test_what_is_no_change(raw: Path) -> None:
    (raw / ".DS_Store").write_text("hidden")
    assert differences(plan_of()) == []
    Path("moved").mkdir()
    raw.rename("moved/pictures")
    assert differences(plan_of()) == [], "without its raw files a prepared set is good as it is"
    assert differences(plan_of(str(Path("moved/pictures").absolute()))) == []
    (Path("moved") / "linked").symlink_to(Path("moved/pictures").absolute())
    assert differences(plan_of(str(Path("moved/linked").absolute()))) == []


def test_another_number_than_was_prepared_is_refused(raw: Path) -> None:
    assert differences(plan_of(images=6)) == []
    with pytest.raises(UserError, match=r"datasets\.digits\.images: 7 expected, but 6 were found"):
        differences(plan_of(images=7))


def test_other_sets_in_the_same_folder_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    picture(Path("raw/all/one/0.png"), 0)
    plan = plan_of("all", looks_for=["one"])
    make(plan)
    picture(Path("raw/all/two/0.png"), 1)
    assert differences(plan) == []
    picture(Path("raw/all/one/1.png"), 2)
    assert len(differences(plan)) == 1


def test_a_manifest_of_an_earlier_version_says_nothing_of_its_files(raw: Path) -> None:
    manifest = Path(MANIFEST)
    described = json.loads(manifest.read_text())
    del described["listing"]
    manifest.write_text(json.dumps(described))
    picture(raw / "9.png", 9)
    assert differences(plan_of()) == []


def test_snakemake_prepares_again_and_says_why(spoilt: Sketch) -> None:
    folder = spoilt.folder / "pictures"
    for number in range(40):
        picture(folder / f"{number}.png", number)
    mine = {
        "datasets": {"digits": {"source": "folder", "path": str(folder), "images": None, "fraction": 1.0}}
    }
    made = spoilt.make(MANIFEST, **mine)
    assert made.outputs("prepare") == {MANIFEST}, "another source is other settings"
    assert spoilt.plan(MANIFEST, **mine).jobs == set()
    picture(folder / "40.png", 40)
    done = spoilt.plan(MANIFEST, **mine)
    assert done.outputs("prepare") == {MANIFEST}
    assert (
        f"gantry: data set digits: {folder} is not what was prepared (40 files then, 41 now)" in done.output
    )
