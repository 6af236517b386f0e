"""The title of a table, figure or list of claims, true of what was measured and on what."""

import re

from gantry.metrics import names
from gantry.report.cells import network_of
from gantry.report.load import Loaded

# The papers' words, which belong to the complete Inception alone.
WORDS = {"FID": "frechet_distance", "IS": "inception_score", "KID": "kernel_distance"}


def title_of(loaded: Loaded) -> str:
    """Return the spec's heading; a metric of another feature network than the paper's is called by its own name."""
    heading, networks = loaded.spec.heading, []
    for word, metric in WORDS.items():
        if metric not in loaded.spec.metrics or not re.search(rf"\b{word}\b", heading):
            continue
        network = network_of(loaded.groups, metric)
        if not network or network in names.INCEPTION:
            continue
        title, _, of = names.label(metric, network).partition(" (")
        heading = re.sub(rf"\b{word}\b", title, heading)
        networks.append(of.removesuffix(")"))
    return ", ".join([heading, *dict.fromkeys(filter(None, networks))])
