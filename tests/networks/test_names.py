"""The families that recipes may name are those that exist."""

from typing import Literal, get_args, get_type_hints

import pytest

from gantry.errors import UserError
from gantry.networks import build_generator, family
from gantry.networks.autoencoder import ERRORS
from gantry.networks.dcgan import HEADS
from gantry.networks.initialise import SCHEMES
from gantry.networks.resnet import POOLINGS
from gantry.networks.spectral import WAYS
from gantry.plan.blocks.image_networks import DcganNetworks, ResnetNetworks
from gantry.plan.blocks.layers import ReconstructionError, Scheme
from gantry.plan.blocks.networks import FAMILIES, Networks
from gantry.plan.blocks.stepwise_networks import StackganNetworks
from gantry.plan.methods.base import shipped_methods


def allowed(model: type, key: str) -> set[str]:
    hint = get_type_hints(model)[key]
    hint = next((kind for kind in get_args(hint) if get_args(kind)), hint)  # of Literal | None
    assert hint.__origin__ is Literal
    return set(get_args(hint))


def test_each_family_has_its_builders() -> None:
    assert len(FAMILIES) == len(get_args(get_args(Networks)[0])) >= 18
    for name in FAMILIES:
        builders = [hasattr(family(name), f"build_{side}") for side in ("generator", "discriminator")]
        assert all(builders) or (not any(builders) and name in shipped_methods())


def test_a_family_that_a_method_builds_says_so() -> None:
    with pytest.raises(UserError, match="family stackgan is built by method stackgan alone"):
        build_generator(StackganNetworks(family="stackgan"), 4, (3, 32, 32))


def test_heads_poolings_and_initial_weights_are_the_plans() -> None:
    assert set(HEADS) == allowed(DcganNetworks, "head")
    assert set(WAYS) == allowed(DcganNetworks, "power_iteration")
    assert set(ERRORS) == set(get_args(ReconstructionError))
    assert set(POOLINGS) == allowed(ResnetNetworks, "pooling")
    assert set(SCHEMES) | {"default"} == set(get_args(Scheme))
