"""Triple-GAN and S³GAN: losses against NumPy, the optimum of three players, and what a hidden label must not do."""

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from tests.methods.points import BASE, CPU
from tests.methods.test_conditional import POINTS, cross_entropy, method_of, said, softplus
from torch.nn.functional import one_hot

from gantry.data.shape import DataShape
from gantry.errors import UserError
from gantry.methods import Batch
from gantry.plan.recipe import Recipe
from gantry.terms.rotation import turned

IMAGES = DataShape((3, 32, 32), classes=5)
TRIPLE = {"name": "triple_gan", "known": 10, "pseudo": 0.3, "pseudo_from": 5, "adversarial": 0.2}
S2GAN_CO = {"name": "s3gan", "known": 10, "predicts": 0.7}
S3GAN = S2GAN_CO | {"rotation": {"discriminator": 0.9, "generator": 0.4}}
OF_IMAGES = {"networks": {"family": "sngan", "width": 2}, "objective": {"name": "hinge"}}


def batch_for(method: Any, data: DataShape = POINTS, size: int = 8) -> Batch:
    """A batch whose known samples have labels, and whose others have none."""
    torch.manual_seed(1)
    x, known = torch.randn(2, size, *data.sample)
    labels = torch.arange(size) % data.classes
    noise = method.draw("discriminator", size, CPU)
    return Batch({"x": x, "known": known, "known_labels": labels}, None, noise)


def hot(labels: torch.Tensor) -> torch.Tensor:
    return one_hot(labels, 5).float()


