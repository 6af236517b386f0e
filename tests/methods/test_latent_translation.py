"""Translation by way of a latent: losses against NumPy, what theory says of codes and styles, refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch, build_method
from gantry.methods.latent_translation import SUMMANDS, Journeys
from gantry.networks.domains import Autoencoders
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses

PAIRS = DataShape((2,), input=(2,))
IMAGES = DataShape((3, 32, 32), input=(3, 32, 32))
CODES = {"family": "mlp_autoencoders", "width": 8, "depth": 3, "shared": 2, "code": 3}
STYLES = CODES | {"style": 2, "gaussian": True}
CONTENT = {"family": "content_style", "width": 2, "patch_width": 2, "patches": 1, "blocks": 1, "style": 2}
BASE: dict[str, Any] = {"workload": "", "objective": {"name": "non_saturating"}, "batch_size": 6}
NAME = {"name": "latent_translation", "adversarial": 2, "self_reconstruction": 3}
UNIT = NAME | {"noise": True, "cycle": 5, "code_prior": 7}
XGAN = NAME | {"code_consistency": 5, "confusion": {"weight": 7, "form": "reversed"}}
MUNIT = NAME | {"code_consistency": 5, "style_recovery": 7, "cycle": 11, "mode_seeking": 0.5}
DRIT = NAME | {
    "styles": "both",
    "cycle": 5,
    "style_recovery": 7,
    "style_prior": 11,
    "code_prior": 13,
    "confusion": {"weight": 17, "form": "half", "updates": 3},
}


def method_of(method: dict[str, Any], networks: dict[str, Any] = CODES, data: DataShape = PAIRS) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | {"method": method, "networks": networks}), data)


def batch_for(method: Any, phase: str = "generator", data: DataShape = PAIRS) -> Batch:
    torch.manual_seed(1)
    a, b = torch.randn(2, 6, *data.sample)
    return Batch({"x": b, "x_a": a, "input": a}, None, method.draw(phase, 6, torch.device("cpu")))


def numpy(x: Tensor) -> Any:
    return x.detach().double().numpy()


def softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def l1(one: Tensor, other: Tensor) -> float:
    return float(np.abs(numpy(one) - numpy(other)).mean())


def entropy(of: Any, real: Tensor, fake: Tensor) -> float:
    """D's loss of the standard game."""
    return float(softplus(-numpy(of(real))).mean() + softplus(numpy(of(fake))).mean())


# ── losses, written anew ────────────────────────────────────────────────────────────────────────────────


def test_units_losses() -> None:
    method = method_of(UNIT)
    batch = batch_for(method)
    net, noise, x = method.networks, batch.noise, (batch.data["x_a"], batch.x)
    none = torch.zeros(6, 0)
    code = [net.encoders[k](x[k]) for k in (0, 1)]
    there = [net.decoders[1 - k](code[k] + noise[f"code_{k}"], none) for k in (0, 1)]
    again = [net.encoders[1 - k](there[k]) for k in (0, 1)]
    expected = 0.0
    for k in (0, 1):
        d = method.of["exchanged"][1 - k].discriminator
        expected += 2 * softplus(-numpy(d(there[k]))).mean()
        expected += 3 * l1(net.decoders[k](code[k] + noise[f"code_{k}"], none), x[k])
        expected += 5 * l1(net.decoders[k](again[k] + noise[f"code_again_{k}"], none), x[k])
        expected += 7 * ((numpy(code[k]) ** 2).mean() + (numpy(again[k]) ** 2).mean())
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=3e-6)
    of = [adversary.discriminator for adversary in method.of["exchanged"]]
    expected = sum(entropy(of[k], x[k], there[1 - k]) for k in (0, 1))
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=3e-6)


def test_xgans_losses() -> None:
    method = method_of(XGAN)
    batch = batch_for(method)
    net, x, none = method.networks, (batch.data["x_a"], batch.x), torch.zeros(6, 0)
    code = [net.encoders[k](x[k]) for k in (0, 1)]
    there = [net.decoders[1 - k](code[k], none) for k in (0, 1)]
    tells = method.of_codes.discriminator
    classified = 0.5 * (softplus(-numpy(tells(code[1]))).mean() + softplus(numpy(tells(code[0]))).mean())
    expected = -7 * classified
    for k in (0, 1):
        expected += 2 * softplus(-numpy(method.of["exchanged"][1 - k].discriminator(there[k]))).mean()
        expected += 3 * l1(net.decoders[k](code[k], none), x[k])
        expected += 5 * l1(net.encoders[1 - k](there[k]), code[k])
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=3e-6)
    assert method.loss("codes", Batch(batch.data)).item() == pytest.approx(classified, rel=3e-6)


