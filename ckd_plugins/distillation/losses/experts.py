"""From a student's vectors to a teacher's: one linear map, or experts among which the teacher's vector selects."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["Experts"]


class Experts(nn.Module):
    r"""Estimates a teacher's vectors from a student's.

    .. math:: \hat t = \sum_m \alpha_m E_m(s), \qquad
        \alpha = \mathrm{softmax}\big((\log \mathrm{softmax}(V t + c) + g) / \theta\big)

    with experts :math:`E_m` of one hidden layer, half as wide as both vectors together, a selection :math:`V, c` by the
    teacher's vector, Gumbel noise :math:`g` and a temperature :math:`\theta`. One expert is a linear map, without
    selection.

    Source: Kang et al., "DE-RRD", CIKM 2020 (arXiv:2012.04357), section 3.1; the hidden layer is that of the authors'
    code, the linear map for one expert is of this package.

    Args:
        student: length of the student's vectors.
        teacher: length of the teacher's.
        experts: their number.
    """

    def __init__(self, student: int, teacher: int, experts: int) -> None:
        super().__init__()
        hidden = max(1, (student + teacher) // 2)
        if experts == 1:
            self.experts = nn.ModuleList([nn.Linear(student, teacher)])
            self.selection = None
        else:
            self.experts = nn.ModuleList(
                nn.Sequential(nn.Linear(student, hidden), nn.ReLU(), nn.Linear(hidden, teacher)) for _ in range(experts)
            )
            self.selection = nn.Linear(teacher, experts)

    def forward(self, student: Tensor, teacher: Tensor, noise: Tensor, temperature: float) -> Tensor:
        """Estimate ``[B, d_teacher]``.

        Args:
            student: ``[B, d_student]``.
            teacher: ``[B, d_teacher]``, what is to be estimated: the selection reads it.
            noise: ``[B, M]``, Gumbel; not read where there is one expert.
            temperature: of the selection; near 0 it takes one expert.
        """
        if self.selection is None:
            estimate: Tensor = self.experts[0](student)
            return estimate
        chances = torch.log_softmax(self.selection(teacher), dim=-1)
        shares = torch.softmax((chances + noise) / temperature, dim=-1)
        return torch.einsum("bm,bmd->bd", shares, torch.stack([expert(student) for expert in self.experts], dim=1))
