"""What each metric is called, needs, and prefers: no torch and no numpy, so that plan and report may read it.

A number is named by its metric and its feature network together. Only the complete FID Inception's numbers
are FID and IS; every other network's carry that network's name.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import log
from typing import Literal

from gantry.errors import UserError, suggestion

# The columns of a run's tidy metrics file: one row per number.
COLUMNS = (
    "dataset",
    "recipe",
    "seed",
    "iteration",
    "sampled_from",
    "metric",
    "value",
    "samples",
    "feature_network",
)
# What stands in `sampled_from` where real samples were scored as if they were generated.
REAL = "real"
# … and where it is the equal mixture of several generators.
MIXTURE = "mixture"
# … and where it is the mean over the directions of a translator between more than two domains.
MEAN = "mean"
# … and where nothing was trained: inputs of a translator as its outputs, or enlarged by a bicubic filter.
IDENTITY, BICUBIC = "identity", "bicubic"
# … and where the first source was sampled at another setting: "truncation 0.5", "psi 0.7".
TRUNCATION, SCALED, PSI = "truncation", "scaled", "psi"
# What figures show beside the translations of a source: "input a→b".
INPUT, BACK, TRUTH = "input", "back", "truth"
# … and tables of images that one method or another has: "montage classes", with its rows' and columns' names.
MONTAGE = "montage"

Bounds = tuple[float, float]
Input = Literal["features", "logits", "images", "points", "method"]
Direction = Literal["lower", "higher", "half", "one"]


@dataclass(frozen=True)
class Metric:
    """One number of the tidy metrics file.

    needs: what it is computed from; `features` and `logits` come out of a feature network, `method` is what the
    method's own networks say.
    direction: which values are better; `half` means that the ideal is 0.5, `one` that it is 1.
    title: its label where no feature network is involved, and the stem of its label elsewhere.
    against_real: whether it compares with real samples (or the known density), or looks at samples alone.
    bounds: the smallest and largest value that it can have, where it has both.
    of_asked: whether it looks at what samples were asked for, or at what else the method can do.
    of_latents: whether it looks at the latents that samples are made of.
    """

    name: str
    needs: Input
    direction: Direction
    title: str
    against_real: bool = True
    bounds: Bounds | None = None
    of_asked: bool = False
    of_latents: bool = False

    @property
    def uses_network(self) -> bool:
        """Whether its value depends on a feature network."""
        return self.needs in ("features", "logits")


_SHARE = (0.0, 1.0)
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("frechet_distance", "features", "lower", "FD"),
        Metric("frechet_distance_infinity", "features", "lower", "FD∞"),
        Metric("frechet_distance_bias", "features", "lower", "FD's bias, 5,000 less 50,000 samples"),
        Metric("kernel_distance", "features", "lower", "KD"),
        Metric("precision", "features", "higher", "precision", bounds=_SHARE),
        Metric("recall", "features", "higher", "recall", bounds=_SHARE),
        Metric("density", "features", "higher", "density"),
        Metric("coverage", "features", "higher", "coverage", bounds=_SHARE),
        Metric("neighbour_accuracy", "features", "half", "1-NN accuracy", bounds=_SHARE),
        Metric("neighbour_accuracy_real", "features", "half", "1-NN accuracy, real part", bounds=_SHARE),
        Metric(
            "neighbour_accuracy_generated", "features", "half", "1-NN accuracy, generated part", bounds=_SHARE
        ),
        Metric("inception_score", "logits", "higher", "class score", against_real=False),
        Metric("inception_score_deviation", "logits", "lower", "class score's deviation over splits", False),
        Metric("mode_score", "logits", "higher", "mode score"),
        Metric("swd", "images", "lower", "SWD×10³"),
        Metric("background_brightness", "images", "half", "background brightness", False, _SHARE),
        Metric("saturated_share", "images", "lower", "share of saturated values", False, _SHARE),
        Metric("modes_covered", "points", "higher", "modes covered"),
        Metric("modes_reached", "points", "higher", "modes reached by a sample"),
        Metric("share_within_3_sigma", "points", "higher", "share within 3σ", bounds=_SHARE),
        Metric("kl_density_samples", "points", "lower", "KL(density ‖ samples)"),
        Metric("kl_samples_density", "points", "lower", "KL(samples ‖ density)"),
        Metric("js", "points", "lower", "JS", bounds=(0.0, log(2))),
        Metric("energy_distance", "points", "lower", "energy distance"),
        Metric("frechet_distance_points", "points", "lower", "FD of the points"),
        Metric("w2", "points", "lower", "W2"),
        Metric("label_accuracy", "features", "higher", "label accuracy", True, _SHARE, True),
        Metric("within_class_spread", "features", "one", "spread within classes", of_asked=True),
        Metric("class_frechet_distance", "features", "lower", "FD per class", of_asked=True),
        Metric("class_frechet_distance_worst", "features", "lower", "FD of the worst class", of_asked=True),
        Metric(
            "train_on_samples_accuracy",
            "features",
            "higher",
            "accuracy trained on samples",
            True,
            _SHARE,
            True,
        ),
        Metric("confusion", "features", "lower", "largest confusion of two classes", True, _SHARE, True),
        Metric("code_purity", "features", "higher", "purity of the code", True, _SHARE, True),
        Metric("label_accuracy_points", "points", "higher", "label accuracy", True, _SHARE, True),
        Metric("within_class_spread_points", "points", "one", "spread within classes", of_asked=True),
        Metric("class_frechet_distance_points", "points", "lower", "FD per class", of_asked=True),
        Metric(
            "class_frechet_distance_worst_points", "points", "lower", "FD of the worst class", of_asked=True
        ),
        Metric("code_purity_points", "points", "higher", "purity of the code", True, _SHARE, True),
        Metric("attribute_accuracy", "features", "higher", "changed attributes", True, _SHARE, True),
        Metric("attribute_kept", "features", "higher", "kept attributes", True, _SHARE, True),
        Metric("attribute_accuracy_points", "points", "higher", "changed attributes", True, _SHARE, True),
        Metric("attribute_kept_points", "points", "higher", "kept attributes", True, _SHARE, True),
        Metric(
            "caption_diversity", "features", "higher", "diversity at one condition", False, None, True, True
        ),
        Metric(
            "caption_diversity_points",
            "points",
            "higher",
            "diversity at one condition",
            False,
            None,
            True,
            True,
        ),
        Metric(
            "code_rank", "method", "higher", "rank correlation of code and Q", False, (-1.0, 1.0), True, True
        ),
        Metric(
            "code_rank_seen",
            "method",
            "higher",
            "rank correlation of code and image",
            False,
            _SHARE,
            True,
            True,
        ),
        Metric(
            "colour_mean_gap", "method", "lower", "|Δμ| of colours to the coarser size", False, None, True
        ),
        Metric(
            "colour_covariance_gap",
            "method",
            "lower",
            "|ΔΣ| of colours to the coarser size",
            False,
            None,
            True,
        ),
        Metric("rotation_accuracy", "method", "higher", "turns told apart", True, _SHARE, True),
        Metric("caption_auc", "features", "higher", "AUC of mentioned attributes", True, _SHARE, True),
        Metric("information_bound", "method", "higher", "information bound (nats)", False, None, True),
        Metric("path_length_z", "method", "lower", "path length in Z (pixels)", False, None, True, True),
        Metric("path_length_w", "method", "lower", "path length in W (pixels)", False, None, True, True),
        Metric("path_length_ratio", "method", "lower", "path length, W / Z", False, None, True, True),
        Metric("separability_z", "logits", "lower", "separability in Z", False, None, True, True),
        Metric("separability_w", "logits", "lower", "separability in W", False, None, True, True),
        Metric("separability_ratio", "logits", "lower", "separability, W / Z", False, None, True, True),
        Metric("sifid", "features", "lower", "SIFID", True, None, True),
        Metric("diversity", "images", "higher", "diversity of one picture's samples", True, None, True),
        Metric("picture_error", "images", "lower", "error of the rebuilt picture", True, None, True),
        Metric("picture_error_ratio", "images", "lower", "error / bicubic's", True, None, True),
        Metric("reconstruction_error", "method", "lower", "reconstruction error", True, None, True),
        Metric(
            "reconstruction_ratio", "method", "lower", "reconstruction error / shuffled", True, None, True
        ),
        Metric("latent_error", "method", "lower", "error of latents", False, None, True),
        Metric("latent_ratio", "method", "lower", "error of latents / shuffled", False, None, True),
        Metric("structure_error", "method", "lower", "error of structures", True, None, True),
        Metric("structure_ratio", "method", "lower", "error of structures / shuffled", True, None, True),
        Metric("mask_iou", "method", "higher", "IoU of masks and ink", False, _SHARE, True),
        Metric("mask_iou_ratio", "method", "higher", "IoU of masks / shuffled", False, None, True),
        Metric("test_error", "method", "lower", "test error", True, _SHARE, True),
        Metric("l1", "images", "lower", "L1 to the truth", True, (0.0, 1.0), True),
        Metric("psnr", "images", "higher", "PSNR (dB)", of_asked=True),
        Metric("ssim", "images", "higher", "SSIM", True, (-1.0, 1.0), True),
        Metric("psnr_y", "images", "higher", "PSNR of luminance (dB)", of_asked=True),
        Metric("ssim_y", "images", "higher", "SSIM of luminance", True, (-1.0, 1.0), True),
        Metric("feature_distance", "features", "lower", "feature distance to the truth", of_asked=True),
        Metric("translation_error", "points", "lower", "error of translation", of_asked=True),
        Metric("consistency", "images", "lower", "L1 of the output made small, to the input", of_asked=True),
        Metric("coupling_ratio", "points", "lower", "error of pairs / shuffled", of_asked=True),
        Metric("mode_information", "points", "higher", "information of modes (nats)", of_asked=True),
        Metric("cycle_error", "method", "lower", "L1 there and back", of_asked=True),
        Metric("cycle_error_noisy", "method", "lower", "L1 there and back, with noise", of_asked=True),
        Metric("style_diversity", "features", "higher", "diversity of styles / of real", of_asked=True),
        Metric("style_diversity_points", "points", "higher", "diversity of styles / of real", of_asked=True),
        Metric(
            "style_recovery_ratio", "method", "lower", "error of the style found / shuffled", of_asked=True
        ),
        Metric("domain_accuracy", "method", "half", "domains told apart by codes", True, _SHARE, True),
        Metric("code_ratio", "method", "lower", "distance of a pair's codes / shuffled", of_asked=True),
    )
}

# Families of numbered metrics: SWD at one level of the pyramid, the share of samples at one mode, the share of the
# samples asked for one class that are taken for another ("confusion_3_5").
NUMBERED: dict[str, Metric] = {
    "swd_": Metric("swd_", "images", "lower", "SWD×10³ at {}"),
    "confusion_": Metric("confusion_", "features", "half", "class asked and seen: {}", True, _SHARE, True),
    "attribute_accuracy_": Metric(
        "attribute_accuracy_", "features", "higher", "changed attribute {}", True, _SHARE, True
    ),
    "attribute_accuracy_points_": Metric(
        "attribute_accuracy_points_", "points", "higher", "changed attribute {}", True, _SHARE, True
    ),
    "mode_share_": Metric("mode_share_", "points", "half", "share at mode {}", bounds=_SHARE),
}

# Metrics of runs from elsewhere, under others' names, for as long as `others_metrics` lasts.
_DECLARED: dict[str, Metric] = {}
# Feature networks of the user's own, as `gantry score --network FILE` has them.
_DECLARED_NETWORKS: set[str] = set()

# The complete Inception by way of resizing: these, and only these, give FID, KID and IS.
INCEPTION = {
    "inception": "",
    "inception-legacy-pytorch": " (legacy PyTorch resize)",
    "inception-legacy-tensorflow": " (legacy TensorFlow resize)",
}
INCEPTION_BLOCKS = {"inception-64": 64, "inception-192": 192, "inception-768": 768}
OTHER_NETWORKS = {"embedded": "embedded classifier", "efficientnet-lite0": "EfficientNet-Lite0"}
FEATURE_NETWORKS = (*INCEPTION, *INCEPTION_BLOCKS, *OTHER_NETWORKS)
# Networks that losses look through, and no score does; their weights are a user's.
OF_LOSSES = ("vgg19",)
# Networks whose features of single places can be read, as SIFID does.
NETWORKS_OF_PLACES = (*INCEPTION_BLOCKS, "embedded")
# Networks that end in class probabilities, which the scores from logits need.
CLASSIFYING_NETWORKS = (*INCEPTION, *OTHER_NETWORKS)

_INCEPTION_TITLES = {
    "frechet_distance": "FID",
    "frechet_distance_infinity": "FID∞",
    "frechet_distance_bias": "FID's bias, 5,000 less 50,000 samples",
    "kernel_distance": "KID",
    "inception_score": "IS",
    "inception_score_deviation": "IS's deviation over splits",
}
_BLOCK_TITLES = {
    "frechet_distance": "FID-{}",
    "frechet_distance_infinity": "FID∞-{}",
    "frechet_distance_bias": "FID-{}'s bias, 5,000 less 50,000 samples",
    "kernel_distance": "KID-{}",
}


def is_given(name: str) -> bool:
    """Whether shown samples of this name may hold the data set's own: inputs, truths, what is reconstructed."""
    return name.partition(" ")[0] in (INPUT, TRUTH, MONTAGE)


