"""Tables of images that methods of one kind have: rows and columns mean something, and are named."""

from collections.abc import Callable
from copy import copy
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gantry.data.batches import as_input
from gantry.data.prepared import PreparedSet
from gantry.errors import UserError
from gantry.evaluation.sample import SHOWN_SEED, samples_of, to_uint8
from gantry.evaluation.translated import inputs_of, truth_of
from gantry.methods.growing import StyleSampler
from gantry.methods.infogan import CodeSampler
from gantry.methods.relabelling import LabelSampler, with_changed
from gantry.methods.sampler import Sampler
from gantry.methods.singan import SinganSampler
from gantry.metrics.names import MONTAGE
from gantry.networks.singan import resized

Images = NDArray[np.uint8]
WHITE = 255
ACROSS = 10  # columns, where nothing else says how many
ROWS = 4  # of a kind, where nothing else says how many
PSIS = (1.0, 0.7, 0.5, 0.3, 0.0)
STYLES = 6  # drawn for each input
CODE_REACH = 2.0  # continuous codes are drawn on [−1, 1]; Chen et al. 2016, figure 2, shows −2 to 2


class Montage(NamedTuple):
    """Images uint8 (R, K, H, W, 3), and what stands beside the rows and above the columns; "" is nothing."""

    images: Images
    rows: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Shown:
    """A sampler, and the data that it was trained on; what is drawn is the same for every run."""

    sampler: Sampler
    prepared: PreparedSet

    @property
    def source(self) -> str:
        return self.sampler.sources[0]

    def inputs(self, count: int) -> dict[str, Tensor]:
        """Return the inputs of `count` samples, the first that other figures show."""
        randomness = torch.Generator().manual_seed(SHOWN_SEED)
        return self.sampler.inputs(self.source, range(count), randomness, self.prepared.held_out())

    def made(self, inputs: dict[str, Tensor], source: str | None = None) -> Images:
        """Return what a source, the first if none is named, makes of inputs: (N, H, W, 3)."""
        made = samples_of(self.sampler, source or self.source, inputs, self.sampler.device)
        return np.asarray(made, dtype=np.uint8)

    def real(self, count: int) -> Images:
        """Return the first held-out images, or those of the set where none are held out."""
        of = self.prepared.held_out() or self.prepared
        return np.asarray(of.samples[:count])

    def class_name(self, number: int) -> str:
        names = self.prepared.label_names
        return names[number] if number < len(names) else str(number)


def montage(name: str, sampler: Sampler, prepared: PreparedSet) -> Montage:
    """Return the table of this name. UserError for a method that has none."""
    return MONTAGES[name](Shown(sampler, prepared))


def arrays(name: str, table: Montage) -> dict[str, NDArray[Any]]:
    """Return what is stored of a table, each with an axis in front: that of the checkpoints."""
    stem = f"{MONTAGE} {name}"
    return {
        stem: table.images[None],
        f"{stem} rows": np.asarray([table.rows]),
        f"{stem} columns": np.asarray([table.columns]),
    }


@torch.inference_mode()
def classes(shown: Shown) -> Montage:
    """A row a class, a column a z."""
    given = shown.inputs(ACROSS)
    count = _classes(shown, given)
    rows = [shown.made(given | {"labels": torch.full((ACROSS,), number)}) for number in range(count)]
    return Montage(np.stack(rows), tuple(map(shown.class_name, range(count))), ("",) * ACROSS)


@torch.inference_mode()
def interpolation(shown: Shown) -> Montage:
    """A row for each class and the next, the shares of the two changing along it; all with one z."""
    given = shown.inputs(1)
    count = _classes(shown, given)
    t = torch.linspace(0, 1, ACROSS)[:, None]
    ends = torch.eye(count)
    same = {name: value.expand(ACROSS, *value.shape[1:]) for name, value in given.items()}
    pairs = [(number, (number + 1) % count) for number in range(count)]
    rows = [shown.made(same | {"labels": (1 - t) * ends[a] + t * ends[b]}) for a, b in pairs]
    names = tuple(f"{shown.class_name(a)} → {shown.class_name(b)}" for a, b in pairs)
    return Montage(np.stack(rows), names, ("",) * ACROSS)


def _classes(shown: Shown, given: dict[str, Tensor]) -> int:
    """How many classes the sampler can be asked for."""
    labels = shown.prepared.labels
    if "labels" not in given or "x" in given or labels is None or labels.ndim != 1:
        raise UserError(
            "montages: classes and interpolation are of generators that are told a class: take them out of the workload"
        )
    return max(len(shown.prepared.label_names), int(labels.max()) + 1)


