"""How fast data are prepared and batches drawn, as ratios measured in one run.

    python benchmarks/data.py                                       # synthetic JPEGs, a minute or two
    python benchmarks/data.py --images FOLDER --count 5000          # your own images
    python benchmarks/data.py --only lmdb --keys 300000             # writes 2.5 GB to --scratch

Times are the best of several rounds in which the rivals take turns, in CPU seconds of one process unless
it says otherwise; so they hold on a machine that has other work.
"""

import argparse
import hashlib
import io
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import lmdb
import numpy as np
import torch
from PIL import Image
from torchvision import transforms
from torchvision.datasets import ImageFolder

from gantry.data import PreparedSet, open_prepared, prepare
from gantry.data.batches import Batches
from gantry.data.encoded import EncodedSquares
from gantry.data.shape import DataShape
from gantry.data.sources.base import ImageSource
from gantry.data.sources.lsun import Lsun
from gantry.data.sources.synthetic import _inside_sklearn
from gantry.data.workers import BATCH
from gantry.methods import Batch, build_method
from gantry.plan import load_plan
from gantry.plan.dataset import DatasetSpec
from gantry.training.step import Step

Files = list[bytes]


def synthetic_faces(count: int) -> Files:
    """JPEGs of CelebA's size, 178×218, cut from scikit-learn's photographs."""
    random = np.random.default_rng(0)
    photographs = [Image.open(_inside_sklearn(f"images/{name}.jpg")) for name in ("china", "flower")]
    files = []
    for i in range(count):
        photograph = photographs[i % 2]
        left, top = random.integers(photograph.width - 178), random.integers(photograph.height - 218)
        stream = io.BytesIO()
        photograph.crop((left, top, left + 178, top + 218)).save(stream, "JPEG", quality=90)
        files.append(stream.getvalue())
    return files


def plain_pillow(files: Files, side: int) -> np.ndarray:
    """Decode, crop, bicubic resize, image by image."""
    out = np.empty((len(files), side, side, 3), np.uint8)
    for i, file in enumerate(files):
        image = Image.open(io.BytesIO(file)).convert("RGB")
        edge = min(image.size)
        left, top = (image.width - edge) // 2, (image.height - edge) // 2
        square = image.crop((left, top, left + edge, top + edge))
        out[i] = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))
    return out


def gantry_pixels(files: Files, side: int) -> np.ndarray:
    """The same by what `prepare` uses."""
    out = np.empty((len(files), side, side, 3), np.uint8)
    for start in range(0, len(files), BATCH):
        batch = files[start : start + BATCH]
        squares = EncodedSquares(len(batch), side, "center")
        for i, file in enumerate(batch):
            squares.add(i, file)
        squares.finish()
        out[start : start + BATCH] = squares.pixels
    return out


def image_folder(root: Path, side: int) -> None:
    """torchvision's ImageFolder with the usual transforms, to a float tensor in [−1, 1]."""
    steps = transforms.Compose(
        [
            transforms.CenterCrop(178),
            transforms.Resize((side, side), transforms.InterpolationMode.BICUBIC, antialias=True),
            transforms.ToTensor(),
            transforms.Normalize((0.5,) * 3, (0.5,) * 3),
        ]
    )
    for _ in ImageFolder(str(root), steps):
        pass


