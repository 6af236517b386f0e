"""The former place of `gantry.evaluation.score_images`, kept for one version: scripts of users import it from here."""

from gantry.evaluation.score_images import Score, Scores
from gantry.evaluation.score_images import score_images as score_by_hand

__all__ = ["Score", "Scores", "score_by_hand"]