@torch.inference_mode()
def traversal(shown: Shown) -> Montage:
    """Rows of a z and one code each, which changes along the row; all else stays. Chen et al. 2016, figure 2."""
    sampler = shown.sampler
    if not isinstance(sampler, CodeSampler):
        raise UserError("montages: traversal is of a code (method infogan): take it out of the workload")
    options, given = sampler.options, shown.inputs(ROWS)
    across = max([*options.categorical, ACROSS])
    rows, names, first = [], [], 0
    for number, values in enumerate([*options.categorical, *[0] * options.continuous], 1):
        width = values or 1
        ends = torch.eye(values) if values else torch.linspace(-CODE_REACH, CODE_REACH, across)[:, None]
        told = f"0 … {values - 1}" if values else f"−{CODE_REACH:g} … {CODE_REACH:g}"
        for row in range(ROWS):
            code = given["code"][row].expand(len(ends), -1).clone()
            code[:, first : first + width] = ends
            made = shown.made({"z": given["z"][row].expand(len(ends), -1), "code": code})
            rows.append(_filled(made, across))
            names.append(f"c{number}: {told}" if row == 0 else "")
        first += width
    return Montage(np.stack(rows), tuple(names), ("",) * across)


@torch.inference_mode()
def reconstructions(shown: Shown) -> Montage:
    """Held-out images, each above its reconstruction."""
    if "reconstruct" not in shown.sampler.can or isinstance(shown.sampler, SinganSampler):
        raise UserError(
            "montages: reconstructions are of methods with an encoder: take them out of the workload"
        )
    real = shown.real(2 * ACROSS)
    across = len(real) // 2
    rebuilt = to_uint8(shown.sampler.reconstruct(_as_input(shown, real))).cpu().numpy()
    rows = [images[start : start + across] for start in (0, across) for images in (real, rebuilt)]
    return Montage(np.stack(rows), ("x", "G(E(x))") * 2, ("",) * across)


@torch.inference_mode()
def labels(shown: Shown) -> Montage:
    """A row a held-out image: the image, then as each class, or with each attribute turned over, one at a time.

    Choi et al. 2018, figures 4 and 5.
    """
    sampler, held_out = shown.sampler, shown.prepared.held_out()
    if not isinstance(sampler, LabelSampler) or held_out is None or held_out.labels is None:
        raise UserError(
            "montages: labels are of translators to many labels (method stargan): take them out of the workload"
        )
    real, own = shown.real(ROWS + 1), np.asarray(held_out.labels[: ROWS + 1], dtype=np.int64)
    given, columns = _as_input(shown, real), [real]
    for number in range(len(sampler.names)):
        everywhere = np.full(len(real), number)
        asked = everywhere if sampler.data.classes else with_changed(own, everywhere, sampler.exclusive)
        columns.append(shown.made({"x": given, "labels": torch.from_numpy(asked)}))
    names = [name if sampler.data.classes else f"± {name}" for name in sampler.names]
    return Montage(np.stack(columns, axis=1), ("",) * len(real), ("input", *names))


@torch.inference_mode()
def matrix(shown: Shown) -> Montage:
    """A row a domain, a column what the first held-out image of it is in each; on the diagonal the image itself.

    An attribute is the domain of those that have it. Anoosheh et al. 2018, figure 1; Choi et al. 2018, figure 2b.
    """
    sampler, held_out = shown.sampler, shown.prepared.held_out()
    if isinstance(sampler, LabelSampler) and held_out is not None and held_out.labels is not None:
        return _matrix_of_labels(shown, sampler, held_out.samples, held_out.labels.astype(np.int64))
    names = tuple(dict.fromkeys(source.split("→")[0] for source in sampler.sources))
    ways = {
        f"{start}→{end}": (i, j) for i, start in enumerate(names) for j, end in enumerate(names) if i != j
    }
    if "translate" not in sampler.can or held_out is None or set(ways) != set(sampler.sources):
        raise UserError(
            "montages: a matrix is of translators between several domains (methods stargan, fader, combogan): take it "
            "out of the workload"
        )
    size = len(names)
    cells = np.empty((size, size, *held_out.samples.shape[1:]), np.uint8)
    for way, (i, j) in ways.items():
        given = inputs_of(sampler, way, held_out, 1)
        cells[i, i] = given[0]
        cells[i, j] = shown.made({"x": _as_input(shown, given)}, way)[0]
    return Montage(cells, names, names)


