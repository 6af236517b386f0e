"""The handbook's equations say what the code computes.

The texts are read by tests/report/latex.py and computed with NumPy; the other side is the code of the objectives, of
the terms and of minibatch discrimination.
"""

import math
from itertools import chain

import numpy as np
import pytest
import torch
from scipy.special import lambertw, log_softmax, softmax
from tests.report.equation_cases import (
    DIVERGENCES,
    LAYERS,
    OBJECTIVE_BLOCKS,
    TERM_BLOCKS,
    recipe_of,
    shown,
)
from tests.report.latex import Later, Matrix, definitions, formula_of, inline
from torch import nn

from gantry.networks.minibatch import MinibatchDiscrimination
from gantry.objectives import build_objective
from gantry.report.handbook import equations_of
from gantry.terms import TermInputs, build_terms

SIZE = 6
BALANCE = 0.3  # BEGAN's k


def drawn(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape)


def tensor(values):
    return torch.tensor(np.asarray(values), dtype=torch.float64)


def loss(recipe, player):
    return formula_of(" ".join(e.losses[player] for e in equations_of(recipe) if player in e.losses))


def stated(recipe, given):
    """`given`, and what the words under the equations define, as far as it is a formula of these names."""
    given = {"e": math.e, **given}
    for entry in equations_of(recipe):
        for name, arguments, formula in definitions(entry.where):
            if name == "T":  # of a sample, by what D says of it
                given["T"] = lambda output, formula=formula: formula({**given, "D": output})
            elif name == r"\mathrm{MMD}^2":
                given[r"\mathrm{MMD}"] = lambda a, b, formula=formula: np.sqrt(
                    formula({**given, "a": a, "b": b})
                )
            elif arguments:
                given[name] = lambda *values, formula=formula, arguments=arguments: formula(
                    {**given, **dict(zip(arguments, values, strict=True))}
                )
            else:
                given[name] = Later(formula)
    return given


def cross_entropy(target, verdicts):
    return -(target * np.log(verdicts)).sum(-1).mean()


def divergence(target, verdicts):
    return (target * (np.log(target) - np.log(verdicts))).sum(-1).mean()


def surroundings(block, objective, real, fake):
    """What an objective's equation leaves open: D's outputs for x and z, and what its words say of them."""
    given = {"x": real[:, 0], "z": fake[:, 0], "D": lambda output: output, "G": lambda latent: latent}
    given |= {r"\alpha": block.get("real_label", block.get("alpha")), r"\beta": block.get("beta")}
    given |= {name: block.get(name) for name in "abc"} | {"m": block.get("margin")}
    given |= {r"\pi": block.get("data_share", 0.5), "W": lambda value: lambertw(value).real}
    given |= {r"\gamma": block.get("diversity"), r"\lambda": block.get("gain"), "k": BALANCE}
    if block["name"] == "loss_sensitive":  # samples of one coordinate, of which D's output is the sine
        given |= {"x": np.arcsin(real), "z": np.arcsin(fake), "D": lambda samples: np.sin(samples[:, 0])}
        given |= {"m": block["margin"], r"\nu": block["slope"]}
    if block["name"] == "d2gan":
        given |= {"x": real, "z": fake, "D_1": lambda o: np.log1p(np.exp(o[:, 0]))}
        given |= {"D_2": lambda o: np.log1p(np.exp(o[:, 1]))}
    if block["name"] == "realness":
        anchors = {"A_1": objective.anchors.real.numpy(), "A_0": objective.anchors.fake.numpy()}
        distance = divergence if block.get("formulation") == "paper" else cross_entropy
        given |= anchors | {"x": softmax(real, 1), "z": softmax(fake, 1), "d": distance}
    if block["name"] in ("mmd_gan", "gmmn"):
        given |= {"x": real, "z": fake, r"\sum s": [{"s": scale} for scale in block["scales"]]}
    return given


def over_pairs(given, alone):
    """The kernel over all pairs of two batches, in a row; `alone`: within one, without i = j."""

    def kernel(a, b, one=given["k"]):
        values = one(a[:, None], b[None])
        return values[~np.eye(len(a), dtype=bool)] if alone and a is b else values.ravel()

    return given | {"k": kernel}


def both_sides(block):
    """For each player its loss by the equations and by the code."""
    recipe = recipe_of(block)
    objective = build_objective(recipe.objective)
    torch.manual_seed(0)
    objective.redraw("cpu")
    if block["name"] == "began":
        objective.load_state_dict({"k": torch.tensor(BALANCE)})
    width = 2 if not objective.discriminators else objective.outputs * objective.discriminators
    real, fake = drawn(1, SIZE, width), drawn(2, SIZE, width)
    if block["name"] == "loss_sensitive":
        real, fake = np.tanh(real), np.tanh(fake)
    given = stated(recipe, surroundings(block, objective, real, fake))
    if block["name"] == "loss_sensitive":
        objective.look(tensor(given["x"]), [tensor(given["z"])])
    if block["name"] in ("mmd_gan", "gmmn"):
        pairs = over_pairs(given, alone=block["name"] == "mmd_gan" and not block["root"])
        given[r"\mathrm{MMD}"] = lambda a, b: _root(
            definition_of(recipe, r"\mathrm{MMD}^2")(pairs | {"a": a, "b": b})
        )
    sides = [tensor(real), [tensor(fake)]]
    computed = {"generator": lambda: objective.generator_loss(*sides)}
    if objective.discriminators:
        computed["discriminator"] = lambda: objective.discriminator_loss(*sides)
    return {player: (loss(recipe, player)(given), code().item()) for player, code in computed.items()}


