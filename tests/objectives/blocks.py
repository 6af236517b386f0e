"""A block of every objective there is, by the name of the method that it makes; a new one is added here."""

from typing import Any

from gantry.objectives.f_gan import DIVERGENCES, WEIGHTED

OBJECTIVE_BLOCKS: dict[str, dict[str, Any]] = {
    "minimax": {"name": "minimax"},
    "non-saturating": {"name": "non_saturating"},
    "label smoothing": {"name": "non_saturating", "real_label": 0.9},
    "distance of scores": {"name": "score_distance"},
    "LSGAN": {"name": "least_squares"},
    "hinge": {"name": "hinge"},
    "WGAN": {"name": "wasserstein", "clip": 0.01},
    "LS-GAN": {"name": "loss_sensitive", "margin": 1.0},
    "GLS-GAN": {"name": "loss_sensitive", "margin": 1.0, "slope": 0.5},
    **{
        f"f-GAN {divergence}": {"name": "f_gan", "divergence": divergence}
        for divergence in [*DIVERGENCES, *WEIGHTED]
    },
    "RGAN": {"name": "relativistic", "of": "non_saturating", "average": False},
    "RaGAN": {"name": "relativistic", "of": "non_saturating"},
    "RaLSGAN": {"name": "relativistic", "of": "least_squares"},
    "RaHinge": {"name": "relativistic", "of": "hinge"},
    "relativistic f-GAN": {"name": "relativistic", "of": {"name": "f_gan", "divergence": "jensen_shannon"}},
    "RealnessGAN, the paper's": {"name": "realness", "atoms": 5, "formulation": "paper"},
    "RealnessGAN": {"name": "realness", "atoms": 5},
    "EBGAN": {"name": "ebgan", "margin": 1.0},
    "BEGAN": {"name": "began"},
    "D2GAN": {"name": "d2gan"},
    "MMD-GAN": {"name": "mmd_gan", "outputs": 4},
    "GMMN": {"name": "gmmn"},
}