def _matrix_of_labels(shown: Shown, sampler: LabelSampler, real: Images, own: NDArray[np.int64]) -> Montage:
    """Return the matrix of a translator that is told classes (N,) or attributes (N, A)."""
    names, is_of = sampler.names, own
    if sampler.data.classes:
        is_of = np.eye(len(names), dtype=np.int64)[own]
    for name, count in zip(names, is_of.sum(axis=0), strict=True):
        if not count:
            raise UserError(
                f"montages: matrix: no held-out image is of {name}: hold out more, or take matrix out of the workload"
            )
    first = is_of.argmax(axis=0)
    given, columns = np.asarray(real[first]), []
    for number in range(len(names)):
        everywhere = np.full(len(names), number)
        asked = own[first]
        if sampler.data.classes:
            asked = everywhere
        else:
            lacks = asked[:, number] == 0
            asked[lacks] = with_changed(asked[lacks], everywhere[lacks], sampler.exclusive)
        columns.append(shown.made({"x": _as_input(shown, given), "labels": torch.from_numpy(asked)}))
        columns[-1][number] = given[number]
    return Montage(np.stack(columns, axis=1), names, names)


@torch.inference_mode()
def styles(shown: Shown) -> Montage:
    """A row a held-out input: the input, its outputs in drawn styles, one a column, and the truth where it is known.

    Zhu et al. 2017, "Toward multimodal image-to-image translation", figure 1.
    """
    sampler, held_out = shown.sampler, shown.prepared.held_out()
    if "translate_in_style" not in sampler.can or held_out is None:
        raise UserError(
            "montages: styles are of translators that draw them (method bicyclegan): take them out of the workload"
        )
    inputs = inputs_of(sampler, shown.source, held_out, ROWS + 1)
    drawn = sampler.draw_styles(STYLES, torch.Generator().manual_seed(SHOWN_SEED)).to(sampler.device)
    given, outputs = _as_input(shown, inputs), []
    for style in drawn:
        made = sampler.translate_in_style(shown.source, given, style.expand(len(inputs), -1))
        outputs.append(to_uint8(made).cpu().numpy())
    truth = [] if held_out.inputs is None else [truth_of(sampler, shown.source, held_out, len(inputs))]
    columns = [np.broadcast_to(images, outputs[0].shape) for images in (inputs, *outputs, *truth)]
    names = ("input", *(f"style {number}" for number in range(1, STYLES + 1)), *["truth"] * len(truth))
    return Montage(np.stack(columns, axis=1), ("",) * len(inputs), names)


@torch.inference_mode()
def mixing(shown: Shown) -> Montage:
    """Sources above and at the left; each row has the styles of the one above in some layers. Karras et al. 2019, 3."""
    sampler, count = shown.sampler, 5
    if not isinstance(sampler, StyleSampler):
        raise UserError(
            "montages: mixing is of networks with styles (networks.family stylegan): take it out of the workload"
        )
    drawn = shown.inputs(count + 2)
    above = {name: value[:count] for name, value in drawn.items()}
    top = shown.made(above)
    blank = np.full_like(top[:1], WHITE)
    rows, names = [np.concatenate([blank, top])], [""]
    active = len(sampler.styles(shown.source, above["z"].to(sampler.device)))
    for told, layers in _ranges(active):
        for number in (count, count + 1):
            left = {name: value[number : number + 1].to(sampler.device) for name, value in drawn.items()}
            same = {name: value.expand(count, *value.shape[1:]) for name, value in left.items()}
            mixed = sampler.mix(shown.source, same, above["z"].to(sampler.device), layers)
            rows.append(np.concatenate([shown.made(left), to_uint8(mixed).cpu().numpy()]))
            names.append(told if number == count else "")
    return Montage(np.stack(rows), tuple(names), ("",) * (count + 1))


@torch.inference_mode()
def psi(shown: Shown) -> Montage:
    """A row a ψ, a column a z: w̄ + ψ·(w − w̄) in all layers, down to the mean alone. Karras et al. 2019, figure 8."""
    if not isinstance(shown.sampler, StyleSampler):
        raise UserError(
            "montages: psi is of networks with styles (networks.family stylegan): take it out of the workload"
        )
    given, there = shown.inputs(ACROSS), copy(shown.sampler)
    rows = []
    for value in PSIS:
        there.truncate(value, None)
        rows.append(Shown(there, shown.prepared).made(given))
    return Montage(np.stack(rows), tuple(f"ψ = {value:g}" for value in PSIS), ("",) * ACROSS)


def _ranges(layers: int) -> list[tuple[str, range]]:
    """Return the layers up to 8×8, those between, and those of the full size, two of each size, with their names."""
    coarse, fine = min(4, max(layers - 2, 1)), max(layers - 2, 1)
    ranges = [range(0, coarse), range(coarse, fine), range(fine, layers)]
    sizes = [dict.fromkeys(f"{4 << layer // 2}²" for layer in (span[0], span[-1])) for span in ranges if span]
    return [(" to ".join(names), span) for names, span in zip(sizes, filter(None, ranges), strict=True)]