@pytest.mark.parametrize("block", OBJECTIVE_BLOCKS, ids=shown)
def test_an_objective_computes_what_its_equations_say(block):
    for player, (expected, found) in both_sides(block).items():
        assert expected == pytest.approx(found, rel=1e-6), player


def _root(squared):
    """Its square is `squared` even where the unbiased estimate is below 0."""
    return np.emath.sqrt(squared)


def definition_of(recipe, wanted):
    (found,) = [
        formula
        for entry in equations_of(recipe)
        for name, _, formula in definitions(entry.where)
        if name == wanted
    ]
    return found


def test_began_moves_its_balance_as_its_words_say():
    block = {"name": "began", "diversity": 0.7, "gain": 0.01}
    recipe = recipe_of(block)
    objective = build_objective(recipe.objective)
    real, fake = np.abs(drawn(1, SIZE, 1)) + 5, np.abs(drawn(2, SIZE, 1))
    (rule,) = [
        part for entry in equations_of(recipe) for part in inline(entry.where) if r"\leftarrow" in part
    ]
    expected = formula_of(rule.partition(r"\leftarrow")[2])(surroundings(block, objective, real, fake))
    objective.load_state_dict({"k": torch.tensor(BALANCE)})
    objective.advance(tensor(real), [tensor(fake)])
    assert 0 < expected < 1
    assert objective.k.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", DIVERGENCES)
def test_a_conjugate_is_that_of_the_function_beside_it(name):
    recipe = recipe_of({"name": "f_gan", "divergence": name})
    given = stated(recipe, {r"\pi": 0.5, "W": lambda value: lambertw(value).real})
    ratios = np.exp(np.linspace(-15, 15, 60_001))
    for output in (-1.2, 0.3, 1.1):
        t = given["T"](output)
        assert given["f^*"](t) == pytest.approx((ratios * t - given["f"](ratios)).max(), abs=1e-5)


def networks():
    """A discriminator of points, and two generators, in double precision."""
    torch.manual_seed(3)
    discriminator = nn.Sequential(nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    return discriminator, nn.ModuleList([nn.Linear(3, 2), nn.Linear(3, 2)]).double()


def sides_of(block, discriminator, generators, samples):
    """What a term's equation leaves open, of these networks and samples."""
    (first, bias), (last, end) = [
        [parameter.detach().numpy() for parameter in layer.parameters()]
        for layer in (discriminator[0], discriminator[2])
    ]

    def features(points):
        return np.tanh(points @ first.T + bias)

    def output(points):
        return (features(points) @ last.T + end)[:, 0]

    def slope(points):
        values = features(points)
        slopes = ((1 - values**2) * last) @ first
        if block.get("gradient_penalty", {}).get("through") == "sigmoid":
            verdicts = 1 / (1 + np.exp(-output(points)))
            slopes = slopes * (verdicts * (1 - verdicts))[:, None]
        return slopes

    real, fake, other = samples
    penalty = block.get("gradient_penalty", {})
    codes = features(fake)
    given = {"x": real, "z": fake, "G": lambda points: points, "f": features, "B": SIZE}
    given |= {r"\hat{x}": real if penalty.get("points") == "real" else fake, "g": penalty.get("center")}
    given |= {r"\nabla D": slope, r"\cos": lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b))}
    given[r"\sum i\nej"] = [
        {"f_i": codes[i], "f_j": codes[j]} for i in range(SIZE) for j in range(SIZE) if i != j
    ]
    given |= {"G_1": lambda _: fake, "G_2": lambda _: other}
    verdicts = lambda points: np.stack([np.zeros(SIZE), output(points)], 1)  # noqa: E731
    given |= {"D": output if "drift" in block else verdicts}
    given[r"\mathrm{KL}"] = lambda a, b: (softmax(a, 1) * (log_softmax(a, 1) - log_softmax(b, 1))).sum(1)
    return given


def weights_of(player):
    return np.concatenate([parameter.detach().numpy().ravel() for parameter in player.parameters()])


def of_weights(player):
    """What equations on a player's own weights leave open: its matrices, and its history, here two updates."""
    matrices = [parameter.detach().numpy() for parameter in player.parameters() if parameter.dim() == 2]
    square = [
        {
            "W": Matrix(matrix),
            "I": Matrix(np.eye(len(matrix))),
            r"\mathbf{1}": Matrix(np.ones((len(matrix),) * 2)),
        }
        for matrix in matrices
    ]
    now = weights_of(player)
    history = [{r"\theta_i": now - 1.0}, {r"\theta_i": now}]
    return {r"\sum W": square, r"\theta": now, "t": len(history), r"\sum i=1": history}


