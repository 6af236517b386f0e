"""Translators: losses against NumPy, what theory says of cycles and medians, the pool, domains, refusals."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from scipy.linalg import sqrtm
from scipy.stats import kstest, ortho_group

from gantry.data import open_prepared, prepare
from gantry.data.batches import Streams
from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch, build_method
from gantry.methods.domains import INPUTS, SAMPLES, domains_of, part_of, rows_of, streams_of
from gantry.methods.pool import Pool
from gantry.networks.translators import at_depths
from gantry.plan import load_plan
from gantry.plan.costs import shape_of
from gantry.plan.dataset import DatasetSpec
from gantry.plan.recipe import Recipe
from gantry.terms import translation as losses

PAIRS = DataShape((2,), input=(2,))
IMAGES = DataShape((3, 32, 32), input=(3, 32, 32))
POINTS = {"family": "mlp_translator", "width": 8, "depth": 2}
UNET = {"family": "unet", "width": 2, "patch_width": 2, "patches": 2, "dropout": False}
BASE: dict[str, Any] = {
    "workload": "",
    "networks": POINTS,
    "objective": {"name": "non_saturating"},
    "batch_size": 8,
}
PIX2PIX, CYCLEGAN = {"name": "pix2pix"}, {"name": "cyclegan"}


def method_of(method: dict[str, Any], data: DataShape = PAIRS, **more: Any) -> Any:
    torch.manual_seed(0)
    return build_method(Recipe.model_validate(BASE | {"method": method} | more), data)


def batch_for(data: DataShape = PAIRS, size: int = 8) -> Batch:
    torch.manual_seed(1)
    x, y = torch.rand(2, size, *data.sample) * 2 - 1
    return Batch({"x": y, "input": x, "x_a": x})


def numpy(x: torch.Tensor) -> Any:
    return x.detach().double().numpy()


def softplus(x: torch.Tensor) -> Any:
    return np.logaddexp(0, numpy(x))


# ── losses, written anew ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sees", ["pair", "output"])
@pytest.mark.parametrize(("data", "networks"), [(PAIRS, POINTS), (IMAGES, UNET)], ids=["points", "images"])
def test_pix2pixs_losses(sees: str, data: DataShape, networks: dict[str, Any]) -> None:
    method = method_of(PIX2PIX | {"sees": sees, "match": 7}, data, networks=networks)
    batch = batch_for(data, 3)
    x, y = batch.data["input"], batch.x
    there = method.translator(x)
    join = (lambda y: torch.cat([x, y], 1)) if sees == "pair" else (lambda y: y)
    real, fake = (method.scales[0].discriminator(join(each)) for each in (y, there))
    expected = softplus(-real).mean() + softplus(fake).mean()
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    expected = softplus(-fake).mean() + 7 * np.abs(numpy(y) - numpy(there)).mean()
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-6)


def test_several_scales_feature_matching_and_total_variation() -> None:
    """Wang et al. 2018, eqs. 3 to 5: a discriminator for each scale; L1 of features at every depth."""
    told = PIX2PIX | {"scales": 2, "match": 0, "feature_matching": 3, "total_variation": 0.5}
    method = method_of(told, IMAGES, networks=UNET)
    batch = batch_for(IMAGES, 2)
    x, y = batch.data["input"], batch.x
    there = method.translator(x)
    pixels = numpy(there)
    expected = 0.5 * (np.diff(pixels, axis=2) ** 2).mean() + 0.5 * (np.diff(pixels, axis=3) ** 2).mean()
    for scale in range(2):
        discriminator = method.scales[scale].discriminator
        real, fake = method.seen(x, y, scale), method.seen(x, there, scale)
        assert real.shape[-1] == 32 >> scale
        expected += softplus(-discriminator(fake)).mean()
        depths = [at_depths(discriminator, each) for each in (real, fake)]
        expected += 3 * np.mean([np.abs(numpy(a) - numpy(b)).mean() for a, b in zip(*depths, strict=True)])
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=5e-6)


def test_cyclegans_losses() -> None:
    told = CYCLEGAN | {"adversarial": 2, "cycle": 10, "identity": 5}
    method = method_of(told, objective={"name": "least_squares"})
    batch = batch_for()
    a, b = batch.data["x_a"], batch.x
    in_b, in_a = method.to_b(a), method.to_a(b)
    d_b, d_a = method.of_b.discriminator, method.of_a.discriminator
    expected = sum(
        0.5 * ((numpy(d(real)) - 1) ** 2).mean() + 0.5 * (numpy(d(fake)) ** 2).mean()
        for d, real, fake in ((d_b, b, in_b), (d_a, a, in_a))
    )
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    l1 = lambda one, other: np.abs(numpy(one) - numpy(other)).mean()  # noqa: E731
    expected = sum(((numpy(d(fake)) - 1) ** 2).mean() for d, fake in ((d_b, in_b), (d_a, in_a)))
    expected += 10 * (l1(method.to_a(in_b), a) + l1(method.to_b(in_a), b))
    expected += 5 * (l1(method.to_b(b), b) + l1(method.to_a(a), a))
    assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-6)


def test_discogans_losses() -> None:
    """(1 − r)(0.1·L_adv + 0.9·FM) + r·cycle MSE, a direction; r changes on the device. Kim et al. 2017, their code."""
    told = {"adversarial": 0.1, "feature_matching": 0.9, "cycle": 1, "distance": "l2", "identity": 0}
    method = method_of(CYCLEGAN | told | {"balance": {"before": 0.25, "after": 0.5, "start": 3}})
    batch = batch_for()
    a, b = batch.data["x_a"], batch.x
    for iteration, r in ((0, 0.25), (2, 0.25), (3, 0.5)):
        method.begin(iteration, torch.device("cpu"))
        expected = 0.0
        for x, y, there, back, adversary in (
            (a, b, method.to_b, method.to_a, method.of_b),
            (b, a, method.to_a, method.to_b, method.of_a),
        ):
            made = there(x)
            real, fake = (at_depths(adversary.discriminator, each) for each in (y, made))
            apart = [
                ((numpy(p).mean(0) - numpy(q).mean(0)) ** 2).mean() for p, q in zip(real, fake, strict=True)
            ]
            played = 0.1 * softplus(-adversary.discriminator(made)).mean() + 0.9 * np.mean(apart)
            expected += (1 - r) * played + r * ((numpy(back(made)) - numpy(x)) ** 2).mean()
        assert method.loss("generator", batch).item() == pytest.approx(expected, rel=2e-6)


def test_gradients_are_those_of_central_differences() -> None:
    method = method_of(CYCLEGAN).double()
    batch = Batch({name: value.double() for name, value in batch_for().data.items()})
    weight = method.to_b[0].weight
    method.loss("generator", batch).backward()
    for place in ((0, 0), (3, 1)):
        found, step, values = weight.grad[place].item(), 1e-6, []
        for sign in (1, -1):
            with torch.no_grad():
                weight[place] += sign * step
                values.append(method.loss("generator", batch).item())
                weight[place] -= sign * step
        assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("phase", ["discriminator", "generator"])
def test_a_phase_moves_its_own_networks_alone(phase: str) -> None:
    for told, data in ((PIX2PIX, PAIRS), (CYCLEGAN, PAIRS)):
        method = method_of(told, data)
        named = {each.name: each.trains for each in method.phases}
        method.loss(phase, batch_for()).backward()
        translators = [
            name for name, weight in method.named_parameters() if name.startswith(("to_", "trans"))
        ]
        moved = {
            name for name, w in method.named_parameters() if w.grad is not None and w.grad.abs().sum() > 0
        }
        assert bool(moved & set(translators)) == (phase == "generator")
        own = {name for name, _ in method.named_parameters() if name.startswith(named[phase])}
        assert own <= moved, "every weight of the phase has a gradient"


# ── theory ──────────────────────────────────────────────────────────────────────────────────────────────


def test_cycle_consistency_does_not_identify_and_the_identity_term_does() -> None:
    """Between N(0, S₁) and N(0, S₂) every S₂^½·Q·S₁^−½ pushes forward exactly, there and back without an error."""
    random = np.random.default_rng(0)
    first, second = (a @ a.T + np.eye(2) for a in random.standard_normal((2, 2, 2)))
    x = torch.from_numpy(random.multivariate_normal(np.zeros(2), first, 500))
    for q in ortho_group.rvs(2, size=20, random_state=1):
        forward = sqrtm(second).real @ q @ np.linalg.inv(sqrtm(first).real)
        assert forward @ first @ forward.T == pytest.approx(second, abs=1e-9)
        there = x @ torch.from_numpy(forward.T)
        back = there @ torch.from_numpy(np.linalg.inv(forward).T)
        assert losses.cycle(back, x).item() == pytest.approx(0, abs=1e-9)
        assert losses.identity(x @ torch.from_numpy(q.T), x).item() > 1e-3
    assert losses.identity(x @ torch.eye(2, dtype=torch.float64), x).item() == 0


def test_nine_modes_that_become_three_cannot_be_told_apart_again() -> None:
    """Whatever F makes of the merged mode, the squared cycle error is at least the spread of its three centres: 8/3."""
    axis = np.array([-2.0, 0, 2])
    best = min(((axis - guess) ** 2).mean() for guess in np.linspace(-3, 3, 601))
    assert best == pytest.approx(8 / 3, abs=1e-9)
    assert min(np.abs(axis - guess).mean() for guess in np.linspace(-3, 3, 601)) == pytest.approx(4 / 3)
    back = torch.zeros(3, 2, dtype=torch.float64)
    x = torch.tensor([[each, 0.0] for each in axis], dtype=torch.float64)
    assert 2 * losses.cycle(back, x, "l2").item() == pytest.approx(8 / 3)


@pytest.mark.parametrize(("distance", "constant"), [("l1", 0.0), ("l2", 0.45)])
def test_l1_fits_the_median_and_l2_the_mean(distance: str, constant: float) -> None:
    """y | x is 1 with chance 0.45, else 0: neither constant is a sample, or only the more frequent one."""
    y = torch.tensor([0.0] * 55 + [1.0] * 45, dtype=torch.float64)[:, None]
    guesses = torch.linspace(0, 1, 1001, dtype=torch.float64)
    errors = [losses.match(guess.expand(100, 1), y, distance).item() for guess in guesses]
    assert guesses[int(np.argmin(errors))].item() == pytest.approx(constant, abs=1e-9)


def test_perceptual_loss_is_a_weighted_l1_of_features() -> None:
    ours, theirs = ([torch.randn(2, 3), torch.randn(2, 5)] for _ in range(2))
    expected = sum(
        w * np.abs(numpy(a) - numpy(b)).mean() for w, a, b in zip((0.25, 2), ours, theirs, strict=True)
    )
    assert losses.perceptual(ours, theirs, (0.25, 2)).item() == pytest.approx(expected, rel=1e-6)


# ── the pool ────────────────────────────────────────────────────────────────────────────────────────────


def test_the_pool_is_the_papers_loop() -> None:
    """CycleGAN's code, ten lines, with the same coins and places."""
    pool, kept = Pool(5, (1,)), []
    torch.manual_seed(3)
    state = torch.get_rng_state()
    given = torch.arange(60.0)[:, None, None]
    handed_out = [pool(each).item() for each in given]
    torch.set_rng_state(state)
    expected = []
    for each in given:
        coin, place = torch.rand(1).item() < 0.5, torch.rand(5).topk(1).indices.item()
        if len(kept) < 5:
            kept.append(each.item())
            expected.append(each.item())
        elif coin:
            expected.append(kept[place])
            kept[place] = each.item()
        else:
            expected.append(each.item())
    assert handed_out == expected
    assert pool.images.flatten().tolist() == kept
    assert set(handed_out) != set(given.flatten().tolist()), "old ones come in the place of new ones"


