"""Feature networks as plug-ins: a name, a loader, and one forward pass for features and class logits."""

from collections.abc import Callable
from pathlib import Path

import torch

from gantry.metrics.features.efficientnet import efficientnet_lite0
from gantry.metrics.features.embedded import embedded_classifier, train_embedded_classifier
from gantry.metrics.features.fid_networks import inception, inception_block
from gantry.metrics.features.network import FeatureNetwork, Features
from gantry.metrics.names import INCEPTION, INCEPTION_BLOCKS, check_network

Loader = Callable[[str, Path | None, torch.device | str], FeatureNetwork]

LOADERS: dict[str, Loader] = {
    **dict.fromkeys(INCEPTION, inception),
    **dict.fromkeys(INCEPTION_BLOCKS, inception_block),
    "embedded": embedded_classifier,
    "efficientnet-lite0": efficientnet_lite0,
}


def load_feature_network(
    name: str, weights: Path | None = None, device: torch.device | str = "cpu"
) -> FeatureNetwork:
    """Load feature network `name` (see `gantry.metrics.FEATURE_NETWORKS`) onto `device`, once a process.

    `weights` is the file configured for it; None leaves the search to the network. Raises UserError that
    lists the networks for an unknown name, and says what to do where weights cannot be had.
    """
    check_network(name)
    return LOADERS[name](name, weights, device)


__all__ = ["LOADERS", "FeatureNetwork", "Features", "load_feature_network", "train_embedded_classifier"]
