"""Metrics: each a pure function of arrays in a file of its own; feature networks apart, in `features`.

This module imports neither torch nor numpy, so that the plan and the report can ask what a metric is called.
"""

from gantry.metrics.names import (
    CLASSIFYING_NETWORKS,
    FEATURE_NETWORKS,
    METRICS,
    Metric,
    check_network,
    label,
    metric,
)

__all__ = [
    "CLASSIFYING_NETWORKS",
    "FEATURE_NETWORKS",
    "METRICS",
    "Metric",
    "check_network",
    "label",
    "metric",
]