def test_munits_losses() -> None:
    method = method_of(MUNIT, STYLES | {"gaussian": False})
    batch = batch_for(method)
    net, x, noise = method.networks, (batch.data["x_a"], batch.x), batch.noise
    code = [net.encoders[k](x[k]) for k in (0, 1)]
    style = [net.style_encoders[k](x[k])[0] for k in (0, 1)]
    expected = 0.0
    for k, o in ((0, 1), (1, 0)):
        there = net.decoders[o](code[k], noise[f"z_{o}"])
        again = net.encoders[o](there)
        expected += 2 * softplus(-numpy(method.of["drawn"][o].discriminator(there))).mean()
        expected += 3 * l1(net.decoders[k](code[k], style[k]), x[k]) + 5 * l1(again, code[k])
        expected += 7 * l1(net.style_encoders[o](there)[0], noise[f"z_{o}"])
        expected += 11 * l1(net.decoders[k](again, style[k]), x[k])
        other = net.decoders[o](code[k], noise[f"other_z_{o}"])
        expected += 0.5 / (l1(there, other) / l1(noise[f"z_{o}"], noise[f"other_z_{o}"]) + 1e-5)
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=3e-6)


def test_drits_losses() -> None:
    method = method_of(DRIT, STYLES)
    assert [(phase.name, phase.repeat) for phase in method.phases] == [
        ("discriminator", 1),
        ("codes", 3),
        ("generator", 1),
    ]
    batch = batch_for(method)
    net, x, noise = method.networks, (batch.data["x_a"], batch.x), batch.noise
    code = [net.encoders[k](x[k]) for k in (0, 1)]
    told = [net.style_encoders[k](x[k]) for k in (0, 1)]
    style = [told[k][0] + told[k][1].exp() * noise[f"style_{k}"] for k in (0, 1)]
    into = [net.decoders[k](code[1 - k], style[k]) for k in (0, 1)]  # u, v: exchanged contents
    drawn = [net.decoders[k](code[1 - k], noise[f"z_{k}"]) for k in (0, 1)]
    expected, against = 0.0, 0.0
    for k in (0, 1):
        of_exchanged, of_drawn = (method.of[kind][k].discriminator for kind in ("exchanged", "drawn"))
        expected += (
            2 * (softplus(-numpy(of_exchanged(into[k]))) + softplus(-numpy(of_drawn(drawn[k])))).mean()
        )
        against += entropy(of_exchanged, x[k], into[k]) + entropy(of_drawn, x[k], drawn[k])
        expected += 3 * l1(net.decoders[k](code[k], style[k]), x[k])
        # The content of what went there, the style of what came here.
        cross = net.decoders[k](net.encoders[1 - k](into[1 - k]), net.style_encoders[k](into[k])[0])
        expected += 5 * l1(cross, x[k]) + 7 * l1(net.style_encoders[k](drawn[k])[0], noise[f"z_{k}"])
        prior = kl_divergence(Normal(told[k][0], told[k][1].exp()), Normal(0.0, 1.0))
        expected += 11 * numpy(prior).sum(1).mean() + 13 * (numpy(code[k]) ** 2).mean()
    said = numpy(method.of_codes.discriminator(torch.cat(code)))
    expected += 17 * (0.5 * softplus(-said) + 0.5 * softplus(said)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=3e-6)
    assert method.loss("discriminator", batch).item() == pytest.approx(against, rel=3e-6)


def test_three_scales_of_discriminators() -> None:
    """Each scale has networks of its own, which see means of 3×3 pixels; all are of equal weight, for both players.

    The control, images of one size for all, is another loss.
    """
    method = method_of(MUNIT | {"scales": 3}, CONTENT, IMAGES)
    assert len(method.adversaries()) == 6 and len(method.phases[0].trains) == 12
    batch = batch_for(method, data=IMAGES)
    journeys = method.journeys(batch)
    x, into = journeys.x, journeys.drawn[::-1]
    against = for_g = wrong = 0.0
    for scale in range(3):
        for k in (0, 1):
            judge = method.of["drawn"][2 * scale + k].discriminator
            real, fake = (smaller(images, scale) for images in (x[k], into[k]))
            against += entropy(judge, real, fake)
            for_g += 2 * float(softplus(-numpy(judge(fake))).mean())
            wrong += entropy(judge, x[k], into[k])
    assert method.loss("discriminator", batch).item() == pytest.approx(against, rel=1e-5)
    assert wrong != pytest.approx(against, rel=1e-4)
    for name in SUMMANDS:
        object.__setattr__(method.options, name, 0.0)
    assert method.loss("generator", batch).item() == pytest.approx(for_g, rel=1e-5)
    deep = BASE | {"method": NAME | {"scales": 3}, "networks": CONTENT | {"patches": 2}}
    recipe = Recipe.model_validate(deep)
    with pytest.raises(ValueError, match=r"the last of 3 sees 8×8 pixels: patches 2: .* set patches: 1"):
        recipe.method.check_workload(recipe, 32, 4)
    recipe.method.check_workload(recipe, 64, 4)


