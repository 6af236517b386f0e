"""Small data sets in the true formats, and the shortest way to prepare one."""

from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gantry.data import PreparedSet, open_prepared, prepare
from gantry.plan.dataset import DatasetSpec

Prepared = Callable[..., PreparedSet]


@pytest.fixture
def prepared(tmp_path: Path) -> Prepared:
    """prepared(source, resolution=…, workers=…, out=…, **keys of the specification) → the opened set."""

    def run(
        source: str, *, resolution: int | None = None, workers: int = 1, out: str = "out", **keys: Any
    ) -> PreparedSet:
        spec = DatasetSpec.model_validate({"title": "a title", "source": source} | keys)
        prepare(spec, "thing", tmp_path, resolution, tmp_path / out, workers)
        return open_prepared(tmp_path / out / "manifest.json")

    return run


@pytest.fixture(scope="session")
def formats() -> ModuleType:
    """The builders in formats.py; the tests are no package from which it could be imported."""
    spec = spec_from_file_location("formats", Path(__file__).with_name("formats.py"))
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def photographs() -> list[Image.Image]:
    """Ten smooth random images of different sizes, none of them square."""
    random = np.random.default_rng(7)
    images = []
    for i in range(10):
        coarse = random.integers(0, 256, (6, 5, 3), dtype=np.uint8)
        images.append(Image.fromarray(coarse).resize((60 + i, 80 - i), Image.Resampling.BICUBIC))
    return images


@pytest.fixture
def image_folder(tmp_path: Path, photographs: list[Image.Image]) -> Path:
    """The photographs as JPEG and PNG files, some of them a folder deeper."""
    folder = tmp_path / "images"
    (folder / "deeper").mkdir(parents=True)
    for i, image in enumerate(photographs):
        image.save(folder / ("deeper" if i % 3 else ".") / f"{i:03}.{'png' if i % 2 else 'jpg'}")
    return folder
