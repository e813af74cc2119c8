"""UniSRec's adaptor from text vectors to item vectors: parametric whitening, mixed by a gate."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.teachers.nets.dropout import Dropout

__all__ = ["MoEAdaptor", "ParametricWhitening"]

_NOISE = 1e-2  # least standard deviation of the gate's noise


class ParametricWhitening(nn.Module):
    r"""One expert: :math:`(\mathrm{Drop}(x) - b)\,W` (UniSRec, equation 2)."""

    def __init__(self, input_size: int, output_size: int, dropout: float) -> None:
        super().__init__()
        self.dropout = Dropout(dropout)
        self.bias = nn.Parameter(torch.zeros(input_size))
        self.lin = nn.Linear(input_size, output_size, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """``[n, input_size] -> [n, output_size]``."""
        # Multiplied out: the gradient of the bias then needs no [n, input_size] matrix.
        return cast(Tensor, self.lin(self.dropout(x)) - self.lin(self.bias))


class MoEAdaptor(nn.Module):
    r"""Mixture of whitening experts (UniSRec, equations 3 to 5).

    .. math::
        v = \sum_k g_k\,(\mathrm{Drop}(x) - b_k)\,W_k, \quad
        g = \mathrm{softmax}\big(x W_2 + \epsilon \odot (\mathrm{softplus}(x W_3) + 10^{-2})\big)

    with :math:`\epsilon \sim \mathcal{N}(0, I)` in training and 0 otherwise. All experts take part, in spite of the
    method's name for it ("noisy top-k").

    Args:
        input_size: size of the text vectors.
        output_size: size of the item vectors.
        n_experts: number of experts.
        dropout: of the text vectors, drawn anew for each expert.
    """

    def __init__(self, input_size: int, output_size: int, n_experts: int, dropout: float) -> None:
        super().__init__()
        self.experts = nn.ModuleList(ParametricWhitening(input_size, output_size, dropout) for _ in range(n_experts))
        self.w_gate = nn.Parameter(torch.zeros(input_size, n_experts))
        self.w_noise = nn.Parameter(torch.zeros(input_size, n_experts))

    def gates(self, x: Tensor) -> Tensor:
        """Return the experts' shares, ``[n, input_size] -> [n, n_experts]``."""
        logits = x @ self.w_gate
        if self.training:
            logits = logits + torch.randn_like(logits) * (F.softplus(x @ self.w_noise) + _NOISE)
        return logits.softmax(dim=-1)

    def forward(self, x: Tensor) -> Tensor:
        """``[n, input_size] -> [n, output_size]``."""
        gates = self.gates(x)
        mixed: Tensor = gates[:, :1] * self.experts[0](x)
        for k, expert in enumerate(list(self.experts)[1:], start=1):
            mixed = torch.addcmul(mixed, gates[:, k : k + 1], expert(x))
        return mixed