def test_old_images_are_of_geometric_age() -> None:
    """Each batch of one takes a place with chance ½·1/P, so ages are geometric with mean 2P."""
    torch.manual_seed(0)
    pool = Pool(10, ())
    ages = [number - int(pool(torch.tensor([float(number)]))) for number in range(6_000)]
    old = np.array([age for age in ages if age])
    assert old.mean() == pytest.approx(20, rel=0.1)
    jittered = old + np.random.default_rng(0).random(len(old)) - 1
    continuous = lambda age: 1 - (1 - 1 / 20) ** np.floor(age) * (1 - (age - np.floor(age)) / 20)  # noqa: E731
    assert kstest(jittered, continuous).pvalue > 0.01
    assert kstest(2 * jittered, continuous).pvalue < 1e-6, "the control: other ages are told apart"


def test_places_of_a_batch_are_distinct_and_filling_is_in_order() -> None:
    pool = Pool(6, (2,))
    torch.manual_seed(0)
    for number in range(3):
        new = torch.full((2, 2), float(number))
        assert torch.equal(pool(new), new)
    assert pool.count == 6 and pool.images[:, 0].tolist() == [0, 0, 1, 1, 2, 2]
    for number in range(3, 50):
        seen = pool(torch.full((2, 2), float(number)) + torch.tensor([[0.0], [0.5]]))
        assert len(set(seen[:, 0].tolist())) == 2 or (seen[:, 0] < 3).all()