def best(rivals: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The least CPU seconds of each, over `rounds` in which they take turns."""
    least = dict.fromkeys(rivals, float("inf"))
    for _ in range(rounds):
        for name, run in rivals.items():
            started = time.process_time()
            run()
            least[name] = min(least[name], time.process_time() - started)
    return least


def pixels(files: Files, sides: list[int], scratch: Path, rounds: int) -> None:
    """Time per image and core, against Pillow and torchvision, and how far the pixels are from Pillow's."""
    root = scratch / "images"
    (root / "all").mkdir(parents=True)
    for i, file in enumerate(files):
        (root / f"all/{i:06}.jpg").write_bytes(file)
    spec = DatasetSpec(title="t", source="folder", path=str(root))
    print(f"\nµs an image and core, {len(files)} images; ×: how many times faster than Pillow's loop")
    print("side  Pillow  decode+crop+resize  with reading, storing, digests  ImageFolder  mean |Δ|  |Δ|>3")
    for side in sides:
        took = best(
            {
                "pillow": lambda side=side: plain_pillow(files, side),
                "gantry": lambda side=side: gantry_pixels(files, side),
                "whole": lambda side=side: prepare(spec, "b", scratch, side, scratch / "prepared"),
                "folder": lambda side=side: image_folder(root, side),
            },
            rounds,
        )
        each = {name: seconds / len(files) * 1e6 for name, seconds in took.items()}
        apart = np.abs(gantry_pixels(files, side).astype(int) - plain_pillow(files, side))
        print(
            f"{side:4}  {each['pillow']:6.0f}"
            f"  {each['gantry']:6.0f} ({each['pillow'] / each['gantry']:.1f}×)     "
            f"  {each['whole']:6.0f} ({each['pillow'] / each['whole']:.1f}×)                 "
            f"  {each['folder']:6.0f} ({each['pillow'] / each['folder']:.1f}×)"
            f"  {apart.mean():.3f}  {(apart > 3).mean():.3%}"
        )


def scaling(root: Path, sides: list[int], scratch: Path, processes: int) -> None:
    """Wall time of the whole preparation by number of processes; start-up is measured apart and left out."""
    spec = DatasetSpec(title="t", source="folder", path=str(root))
    few = scratch / "few/all"
    few.mkdir(parents=True)
    first = sorted((root / "all").iterdir())
    for file in first[:processes]:
        (few / file.name).write_bytes(file.read_bytes())
    start = DatasetSpec(title="t", source="folder", path=str(scratch / "few"))
    print("\nprocesses  side  images/s  of linear")
    for side in sides:
        alone = 0.0
        for workers in [1, *range(2, processes + 1)]:
            prepare(start, "b", scratch, side, scratch / "scaled", workers)
            started = time.perf_counter()
            prepare(start, "b", scratch, side, scratch / "scaled", workers)
            middle = time.perf_counter()
            prepare(spec, "b", scratch, side, scratch / "scaled", workers)
            rate = len(first) / (time.perf_counter() - middle - (middle - started))
            alone = alone or rate
            print(f"{workers:9}  {side:4}  {rate:8.0f}  {rate / alone / workers:.2f}")


def drawing(keys: int, scratch: Path) -> None:
    """What drawing from an LMDB costs by size of the set and of the sample: seconds, and bytes off the disk."""
    value = os.urandom(6000)
    print(f"\nLMDB, values of {len(value):,} bytes; the disk's cache is emptied before each")
    print("   keys     drawn   walk keys   read drawn   off the disk   of the file")
    for count in (keys // 10, keys):
        folder = scratch / f"lsun{count}"
        folder.mkdir()
        with lmdb.open(str(folder), map_size=1 << 36, sync=False) as environment:
            for start in range(0, count, 10_000):
                with environment.begin(write=True) as transaction:
                    for i in range(start, min(count, start + 10_000)):
                        transaction.put(hashlib.sha1(str(i).encode()).hexdigest().encode(), value)
            environment.sync(True)
        for drawn in (keys // 100, keys // 10):
            draw_once(folder, count, drawn)


def draw_once(folder: Path, count: int, drawn: int) -> None:
    """One row of the table."""
    file = folder / "data.mdb"
    descriptor = os.open(file, os.O_RDONLY)
    os.fsync(descriptor)
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(descriptor)
    source: ImageSource = Lsun(DatasetSpec(title="t", source="lsun"), "b", folder)
    chosen = np.sort(np.random.default_rng(0).choice(count, drawn, replace=False))
    before, started = bytes_read(), time.perf_counter()
    items = list(source.items(chosen))
    walked = time.perf_counter()
    reader = source.reader()
    for item in items:
        reader(item.content)
    done = time.perf_counter()
    size = file.stat().st_size
    read = bytes_read() - before
    print(
        f"{count:7,}  {drawn:8,}  {walked - started:8.2f} s  {done - walked:9.2f} s  {read / 1e6:9.0f} MB"
        f"  {read / size:10.1%}"
    )


def bytes_read() -> int:
    """Bytes that this process has had read from the disk."""
    lines = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(lines["read_bytes"])


def batches(prepared: PreparedSet, scratch: Path, updates: int = 24) -> None:
    """How long training waits for its batches, by storage: time in `next()` as a share of real updates."""
    prepare(DatasetSpec(title="t", source="gaussian_grid"), "b", scratch, None, scratch / "points")
    points = open_prepared(scratch / "points/manifest.json")
    plan = load_plan({"scale": "paper", "workloads": {"images": {"resolution": prepared.sample_shape[1]}}})
    print("\none update of D and of G on the CPU, by recipe   storage   ms   µs a batch   waiting")
    for data, name in ((points, "synthetic_realnessgan"), (prepared, "realnessgan")):
        recipe = plan.recipes[name]
        method = build_method(recipe, DataShape.of(data))
        step = Step(method, recipe, torch.device("cpu"))
        for storage in ("device", "memory", "mapped"):
            source = Batches(data, recipe.batch_size, 0, "cpu", storage=storage)
            waited = 0.0
            for update in range(-2, updates):
                if update == 0:
                    waited, began = 0.0, time.perf_counter()
                method.begin(0, step.device)
                for phase in step.phases:
                    asked = time.perf_counter()
                    real = source.next()
                    waited += time.perf_counter() - asked
                    noise = method.draw(phase, recipe.batch_size, step.device)
                    step.update(phase, Batch({"x": real}, None, noise))
            took = time.perf_counter() - began
            source.close()
            what = f"{name}, {recipe.batch_size} × {data.sample_shape}"
            print(
                f"{what:46}  {storage:9}  {took / updates * 1e3:6.1f}  {waited / updates / 2 * 1e6:11.1f}"
                f"  {waited / took:7.2%}"
            )


def main() -> None:
    """Run what `--only` names, or everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=Path, help="a folder of JPEGs (default: synthetic ones)")
    parser.add_argument("--count", type=int, default=300, help="how many of them")
    parser.add_argument("--sides", type=int, nargs="+", default=[64, 256])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--keys", type=int, default=20_000, help="keys of the synthetic LMDB")
    parser.add_argument("--only", nargs="+", choices=("pixels", "scaling", "lmdb", "batches"))
    parser.add_argument("--scratch", type=Path, help="where to write (default: the system's)")
    chosen = parser.parse_args()
    only = chosen.only or ("pixels", "scaling", "lmdb", "batches")
    torch.set_num_threads(1)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    with tempfile.TemporaryDirectory(dir=chosen.scratch) as folder:
        scratch = Path(folder)
        if {"pixels", "scaling", "batches"} & set(only):
            files = (
                [file.read_bytes() for file in sorted(chosen.images.rglob("*.jpg"))[: chosen.count]]
                if chosen.images
                else synthetic_faces(chosen.count)
            )
            pixels(files, chosen.sides if "pixels" in only else chosen.sides[:1], scratch, chosen.rounds)
        if "scaling" in only:
            scaling(scratch / "images", chosen.sides, scratch, chosen.processes)
        if "batches" in only:
            batches(open_prepared(scratch / "prepared/manifest.json"), scratch)
        if "lmdb" in only:
            drawing(chosen.keys, scratch)


if __name__ == "__main__":
    main()