def is_untrained(source: str) -> bool:
    """Whether `sampled_from` names something to compare with that nobody has trained: real samples, inputs."""
    return source.partition(" ")[0] in (REAL, IDENTITY, BICUBIC)


def is_swept(source: str) -> bool:
    """Whether `sampled_from` names a run's samples at another setting than its own: "truncation 0.5"."""
    return source.partition(" ")[0] in (TRUNCATION, SCALED, PSI)


def is_own(source: str) -> bool:
    """Whether `sampled_from` names a source of the method itself, neither untrained nor at another setting."""
    return not (is_untrained(source) or is_swept(source))


def metric(name: str) -> Metric:
    """Return what is known of metric `name`, numbered ones such as `swd_16` included.

    Raises UserError that lists the known names.
    """
    if name in METRICS or name in _DECLARED:
        return METRICS.get(name) or _DECLARED[name]
    for stem, family in NUMBERED.items():
        number = name.removeprefix(stem)
        if name.startswith(stem) and number.replace("_", "").isdigit():
            return replace(family, name=name, title=family.title.format(number))
    raise UserError(
        f"unknown metric {name!r}{suggestion(name, METRICS)}; known metrics: {', '.join(METRICS)}, "
        "swd_<resolution>, mode_share_<mode>, attribute_accuracy_<number>"
    )