# ── domains ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def turned(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("turned")
    spec = DatasetSpec(
        title="turned",
        source="gaussian_pair",
        options={"count": 500, "turn": 90.0, "scale": 2.0},
        held_out=80,
    )
    prepare(spec, "turned", folder, None, folder / "data")
    return open_prepared(folder / "data/manifest.json")


def test_pairs_of_points_are_turned_scaled_and_shifted(turned: Any) -> None:
    for part in (turned, turned.held_out()):
        x, y = part.inputs, part.samples
        expected = 2 * np.stack([-x[:, 1], x[:, 0]], 1) + 1
        assert y == pytest.approx(expected, abs=1e-5)
    assert part_of(turned, INPUTS).manifest["variance"] == 0.05 and turned.manifest["variance"] == 0.2
    assert len(part_of(turned, INPUTS).manifest["means"]) == 9
    assert part_of(turned, SAMPLES) is turned


def test_merged_modes_are_three(tmp_path: Any) -> None:
    spec = DatasetSpec(
        title="merged", source="gaussian_pair", options={"count": 90, "merged": 1, "turn": 0.0}
    )
    prepare(spec, "merged", tmp_path, None, tmp_path / "data")
    made = open_prepared(tmp_path / "data/manifest.json")
    assert len(made.manifest["means"]) == 3
    apart = ((made.samples[:, None] - np.array(made.manifest["means"])) ** 2).sum(-1).min(1)
    assert np.sqrt(apart).max() < 5 * np.sqrt(0.05)