def smaller(images: Tensor, scale: int) -> Tensor:
    """Means of the pixels that are there of each 3×3 around every second place, `scale` times: a loop."""
    for _ in range(scale):
        side = range(0, images.shape[-1], 2)
        rows = [
            [images[..., max(0, i - 1) : i + 2, max(0, j - 1) : j + 2].mean((2, 3)) for j in side]
            for i in side
        ]
        images = torch.stack([torch.stack(row, -1) for row in rows], -2)
    return images


@pytest.mark.parametrize(
    ("method", "networks"),
    [(UNIT, CODES), (XGAN, CODES), (MUNIT, STYLES | {"gaussian": False}), (DRIT, STYLES)],
)
def test_a_phase_moves_its_own_networks_alone(method: dict[str, Any], networks: dict[str, Any]) -> None:
    """All of them, by a gradient: of style encoders the deviation's, too, where there is one."""
    built = method_of(method, networks)
    for phase in built.phases:
        built.zero_grad()
        built.loss(phase.name, batch_for(built, phase.name)).backward()
        own = {name for name, _ in built.named_parameters() if name.startswith(phase.trains)}
        assert own
        moved = {
            name for name, w in built.named_parameters() if w.grad is not None and w.grad.abs().sum() > 0
        }
        assert own <= moved
        if phase.name != "generator":
            assert own == moved


# ── theory ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_reversed_gradient_is_the_classifiers_with_the_other_sign() -> None:
    """d/dθ of the encoders is −λ times that of the classifier's loss. Ganin et al. 2016, eq. 18."""
    method = method_of({"name": "latent_translation", "self_reconstruction": 0, "confusion": {"weight": 7}})
    batch = batch_for(method)
    journeys = method.journeys(batch)
    codes = [code.detach().requires_grad_() for code in journeys.codes]
    classifier = 0.5 * method.of_codes.discriminator_loss(codes[1], [codes[0]])
    wanted = torch.autograd.grad(classifier, codes)
    of_a, of_b = (output.logits for output in method.of_codes.outputs(codes))
    found = torch.autograd.grad(7 * losses.domain_confusion(of_a, of_b, "reversed"), codes)
    for ours, theirs in zip(found, wanted, strict=True):
        assert theirs.abs().max() > 0
        torch.testing.assert_close(ours, -7 * theirs)


def test_content_is_hidden_where_the_classifier_says_a_half() -> None:
    logits = torch.linspace(-4, 4, 801, dtype=torch.float64)
    costs = [losses.domain_confusion(row[None], row[None], "half").item() for row in logits]
    assert logits[int(np.argmin(costs))].item() == pytest.approx(0, abs=1e-9)
    assert min(costs) == pytest.approx(np.log(2), rel=1e-12)


def test_units_prior_is_a_divergence_of_deviation_one() -> None:
    """Mean μ² = (2/d)·KL(N(μ, I) ‖ N(0, I)); and the style's is the divergence itself."""
    mean, log_deviation = torch.randn(2, 5, 4, dtype=torch.float64)
    unit = kl_divergence(Normal(mean, 1.0), Normal(0.0, 1.0)).sum(1).mean()
    assert losses.code_prior(mean).item() == pytest.approx(2 / 4 * unit.item(), rel=1e-12)
    own = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert losses.style_prior(mean, log_deviation).item() == pytest.approx(own.item(), rel=1e-12)


class Taken(nn.Module):
    """Some of the numbers of a sample, or the code and the style joined again, as a matrix has it."""

    def __init__(self, matrix: Tensor) -> None:
        super().__init__()
        self.matrix = matrix

    def forward(self, x: Tensor, style: Tensor | None = None) -> Any:
        if style is not None:
            return torch.cat([x, style], 1) @ self.matrix
        return x @ self.matrix


def split(content: list[int], style: list[int]) -> Autoencoders:
    """Samples of four numbers, of which some are content and some style: exact halves if each is in one of both."""
    eye = torch.eye(4, dtype=torch.float64)
    joined = torch.linalg.pinv(torch.cat([eye[:, content], eye[:, style]], 1))

    class Style(Taken):
        def forward(self, x: Tensor, style: Tensor | None = None) -> Any:
            found = x @ self.matrix
            return found, torch.zeros_like(found)

    return Autoencoders(
        [Taken(eye[:, content])] * 2,
        [Taken(joined)] * 2,
        (len(content),),
        [Style(eye[:, style])] * 2,  # type: ignore[list-item]
        len(style),
    )