def soft_bins(values, bins, low, high):
    """Gaussian weights over bins, as wide as half a bin."""
    width = (high - low) / bins
    centres = low + width * (np.arange(bins) + 0.5)
    return softmax(-((values[:, None] - centres) ** 2) / (2 * (width / 2) ** 2), axis=1)


def of_histograms(real, fake, bins):
    """Entropies of the values' soft histograms, standardised by the real batch."""
    spread = real.std(ddof=1)
    x, y = (soft_bins((images.ravel() - real.mean()) / spread, bins, -3, 3) for images in (real, fake))
    joint = x.T @ y / len(x)

    def entropy(masses):
        return -(masses * np.log(masses)).sum()

    marginals = {"X": joint.sum(1), "Y": joint.sum(0)}

    def conditional(first, *second):
        if not second:
            return entropy(first)
        return entropy(joint) - entropy(second[0])

    return marginals | {"P": marginals["X"], "Q": marginals["Y"], "H": conditional}


def of_distributions(of, real, fake, given):
    """The softmax of samples, of their mean, or of D's verdicts, in rows."""
    rows = {
        "images": lambda x: x,
        "mean_image": lambda x: x.mean(0, keepdims=True),
        "logits": given["D"],
    }[of]
    p, q = (softmax(rows(x), axis=1) for x in (real, fake))
    entropy = lambda a: -(a * np.log(a)).sum(1).mean()  # noqa: E731
    return {"P": p, "Q": q, "d": lambda a, b: -(a * np.log(b)).sum(1).mean(), "H": entropy}


@pytest.mark.parametrize("block", TERM_BLOCKS, ids=shown)
def test_a_term_adds_what_its_equation_says(block):
    (name, options), *_ = block.items()
    two = name in ("logit_agreement", "sample_spread")
    recipe = recipe_of({"name": "wasserstein"}, block, generators=2 if two else 1)
    plain = recipe_of({"name": "wasserstein"}, generators=2 if two else 1)
    brought = [equation for equation in equations_of(recipe) if equation not in equations_of(plain)]
    discriminator, generators = networks()
    samples = [drawn(seed, SIZE, 2) for seed in (4, 5, 6)]
    weight = options["weight"] if isinstance(options, dict) else options
    halved = any("half of the weight" in entry.where for entry in brought)
    given = sides_of(block, discriminator, generators, samples)
    of = options.get("of") if isinstance(options, dict) else None
    given |= of_distributions(of, *samples[:2], given) if of else of_histograms(*samples[:2], 8)
    given |= {r"\lambda": weight / 2 if halved else weight}
    given |= {r"\lambda_D": weight, r"\lambda_G": weight}
    given = stated(recipe, given)

    fakes = [tensor(points) for points in (samples[1:] if two else samples[1:2])]
    outputs = [discriminator(fake) for fake in fakes]
    real = tensor(samples[0])
    batch = TermInputs(fakes, outputs, real, discriminator(real), discriminator, generators)
    on_both = build_terms(recipe.terms, recipe.objective, (2,))
    players = (discriminator, generators)
    checked = set()
    for player, summands, network in zip(("discriminator", "generator"), on_both, players, strict=True):
        for factor, term in summands:
            if name == "historical_averaging":  # an update before, at other weights
                with torch.no_grad():
                    for parameter in network.parameters():
                        parameter.sub_(1.0)
                    term(batch)
                    for parameter in network.parameters():
                        parameter.add_(1.0)
            if name == "spectral_regularisation":  # the power iteration has to arrive
                for _ in range(200):
                    term(batch)
            (text,) = [entry.losses[player] for entry in brought if player in entry.losses]
            expected = formula_of(text)(given | of_weights(network))
            assert factor * term(batch).item() == pytest.approx(expected, rel=1e-5), player
            checked.add(player)
    assert checked == set(chain.from_iterable(entry.losses for entry in brought))


def test_minibatch_discrimination_computes_what_its_words_say():
    layer = MinibatchDiscrimination(4, 3, 2).double()
    features = drawn(7, SIZE, 4)
    rows = layer.tensor(tensor(features)).detach().numpy().reshape(SIZE, 3, 2)
    recipe = recipe_of(
        {"name": "hinge"},
        networks={"family": "mlp", "minibatch_discrimination": LAYERS["minibatch_discrimination"]},
    )
    ((_, _, formula),) = [found for entry in equations_of(recipe) for found in definitions(entry.where)]
    computed = layer(tensor(features)).detach().numpy()[:, 4:]
    for i in range(SIZE):
        for b in range(3):
            given = {"e": math.e, "M_ib": rows[i, b], r"\sum j": [{"M_jb": row[b]} for row in rows]}
            assert computed[i, b] == pytest.approx(formula(given), rel=1e-6)
