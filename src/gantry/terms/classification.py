"""What D's heads say of a sample's class or code, as summands of both losses.

They are built by the methods whose discriminators have such heads, not named among a recipe's `terms`.
"""

from math import log

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from gantry.terms.base import DiscriminatorTerm, GeneratorTerm, TermInputs


class RealClassification(DiscriminatorTerm):
    """CE(ℓ(x), y) of real samples, and with `of` "both" CE(ℓ(G(z, y)), y) too; in nats.

    AC-GAN: Odena et al. 2017, eqs. 2 and 3. With `of` "twin" the class head is two classifiers side by side,
    (B, 2K): ℓ learns from real samples, ℓ′ from generated ones (twin AC-GAN: Gong et al. 2019, eq. 5).
    """

    def __init__(self, of: str) -> None:
        super().__init__()
        self.of = of

    def forward(self, batch: TermInputs) -> Tensor:
        assert batch.labels is not None and batch.fake_labels is not None
        loss = cross_entropy(classifier(batch.real.class_logits, batch.labels), batch.labels)
        if self.of == "real":
            return loss
        heads = twin if self.of == "twin" else classifier
        return loss + generated_cross_entropy(batch, heads)


class GeneratedClassification(GeneratorTerm):
    """CE(ℓ(G(z, y)), y), and with `of` "twin" less CE(ℓ′(G(z, y)), y), which undoes AC-GAN's bias; in nats."""

    def __init__(self, of: str) -> None:
        super().__init__()
        self.of = of

    def forward(self, batch: TermInputs) -> Tensor:
        loss = generated_cross_entropy(batch, classifier)
        return loss - generated_cross_entropy(batch, twin) if self.of == "twin" else loss


def classifier(class_logits: Tensor, labels: Tensor) -> Tensor:
    """ℓ: the first K columns."""
    return class_logits[:, : labels.shape[1]]


def twin(class_logits: Tensor, labels: Tensor) -> Tensor:
    """ℓ′: the last K columns."""
    return class_logits[:, -labels.shape[1] :]


def generated_cross_entropy(batch: TermInputs, heads: object) -> Tensor:
    """Σ over the generators of CE(heads(G(z, y)), y), the mean over each batch."""
    assert batch.fake_labels is not None and callable(heads)
    pairs = zip(batch.fakes, batch.fake_labels, strict=True)
    return torch.stack([cross_entropy(heads(fake.class_logits, y), y) for fake, y in pairs]).sum()


def code_information(said: Tensor, code: Tensor, categorical: tuple[int, ...]) -> Tensor:
    """L_I = H(c) + E log Q(c | x), in nats: a lower bound of I(c; G(z, c)). Chen et al. 2016, eq. 5.

    `said` and `code` are (B, Σ categorical + continuous). A categorical code is one-hot and uniform, H = ln K; Q is
    a softmax. A continuous one is uniform on [−1, 1], H = ln 2; Q is a Gaussian around `said` with σ = 1.
    """
    sizes = [*categorical, said.shape[1] - sum(categorical)]
    *discrete, mean = said.split(sizes, dim=1)
    *drawn, value = code.split(sizes, dim=1)
    information = torch.zeros((), device=said.device)
    for logits, one_hot in zip(discrete, drawn, strict=True):
        information = information + log(logits.shape[1]) - cross_entropy(logits, one_hot)
    log_density = -0.5 * (value - mean).square() - 0.5 * log(2 * torch.pi)
    return information + (log(2) + log_density).sum(dim=1).mean()


class LostInformation(GeneratorTerm):
    """−L_I of the generated samples' codes, Σ over the generators. Chen et al. 2016, eq. 6."""

    def __init__(self, categorical: tuple[int, ...]) -> None:
        super().__init__()
        self.categorical = categorical

    def forward(self, batch: TermInputs) -> Tensor:
        code = batch.noise["code"]
        return -torch.stack(
            [code_information(fake.code, code, self.categorical) for fake in batch.fakes]
        ).sum()


class RecognisedCode(LostInformation, DiscriminatorTerm):  # type: ignore[misc]
    """The same, for Q, which is a head of D."""

    player = staticmethod(DiscriminatorTerm.player)
