"""One vector an item from those of its modalities, whichever of them it has."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["GatedFusion"]

_INIT_STD = 0.02


class GatedFusion(nn.Module):
    r"""Mix modalities by a masked softmax; the shares are even at the start.

    .. math::
        v = \sum_m g_m v_m, \quad g_m = \frac{h_m e^{a_m}}{\sum_{m'} h_{m'} e^{a_{m'}}}, \quad a_m = w_m \cdot v_m + b_m

    where :math:`h_m` is 1 if the item has the modality and 0 if not. An item with one modality gets that one's vector,
    unchanged; an item with none gets ``no_content``, a learned vector that all such items share.

    Args:
        size: size ``d`` of the vectors.
        n_modalities: number ``M`` of modalities.
    """

    def __init__(self, size: int, n_modalities: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(n_modalities, size))
        self.bias = nn.Parameter(torch.zeros(n_modalities))
        # Not zeros: a vector of length 0 has no cosine, and no gradient of one.
        self.no_content = nn.Parameter(torch.randn(size) * _INIT_STD)

    def shares(self, vectors: Tensor, present: Tensor) -> Tensor:
        """Return each modality's share, ``[n, M, d]`` and ``bool [n, M] -> [n, M]``; 0 where it is missing."""
        logits = (vectors * self.weight).sum(dim=-1) + self.bias
        # The least number, not -inf: rows without any modality stay finite, and so do their gradients.
        shares = logits.masked_fill(~present, torch.finfo(logits.dtype).min).softmax(dim=-1)
        return shares * present

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """``[n, M, d]``, finite also where a modality is missing, and ``bool [n, M] -> [n, d]``."""
        mixed = (self.shares(vectors, present).unsqueeze(-1) * vectors).sum(dim=1)
        return torch.where(present.any(dim=1, keepdim=True), mixed, self.no_content)