def test_no_pair_is_ever_seen(turned: Any) -> None:
    """Inputs and targets come of disjoint halves, whatever the batch."""
    method = method_of(CYCLEGAN, DataShape.of(turned))
    streams = method.streams(turned)
    of_b, of_a = set(streams["x"].rows.tolist()), set(streams["x_a"].rows.tolist())
    assert not of_b & of_a and of_b | of_a == set(range(len(turned)))
    drawn = Streams(turned, streams, 20, 0, "cpu").next()
    rows = {tuple(row) for row in np.asarray(turned.inputs)[sorted(of_a)].tolist()}
    assert all(tuple(row) in rows for row in drawn.data["x_a"].tolist())
    targets = {tuple(row) for row in np.asarray(turned.samples)[sorted(of_b)].tolist()}
    assert all(tuple(row) in targets for row in drawn.data["x"].tolist())


def test_domains_are_classes_by_name_or_number(turned: Any) -> None:
    named = DataShape((2,), classes=3, label_names=("horse", "zebra", "cow"))
    assert domains_of(named, ("zebra", 0)) == (1, 0)
    labelled = replace(turned, inputs=None)
    streams = streams_of(labelled, 3, 8)
    assert set(labelled.labels[streams["x"].rows]) == {8} and set(labelled.labels[streams["x_a"].rows]) == {3}
    for wrong, message in (
        (("mule", 0), "no class 'mule'; it has horse"),
        ((1, "zebra"), "one domain twice"),
    ):
        with pytest.raises(UserError, match=message):
            domains_of(named, wrong)
    with pytest.raises(UserError, match="one domain only"):
        domains_of(DataShape((2,)), (0, 1))
    with pytest.raises(UserError, match="domain 77 has 0 samples"):
        rows_of(labelled, 77)


