"""A pool of earlier images, from which a discriminator sees some in the place of new ones."""

import torch
from torch import Tensor, nn


class Pool(nn.Module):
    """Hands out (B, …) for (B, …): while it fills, the new ones; afterwards, by a coin each, a new or an old one.

    An old one's place is taken by the new one that came in its stead. P images and their number are buffers, so the
    state keeps them; nothing branches on the host, so a graph may run it. P is a multiple of B, and places of a batch
    are distinct. Shrivastava et al. 2017, section 2.3; Zhu et al. 2017, section 4.
    """

    def __init__(self, size: int, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.images: Tensor
        self.count: Tensor
        self.register_buffer("images", torch.zeros(size, *shape))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def forward(self, new: Tensor) -> Tensor:
        size, batch = len(self.images), len(new)
        full = self.count >= size
        coins = torch.rand(batch, device=new.device) < 0.5
        drawn = torch.rand(size, device=new.device).topk(batch).indices
        filling = (self.count + torch.arange(batch, device=new.device)) % size
        places = torch.where(full, drawn, filling)
        old = self.images[places]
        taken = (coins | ~full).view(-1, *[1] * (new.dim() - 1))
        self.images[places] = torch.where(taken, new.to(old.dtype), old)
        self.count.copy_((self.count + batch).clamp(max=size))
        return torch.where(taken & full, old.to(new.dtype), new)
