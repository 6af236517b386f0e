"""What a translator's discriminator says of labels, as a summand of both losses. StarGAN: Choi et al. 2018.

They are built by the method, not named among a recipe's `terms`.
"""

from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from gantry.terms.base import DiscriminatorTerm, GeneratorTerm, TermInputs


def label_loss(class_logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of classes (B,), or of attributes (B, A) in {0, 1}, summed over them; mean over the batch, nats."""
    if labels.dim() == 1:
        return cross_entropy(class_logits, labels)
    of_each = binary_cross_entropy_with_logits(class_logits, labels.to(class_logits.dtype), reduction="none")
    return of_each.sum(dim=1).mean()


class OwnLabels(DiscriminatorTerm):
    """E −log D_cls(c′ | x) of real samples and the labels that they have. Eq. 2."""

    def forward(self, batch: TermInputs) -> Tensor:
        assert batch.labels is not None
        return label_loss(batch.real.class_logits, batch.labels)


class AskedLabels(GeneratorTerm):
    """E −log D_cls(c | G(x, c)) of translations and the labels that they are asked for. Eq. 3."""

    def forward(self, batch: TermInputs) -> Tensor:
        assert batch.fake_labels is not None
        (fake,), (asked,) = batch.fakes, batch.fake_labels
        return label_loss(fake.class_logits, asked)