@torch.inference_mode()
def levels(shown: Shown) -> Montage:
    """A row a source, the coarsest first; a column the same noise."""
    sampler = shown.sampler
    if sampler.mixed or len(sampler.sources) < 2:
        raise UserError(
            "montages: levels are of methods with levels (lapgan, stackgan): take them out of the workload"
        )
    given = shown.inputs(ACROSS)
    sources = sampler.sources[::-1]
    made = np.stack([shown.made(given, source) for source in sources])
    side = made.shape[2]
    names = tuple(f"{name}×{name}" if name.isdigit() else f"{side}×{side}" for name in sources)
    return Montage(made, names, ("",) * ACROSS)


@torch.inference_mode()
def canvases(shown: Shown) -> Montage:
    """A row an image: what each step adds, and the sum. Im et al. 2016, figure 4."""
    network = getattr(shown.sampler, "generators", {}).get(shown.source)
    if network is None or not hasattr(network, "canvases"):
        raise UserError(
            "montages: canvases are of networks that draw in steps (family gran): take them out of the workload"
        )
    given = shown.inputs(2 * ROWS)
    drawn = [torch.tanh(canvas) for canvas in network.canvases(given["z"].to(shown.sampler.device))]
    columns = [*(to_uint8(canvas).cpu().numpy() for canvas in drawn), shown.made(given)]
    names = tuple(f"step {number}" for number in range(1, len(drawn) + 1))
    return Montage(np.stack(columns, axis=1), ("",) * 2 * ROWS, (*names, "sum"))


@torch.inference_mode()
def parts(shown: Shown) -> Montage:
    """A row an image, a column what it is made of: layers and their masks, white being 1; structures."""
    if "parts" not in shown.sampler.can:
        raise UserError(
            "montages: parts are of methods that put their samples together (family lrgan or gran, method ssgan): take "
            "them out of the workload"
        )
    given = {name: value.to(shown.sampler.device) for name, value in shown.inputs(2 * ROWS).items()}
    made = shown.sampler.parts(shown.source, given)
    columns = [2 * part - 1 if name.startswith("mask") else part for name, part in made.items()]
    coloured = [to_uint8(images.expand(-1, 3, -1, -1)).cpu().numpy() for images in columns]
    return Montage(np.stack(coloured, axis=1), ("",) * 2 * ROWS, tuple(made))


@torch.inference_mode()
def pyramid(shown: Shown) -> Montage:
    """A column a scale, enlarged: the picture, rebuilt from the fixed noise, and of other noise."""
    sampler = shown.sampler
    if not isinstance(sampler, SinganSampler):
        raise UserError("montages: pyramid is of one picture (method singan): take it out of the workload")
    picture = as_input(torch.from_numpy(np.array(shown.prepared.samples[sampler.picture])[None]))
    given = {name: value.to(sampler.device) for name, value in shown.inputs(ROWS - 1).items()}
    sizes = sampler.scales.sizes[: sampler.begun]
    real = [resized(resized(picture, size), sampler.resolution) for size in sizes]
    columns = [
        torch.cat([truth.clamp(-1, 1), rebuilt.cpu(), drawn.cpu()])
        for truth, rebuilt, drawn in zip(real, sampler.rebuilt_pyramid(), sampler.pyramid(given), strict=True)
    ]
    images = np.stack([to_uint8(column).numpy() for column in columns], axis=1)
    rows = ("picture", "rebuilt", *["sample"] * (ROWS - 1))
    return Montage(images, rows, tuple(f"{size}×{size}" for size in sizes))


def _as_input(shown: Shown, images: Images) -> Tensor:
    return as_input(torch.from_numpy(np.array(images))).to(shown.sampler.device)


def _filled(images: Images, count: int) -> Images:
    """Return `count` images, white ones behind those that there are."""
    blank = np.full((count - len(images), *images.shape[1:]), WHITE, dtype=np.uint8)
    return np.concatenate([images, blank])


MONTAGES: dict[str, Callable[[Shown], Montage]] = {
    "classes": classes,
    "interpolation": interpolation,
    "traversal": traversal,
    "reconstructions": reconstructions,
    "labels": labels,
    "matrix": matrix,
    "styles": styles,
    "mixing": mixing,
    "psi": psi,
    "levels": levels,
    "canvases": canvases,
    "parts": parts,
    "pyramid": pyramid,
}
