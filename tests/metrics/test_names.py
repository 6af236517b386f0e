"""What metrics are called: only the complete Inception gives FID and IS."""

import subprocess
import sys

import pytest

from gantry.errors import UserError
from gantry.metrics import FEATURE_NETWORKS, METRICS, label, metric
from gantry.metrics.features import LOADERS


@pytest.mark.parametrize(
    ("name", "network", "expected"),
    [
        ("frechet_distance", "inception", "FID"),
        ("frechet_distance", "inception-legacy-pytorch", "FID (legacy PyTorch resize)"),
        ("frechet_distance", "inception-768", "FID-768"),
        ("frechet_distance", "embedded", "FD (embedded classifier)"),
        ("frechet_distance", "efficientnet-lite0", "FD (EfficientNet-Lite0)"),
        ("kernel_distance", "inception", "KID"),
        ("kernel_distance", "inception-64", "KID-64"),
        ("inception_score", "inception", "IS"),
        ("inception_score", "embedded", "class score (embedded classifier)"),
        ("precision", "inception-768", "precision (Inception-768)"),
        ("precision", None, "precision"),
        ("swd", "embedded", "SWD×10³"),
        ("swd_16", "", "SWD×10³ at 16"),
        ("mode_share_4", None, "share at mode 4"),
    ],
)
def test_labels(name: str, network: str | None, expected: str) -> None:
    assert label(name, network) == expected


def test_only_the_complete_inception_is_called_fid_or_is() -> None:
    complete = {"inception", "inception-legacy-pytorch", "inception-legacy-tensorflow"}
    for network in set(FEATURE_NETWORKS) - complete:
        for name in METRICS:
            assert not {"FID", "FID∞", "KID", "IS", "IS's"} & set(label(name, network).split())


def test_every_network_has_a_loader() -> None:
    assert set(LOADERS) == set(FEATURE_NETWORKS)


def test_unknown_names_are_one_clear_message() -> None:
    with pytest.raises(UserError, match='did you mean "frechet_distance"'):
        metric("frechet_distanse")
    with pytest.raises(UserError, match="known networks: inception"):
        label("frechet_distance", "inceptoin")
    with pytest.raises(UserError, match="unknown metric"):
        metric("swd_fine")


def test_names_import_neither_torch_nor_numpy() -> None:
    code = "import gantry.metrics, sys; sys.exit('torch' in sys.modules or 'numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