def softmax(logits: Any) -> Any:
    e = np.exp(logits - logits.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


# ── Triple-GAN ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("integrate", [True, False])
def test_the_losses_of_three_players(integrate: bool) -> None:
    method = method_of(TRIPLE | {"integrate": integrate})
    batch, asked = batch_for(method), None
    method.begin(4, CPU)
    y, asked = hot(batch.data["known_labels"]), hot(batch.noise["fake_labels"])
    with torch.no_grad():
        fake = method.generator(batch.noise["z"], asked)
        of_x, of_known, of_fake = (
            method.class_logits(samples).double().numpy() for samples in (batch.x, batch.data["known"], fake)
        )
    completed = hot(torch.from_numpy(of_x.argmax(1)))
    real_v, fake_v = said(method, batch.data["known"], y)[0], said(method, fake, asked)[0]
    expected = softplus(-real_v).mean() + 0.5 * softplus(fake_v).mean()
    expected += 0.5 * softplus(said(method, batch.x, completed)[0]).mean()
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    assert method.loss("generator", batch).item() == pytest.approx(0.5 * softplus(-fake_v).mean(), rel=2e-6)

    p = softmax(of_x)
    if integrate:
        verdicts = [said(method, batch.x, hot(torch.full((8,), k)))[0][:, 0] for k in range(5)]
        against = (p * softplus(-np.stack(verdicts, 1))).sum(1).mean()
    else:
        against = (p.max(1) * softplus(-said(method, batch.x, completed)[0][:, 0])).mean()
    early = cross_entropy(of_known, y.numpy()) + 0.2 * 0.5 * against
    assert method.loss("classifier", batch).item() == pytest.approx(early, rel=2e-6)
    method.begin(5, CPU)
    late = early + 0.3 * cross_entropy(of_fake, asked.numpy())
    assert method.loss("classifier", batch).item() == pytest.approx(late, rel=2e-6)


def test_three_players_alone_have_many_optima_and_known_labels_leave_one() -> None:
    """V's value at the best D is −log 4 + 2·JS(p, ½p_g + ½p_c): 0 wherever the two average to p. Theorem 3.3."""
    p = torch.tensor([[0.4, 0.05, 0.05], [0.1, 0.1, 0.3]], dtype=torch.float64)  # p(x, y), x a row

    def jensen_shannon(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        m = (a + b) / 2
        return 0.5 * (a * (a / m).log() + b * (b / m).log()).sum()

    def solve(with_labels: bool) -> float:
        """How far p_g ends from p, begun away from it."""
        g = torch.tensor([[0.5, 0.0, -0.5], [-0.5, 0.3, 0.2]], dtype=torch.float64).requires_grad_()
        c = torch.tensor([[-0.4, 0.2, 0.2], [0.6, -0.3, -0.3]], dtype=torch.float64).requires_grad_()
        optimiser = torch.optim.LBFGS(
            [g, c], max_iter=400, tolerance_grad=1e-12, line_search_fn="strong_wolfe"
        )

        def pairs() -> tuple[torch.Tensor, torch.Tensor]:
            return g.flatten().softmax(0).view(2, 3), p.sum(1, keepdim=True) * c.softmax(1)

        def closure() -> torch.Tensor:
            optimiser.zero_grad()
            of_g, of_c = pairs()
            loss = 2 * jensen_shannon(p, (of_g + of_c) / 2)
            if with_labels:
                loss = loss - (p * c.log_softmax(1)).sum()
            loss.backward()
            return loss

        optimiser.step(closure)  # type: ignore[no-untyped-call]
        of_g, of_c = pairs()
        assert jensen_shannon(p, (of_g + of_c) / 2) < 1e-8, "either way D cannot win"
        return float((of_g - p).detach().abs().max())

    assert solve(with_labels=False) > 0.01
    assert solve(with_labels=True) < 1e-4


# ── S²GAN-CO and S³GAN ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("unknown", ["predicted", "zero"])
def test_hidden_labels_are_predicted_and_known_ones_read(unknown: str) -> None:
    method = method_of(S2GAN_CO | {"unknown": unknown}, objective={"name": "hinge"})
    batch = batch_for(method)
    y, asked = hot(batch.data["known_labels"]), hot(batch.noise["fake_labels"])
    with torch.no_grad():
        fake = method.generator(batch.noise["z"], asked)
        features = method.adversary.discriminator.body(batch.x)
        head, entry = method.adversary.discriminator.head, method.adversary.discriminator.entry
        e = entry.embedding.weight.T.double().numpy()
    _, class_logits = said(method, batch.x, torch.zeros(8, 5))
    verdicts = head(features).detach().double().numpy()[:, 0]
    if unknown == "predicted":
        verdicts = verdicts + (e[class_logits.argmax(1)] * features.double().numpy()).sum(1)
    known_v, known_c = said(method, batch.data["known"], y)
    fake_v, _ = said(method, fake, asked)
    real = np.concatenate([known_v[:, 0], verdicts])
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake_v).mean()
    expected += 0.7 * cross_entropy(known_c, y.numpy())
    assert method.loss("discriminator", batch).item() == pytest.approx(expected, rel=2e-6)
    assert method.loss("generator", batch).item() == pytest.approx(-fake_v.mean(), rel=2e-5)


def test_predictions_have_no_gradient() -> None:
    method = method_of(S2GAN_CO | {"predicts": 0.0}, objective={"name": "hinge"})
    method.loss("discriminator", batch_for(method)).backward()
    assert not method.adversary.discriminator.class_head.weight.grad.any()
    control = method_of(S2GAN_CO, objective={"name": "hinge"})
    control.loss("discriminator", batch_for(control)).backward()
    assert control.adversary.discriminator.class_head.weight.grad.any()


def test_images_turn_anticlockwise_by_quarters() -> None:
    images = torch.randn(2, 3, 4, 4)
    expected = np.concatenate([np.rot90(images.numpy(), k, axes=(2, 3)) for k in (1, 2, 3)])
    assert np.array_equal(turned(images).numpy(), expected)


def test_turns_are_asked_of_the_last_quarter_and_told_to_both_players() -> None:
    plain, method = (method_of(told, IMAGES, **OF_IMAGES) for told in (S2GAN_CO, S3GAN))
    # The same weights but for the head of turns, which is made last.
    method.load_state_dict(plain.state_dict(), strict=False)
    batch = batch_for(method, IMAGES)
    asked = hot(batch.noise["fake_labels"])
    discriminator = method.adversary.discriminator.eval()
    plain.adversary.discriminator.eval()

    def expected(images: torch.Tensor) -> float:
        quarter = images[-(len(images) // 4) :]
        with torch.no_grad():
            logits = discriminator.rotation_head(discriminator.body(torch.cat([quarter, turned(quarter)])))
        turns = np.eye(4)[np.repeat(np.arange(4), len(quarter))]
        return cross_entropy(logits.double().numpy(), turns)

    real = torch.cat([batch.data["known"], batch.x])
    gained = (method.loss("discriminator", batch) - plain.loss("discriminator", batch)).item()
    assert gained == pytest.approx(0.9 * expected(real), rel=1e-4)
    with torch.no_grad():
        fake = method.generator(batch.noise["z"], asked)
    gained = (method.loss("generator", batch) - plain.loss("generator", batch)).item()
    assert gained == pytest.approx(0.4 * expected(fake), rel=1e-4)


@pytest.mark.parametrize(
    ("method", "more", "message"),
    [
        (TRIPLE, {"objective": {"name": "hinge"}}, "non_saturating"),
        (TRIPLE | {"consistency": 1}, {}, "noise is 0"),
        (TRIPLE, {"generators": 2}, "take it away"),
        (S2GAN_CO | {"classification": {}}, {}, "set predicts"),
        (S2GAN_CO | {"mismatched": 0.5}, {}, "labels are hidden"),
        (S2GAN_CO | {"discriminator": "planes"}, {}, "discriminator"),
        (S3GAN, {}, "these are points"),
    ],
)
def test_what_does_not_go_together_is_refused(method: Any, more: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Recipe.model_validate(BASE | {"method": method} | more)


@pytest.mark.parametrize("told", [TRIPLE, S2GAN_CO])
def test_a_set_without_classes_is_refused(told: Any) -> None:
    with pytest.raises(UserError, match="has no classes"):
        method_of(told, DataShape((2,), attributes=3))
