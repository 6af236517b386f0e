"""Masks against the ink of samples: by hand, with masks that are right and others that are not."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gantry.errors import UserError
from gantry.evaluation.layers import chroma, masks, overlap

INK = torch.tensor([255.0, 32.0, 32.0]).reshape(1, 3, 1, 1) / 127.5 - 1
SCORER: Any = SimpleNamespace(prepared=SimpleNamespace(name="set", manifest={"ink": [255, 32, 32]}))


def sampler_of(*layers: Tensor) -> Any:
    """Images of ink on grey noise where these masks are, pasted one on the other, which it says are its masks."""
    torch.manual_seed(0)
    image = 2 * torch.rand(len(layers[0]), 1, 8, 8).expand(-1, 3, -1, -1) - 1
    parts: dict[str, Tensor] = {"background": image}
    for number, mask in enumerate(layers, 2):
        image = mask * INK + (1 - mask) * image
        parts |= {f"mask {number}": mask, f"image {number}": image}
    return SimpleNamespace(
        can={"parts"},
        device="cpu",
        inputs=lambda source, rows, randomness: {"z": torch.arange(len(rows))},
        parts=lambda source, inputs: {name: images[inputs["z"]] for name, images in parts.items()},
        made=parts,
    )


def test_masks_that_lie_on_the_ink_cover_it_and_those_of_others_do_not() -> None:
    torch.manual_seed(1)
    right = torch.rand(40, 1, 8, 8) * (torch.rand(40, 1, 8, 8) > 0.8)
    found = masks(SCORER, sampler_of(right), "G1", np.empty((40, 0)))
    assert found["mask_iou"] == pytest.approx(1, abs=1e-5)
    by_hand = [
        float(np.minimum(a, b).sum() / np.maximum(a, b).sum())
        for a, b in zip(np.roll(right.numpy(), 1, 0), right.numpy(), strict=True)
    ]
    assert found["mask_iou_ratio"] == pytest.approx(1 / np.mean(by_hand), rel=1e-4) and np.mean(by_hand) < 0.2
    told = sampler_of(right)
    told.made["mask 2"] = right.roll(1, 0)  # the control: masks that belong to other samples
    wrong = masks(SCORER, told, "G1", np.empty((40, 0)))
    assert wrong["mask_iou"] == pytest.approx(np.mean(by_hand), rel=1e-4) and wrong["mask_iou_ratio"] < 1.5


def test_several_foregrounds_cover_what_any_of_them_covers() -> None:
    left, upper = torch.zeros(2, 3, 1, 8, 8)
    left[..., :4], upper[..., :2, :] = 1, 1
    found = masks(SCORER, sampler_of(left, upper), "G1", np.empty((3, 0)))
    assert found["mask_iou"] == pytest.approx(1, abs=1e-5)


def test_overlap_and_chroma_by_hand() -> None:
    left = torch.zeros(1, 1, 8, 8)
    left[..., :4] = 1
    assert overlap(left, torch.ones_like(left)) == 0.5 and overlap(left, left) == 1
    assert overlap(left, 1 - left) == 0 and overlap(0 * left, 0 * left) == 0
    assert (
        chroma(INK).item() == pytest.approx(223 / 255) and chroma(torch.full((1, 3, 1, 1), 0.3)).item() == 0
    )


def test_what_has_no_masks_or_no_known_layers_is_refused() -> None:
    plain: Any = SimpleNamespace(**vars(sampler_of(torch.zeros(2, 1, 8, 8))) | {"can": set()})
    with pytest.raises(UserError, match="mask_iou is of methods whose samples have masks"):
        masks(SCORER, plain, "G1", np.empty((2, 0)))
    scorer: Any = SimpleNamespace(prepared=SimpleNamespace(name="digits", manifest={}))
    with pytest.raises(UserError, match="needs a data set whose layers are known, and digits is none"):
        masks(scorer, sampler_of(torch.zeros(2, 1, 8, 8)), "G1", np.empty((2, 0)))
