"""Captions made of attributes: vectors that stand in for embedded sentences, several of each sample."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gantry.data.items import Option
from gantry.errors import UserError

# The options of a source that can make them: how many, which share of the attributes each mentions, and the draw.
OPTIONS: dict[str, Option] = {"captions": 0, "mentioned": 0.6, "seed": 0}


class Captions:
    """M vectors (M, A) of a sample: 1 and −1 for the attributes that each mentions, 0 for the others."""

    def __init__(self, count: int, mentioned: int, attributes: int, seed: int) -> None:
        self.count, self.mentioned, self.attributes, self.seed = count, mentioned, attributes, seed

    def of(self, sample: str, label: Sequence[int]) -> NDArray[np.float32]:
        """Return those of one sample, (M, A), which depend on its name and the seed, and on no other sample.

        label: its attributes, each 0 or 1. Each caption mentions as many of them, drawn without replacement.
        """
        told = hashlib.sha256(f"captions {self.seed} {sample}".encode("utf-8", "surrogateescape")).digest()
        random = np.random.default_rng(int.from_bytes(told[:8], "little"))
        ranks = random.random((self.count, self.attributes)).argsort(1).argsort(1)
        return np.where(ranks < self.mentioned, 2 * np.array(label, np.float32) - 1, np.float32(0))


def captions_asked(options: dict[str, Any], attributes: Sequence[str], name: str) -> Captions | None:
    """Return what the options of data set `name` ask for, None if nothing; UserError for what makes no captions."""
    count, share, seed = int(options["captions"]), float(options["mentioned"]), int(options["seed"])
    where = f"data set {name}: options"
    for key, value in (("captions", count), ("seed", seed)):
        if value < 0:
            raise UserError(f"{where}.{key}: {value} is below 0")
    if not count:
        return None
    if not options["attributes"]:
        raise UserError(
            f"{where}.captions mention attributes, and none are asked for: say which in attributes"
        )
    mentioned = round(share * len(attributes))
    if not 1 <= mentioned <= len(attributes):
        raise UserError(
            f"{where}.mentioned: {share} of {len(attributes)} attributes is {mentioned}: give a share above 0 and up "
            "to 1"
        )
    return Captions(count, mentioned, len(attributes), seed)