@contextmanager
def others_metrics() -> Iterator[None]:
    """Let metrics be declared that were computed elsewhere, and forget them at the end."""
    try:
        yield
    finally:
        _DECLARED.clear()


def declare(name: str, title: str, direction: Direction) -> None:
    """Make known a metric that was computed elsewhere; of a name that is known here, nothing changes."""
    if name not in METRICS:
        _DECLARED[name] = Metric(name, "images", direction, title)


def declare_network(name: str) -> None:
    """Make known a feature network of the user's own, by the name that its numbers carry."""
    _DECLARED_NETWORKS.add(name)


def check_network(name: str) -> None:
    """Raise UserError that lists the known feature networks unless `name` is one."""
    if name not in FEATURE_NETWORKS and name not in _DECLARED_NETWORKS:
        raise UserError(
            f"unknown feature network {name!r}{suggestion(name, FEATURE_NETWORKS)}; "
            f"known networks: {', '.join(FEATURE_NETWORKS)}"
        )


def label(name: str, network: str | None = None) -> str:
    """Return what a table calls metric `name` computed on feature network `network`.

    `network` is ignored (and may be None or empty) for metrics that need none. A metric that needs one
    and gets none is labelled without; an unknown metric or network raises UserError.
    """
    known = metric(name)
    if not known.uses_network or not network:
        return known.title
    check_network(network)
    if network in INCEPTION:
        return _INCEPTION_TITLES.get(name, known.title) + INCEPTION[network]
    if network in INCEPTION_BLOCKS:
        width = INCEPTION_BLOCKS[network]
        if name in _BLOCK_TITLES:
            return _BLOCK_TITLES[name].format(width)
        return f"{known.title} (Inception-{width})"
    return f"{known.title} ({OTHER_NETWORKS.get(network, network)})"
