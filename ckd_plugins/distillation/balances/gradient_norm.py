"""Balance: by the norms of the two gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from ckd_plugins.distillation.balances.base import Balance
from ckd_plugins.errors import ConfigError

__all__ = ["GradientNorm"]


class GradientNorm(Balance):
    r"""The distillation's gradient is as long as the own loss's, times ``ckd.weight``.

    .. math::

        a = 1, \qquad b = \frac{\bar g_{\mathrm{own}}}{\bar g_{\mathrm{distillation}}}, \qquad
        g_i = \Vert \nabla_\theta \mathcal{L}_i \Vert_2

    so that :math:`\lambda` is the ratio of the two norms, whatever the scales of the losses: 1 pulls as hard as the own
    loss. :math:`\theta` are all weights of the student that both losses reach. The bars are means over the batches
    that were measured, the last ones weighing most.

    **Cost.** A measured batch is differentiated twice more, and its scores are read even where the student's own
    softmax could take soft targets along. Only one batch in ``every`` is measured; until the first one is, which is the
    first that is distilled at all, :math:`b = 1`.

    Source: the norms are pinned to one another as in Chen et al., "GradNorm", ICML 2018 (arXiv:1711.02257), with its
    :math:`\alpha = 0` (no regard to training rates) and solved for the weight instead of learning it, as in Esser,
    Rombach & Ommer, "Taming Transformers", CVPR 2021 (arXiv:2012.09841), equation 7.

    Args:
        every: batches from one measurement to the next.
        momentum: how much of the running means a measurement leaves, at least 0 and below 1.
        most: :math:`b` is at most this, and at least one over it: near its end distillation has hardly a gradient.

    Raises:
        ConfigError: a number is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{chen2018gradnorm, title={GradNorm: Gradient Normalization for Adaptive Loss Balancing in Deep "
        "Multitask Networks}, author={Chen, Zhao and Badrinarayanan, Vijay and Lee, Chen-Yu and Rabinovich, Andrew}, "
        "booktitle={ICML}, year={2018}}"
    )

    def __init__(self, *, every: int = 20, momentum: float = 0.9, most: float = 100.0) -> None:
        if every < 1:
            raise ConfigError(f"balance gradient_norm: every must be 1 or more, not {every}")
        if not 0 <= momentum < 1:
            raise ConfigError(f"balance gradient_norm: momentum must be at least 0 and below 1, not {momentum}")
        if not 1 <= most < math.inf:
            raise ConfigError(f"balance gradient_norm: most must be 1 or more, not {most}")
        self.every, self.momentum, self.most = every, momentum, most
        self._own = self._distillation = 0.0
        self._wait = 0

    @property
    def apart(self) -> bool:
        """Whether the next batch is to be measured."""
        return self._wait == 0

    def shares(self) -> tuple[float, float]:
        """1, and the ratio of the norms."""
        if self._distillation == 0:
            return 1.0, 1.0
        return 1.0, min(max(self._own / self._distillation, 1 / self.most), self.most)

    def see(self, own: Tensor, distillation: Tensor, parameters: Sequence[Tensor]) -> None:
        """Measure, if it is time to."""
        if self._wait:
            self._wait -= 1
            return
        found = _norms(own, distillation, [p for p in parameters if p.requires_grad])
        # A batch that no teacher knows, or one that overflowed, says nothing: the next is measured instead.
        if found is None or not all(math.isfinite(norm) and norm > 0 for norm in found):
            return
        keep = self.momentum if self._distillation else 0.0
        self._own, self._distillation = (
            keep * mean + (1 - keep) * norm for mean, norm in zip((self._own, self._distillation), found, strict=True)
        )
        self._wait = self.every - 1


def _norms(own: Tensor, distillation: Tensor, parameters: Sequence[Tensor]) -> tuple[float, float] | None:
    """Norms of both gradients over the parameters that both reach; ``None`` where there is no gradient."""
    if not (own.requires_grad and distillation.requires_grad and parameters):
        return None
    of_own, of_other = (
        torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True) for loss in (own, distillation)
    )
    both = [(a, b) for a, b in zip(of_own, of_other, strict=True) if a is not None and b is not None]
    if not both:
        return None
    first, second = (torch.stack([_squares(pair[side]) for pair in both]).sum().sqrt() for side in (0, 1))
    return float(first), float(second)


def _squares(gradient: Tensor) -> Tensor:
    values = gradient.coalesce().values() if gradient.is_sparse else gradient
    return values.double().square().sum()