def test_the_sampler_translates_held_out_samples_in_their_order(turned: Any) -> None:
    method = method_of(CYCLEGAN, DataShape.of(turned))
    sampler = method.sampler(method.kept)
    held_out, unused = turned.held_out(), torch.Generator()
    forth = sampler.inputs("a→b", range(78, 83), unused, held_out)["x"]
    assert np.array_equal(forth, held_out.inputs[[78, 79, 0, 1, 2]])
    assert np.array_equal(sampler.inputs("b→a", range(2), unused, held_out)["x"], held_out.samples[:2])
    assert torch.equal(sampler.sample("a→b", {"x": forth}), method.to_b(forth))
    assert (sampler.reference("a→b"), sampler.reference("b→a")) == (SAMPLES, INPUTS)
    with pytest.raises(UserError, match="held_out: 500"):
        sampler.inputs("a→b", range(2), unused)


def test_skip_and_hole_leave_the_input_where_they_should() -> None:
    x = batch_for(IMAGES, 2).data["input"]
    hole = method_of(PIX2PIX | {"only_hole": True}, IMAGES, networks=UNET).translator
    made, inside = hole(x), torch.zeros(32, 32, dtype=torch.bool)
    inside[8:24, 8:24] = True
    assert torch.equal(made[..., ~inside], x[..., ~inside])
    assert torch.equal(made[..., inside], hole.network(x)[..., inside])
    skip = method_of(PIX2PIX | {"skip": True}, IMAGES, networks=UNET).translator
    assert torch.equal(skip(x), (x + skip.network(x)).clamp(-1, 1))


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────────