def test_contents_and_styles_that_are_exact_halves_cost_nothing_and_others_do() -> None:
    """Cross-cycle, self-reconstruction, code and style are all 0 where x is its content and its style, joined.

    Where two numbers lie in both, what was exchanged has lost them: the way there and back does not end at home.
    """
    x = tuple(torch.randn(2, 50, 4, dtype=torch.float64))
    named = ("self_reconstruction", "cycle", "code_consistency", "style_recovery")
    z = {f"z_{k}": torch.randn(50, 2, dtype=torch.float64) for k in (0, 1)}
    exact = Journeys(split([0, 1], [2, 3]), x, z, exchanges=True)  # type: ignore[arg-type]
    assert all(SUMMANDS[name](exact, k).item() < 1e-12 for name in named for k in (0, 1))
    z = {f"z_{k}": torch.randn(50, 4, dtype=torch.float64) for k in (0, 1)}
    double = Journeys(split([0, 1], [0, 1, 2, 3]), x, z, exchanges=True)  # type: ignore[arg-type]
    assert SUMMANDS["self_reconstruction"](double, 0).item() < 1e-12
    assert all(SUMMANDS[name](double, k).item() > 0.1 for name in named[1:] for k in (0, 1))


def test_seeking_modes_is_cheaper_the_further_styles_drive_apart() -> None:
    z_one, z_other = torch.randn(2, 8, 3)
    costs = [losses.mode_seeking(k * z_one, k * z_other, z_one, z_other).item() for k in (0.0, 0.5, 1.0, 2.0)]
    assert costs == pytest.approx([1e5, 2, 1, 0.5], rel=1e-4)


# ── what is asked of it ─────────────────────────────────────────────────────────────────────────────────


def test_a_sampler_draws_styles_where_there_are_any_and_takes_the_mean_on_the_way_back() -> None:
    plain, styled = method_of(UNIT), method_of(DRIT, STYLES)
    of_plain, of_styled = (method.sampler(method.kept.eval()) for method in (plain, styled))
    assert "translate_in_style" not in of_plain.can and "translate_in_style" in of_styled.can
    assert {"code_of", "translate"} <= of_plain.can & of_styled.can
    x = torch.randn(4, 2)
    z = of_styled.draw_styles(4, torch.Generator().manual_seed(0))
    assert z.shape == (4, 2)
    one, other = (of_styled.sample("a→b", {"x": x, "z": noise}) for noise in (z, z + 1))
    assert not torch.equal(one, other)
    assert torch.equal(of_styled.sample("b→a", {"x": x}), of_styled.translate("b→a", x))
    assert torch.equal(
        of_styled.translate("b→a", x), of_styled.translate_in_style("b→a", x, torch.zeros(4, 2))
    )
    assert torch.equal(of_plain.code_of("b→a", x), plain.networks.encode(x, 1)), "codes without noise"
    assert torch.equal(of_styled.style_of("a→b", x), styled.networks.style_of(x, 1)[0])


@pytest.mark.parametrize(
    ("method", "networks", "message"),
    [
        (
            XGAN,
            {"family": "mlp_translator"},
            r"code_consistency: family mlp_translator has no codes; take mlp_auto",
        ),
        (NAME | {"style_recovery": 1}, CODES, r"style_recovery: family mlp_autoencoders has no styles here"),
        (NAME | {"styles": "both"}, CODES, r"method.styles: .* has no styles here"),
        (NAME | {"styles": "exchanged", "style_recovery": 1}, STYLES, "is of drawn styles: set styles: both"),
        (NAME | {"style_prior": 1}, STYLES | {"gaussian": False}, "set networks.gaussian: true"),
        (NAME | {"adversarial": 0}, CODES, "nothing tells the domains apart"),
        (NAME, {"family": "mlp"}, "starts from latents"),
        (NAME | {"scales": 3}, CODES, "points have one scale: take scales away"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(
    method: dict[str, Any], networks: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": method, "networks": networks})


def test_a_rate_of_a_phase_that_is_not_there_is_refused() -> None:
    told = BASE | {"method": UNIT, "networks": CODES, "optimiser": {"lr": {"codes": 1e-4}}}
    with pytest.raises(ValidationError, match=r"phase codes is the classifier's of method.confusion"):
        Recipe.model_validate(told)
    assert Recipe.model_validate(told | {"method": XGAN}).optimiser.lr == {"codes": 1e-4}


def test_domains_of_two_shapes_are_refused() -> None:
    with pytest.raises(UserError, match="both domains have codes of one kind"):
        method_of(UNIT, data=DataShape((3, 32, 32), input=(3, 8, 8)))