DCGAN = {"family": "dcgan", "width": 2}
SR = {"family": "sr_resnet", "width": 2}


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        (PIX2PIX, {"networks": DCGAN}, "starts from latents; take unet"),
        ({"name": "adversarial"}, {}, "take a method that translates"),
        (PIX2PIX, {"latent": {"dimension": 3}}, "latent is of generators"),
        (PIX2PIX, {"generators": 2}, "generators is of generators"),
        (PIX2PIX, {"terms": {"sample_spread": 1.0}, "generators": 1}, "terms.sample_spread"),
        (PIX2PIX, {"objective": {"name": "realness", "outcomes": 5}}, "take another objective"),
        (PIX2PIX | {"adversarial": 0, "match": 0}, {}, "nothing is left to learn from"),
        (PIX2PIX | {"adversarial": 0, "feature_matching": 1}, {}, "take feature_matching away"),
        (PIX2PIX | {"match": 0, "warm_up": 3}, {}, "take warm_up away"),
        (PIX2PIX | {"scales": 2}, {}, "are of images"),
        (PIX2PIX, {"networks": SR}, "set sees: output"),
        (CYCLEGAN, {"networks": SR}, "take unet or resnet_blocks"),
        (CYCLEGAN | {"pool": 50}, {}, "pool 50 is not a multiple of batch_size 8"),
        (CYCLEGAN | {"pool": 16}, {"processes": 2}, "set processes: 1"),
        (CYCLEGAN | {"pool": 16}, {"batch_multiples": {"discriminator": 2}}, "take batch_multiples"),
        (CYCLEGAN | {"adversarial": 0}, {}, "nothing tells the domains apart"),
        (CYCLEGAN | {"balance": {"before": 2}}, {}, "less than or equal to 1"),
    ],
)
def test_what_does_not_go_together_is_refused_with_the_remedy(method: Any, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": method} | more)


@pytest.mark.parametrize(
    ("method", "data", "more", "message"),
    [
        (PIX2PIX, DataShape((2,)), {}, "the data set has no pairs; give it inputs:"),
        (
            CYCLEGAN,
            DataShape((3, 32, 32), input=(3, 8, 8)),
            {"networks": UNET},
            "between domains of one shape",
        ),
        (
            PIX2PIX | {"skip": True, "sees": "output"},
            DataShape((3, 32, 32), input=(3, 8, 8)),
            {"networks": SR},
            "take skip away",
        ),
        (PIX2PIX, IMAGES, {"networks": UNET | {"patches": 5}}, "set patches: 3"),
    ],
)
def test_what_the_data_cannot_give_is_refused(method: Any, data: DataShape, more: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        method_of(method, data, **more)


def test_one_image_at_a_time_is_for_translators() -> None:
    assert Recipe.model_validate(BASE | {"method": PIX2PIX, "batch_size": 1}).batch_size == 1
    with pytest.raises(ValidationError, match="2 or more"):
        Recipe.model_validate(BASE | {"networks": {"family": "mlp"}, "batch_size": 1})


def test_a_plan_knows_the_shape_of_inputs_before_they_are_prepared(tmp_path: Path) -> None:
    """So that what translators compute and hold is counted, without a byte of data."""
    given = {"scale": "smoke", "papers": ["translation"], "seeds": [0], "results": str(tmp_path / "results")}
    plan = load_plan(given, Path(__file__).resolve().parents[2])
    inputs = {run.dataset: shape_of(plan, run)["input"] for run in plan.runs.values()}
    assert inputs["mixture_turned"] == [2] and inputs["digits_edges"] == [3, 32, 32]
    assert inputs["digits_low"] == [3, 8, 8]
    run = next(run for run in plan.runs.values() if run.dataset == "mixture_turned")
    prepared = Path(plan.manifest(run))
    prepare(plan.datasets[run.dataset], run.dataset, tmp_path, None, prepared.parent)
    assert shape_of(plan, run)["input"] == [2]


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        (
            {"digits_edges": {"inputs": None}},
            "recipes.pictures_pix2pix: method.match: data set digits_edges has no pairs; give it inputs:",
        ),
        (
            {"digits_low": {"inputs": {"factor": 2}}},
            "enlarges 4 times, and the inputs of data set digits_low are 2",
        ),
        ({"digits_split": {"held_out": None}}, "data set digits_split holds none out: give it held_out: 500"),
        (
            {"digits_edges": {"inputs": {"degradation": "low"}}},
            "recipes.pictures_cyclegan: method.cycle: the inputs of data set digits_edges are 4 times smaller",
        ),
    ],
)
def test_a_plan_refuses_what_a_data_set_cannot_give(datasets: dict[str, Any], message: str) -> None:
    given = {"scale": "smoke", "papers": ["translation"], "datasets": datasets}
    with pytest.raises(UserError) as refused:
        load_plan(given, Path(__file__).resolve().parents[2])
    assert message in str(refused.value)
    assert all(
        line.startswith("workflow/experiments/translation.yaml: recipes.")
        for line in str(refused.value).splitlines()
    )
