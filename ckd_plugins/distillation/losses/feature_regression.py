"""Loss: the teachers' vectors, estimated from the student's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from ckd_plugins.distillation.losses.base import Loss, VectorShape
from ckd_plugins.distillation.losses.experts import Experts
from ckd_plugins.distillation.numerics import in_float
from ckd_plugins.distillation.target import Target
from ckd_plugins.errors import ConfigError

__all__ = ["FeatureRegression"]

_SIDES = ("rows", "items")


class FeatureRegression(Loss):
    r"""What a teacher represents a row and an item by can be told from what the student represents them by.

    .. math:: \ell_u = \sum_k w_u^k \Big(
        \frac{\Vert t_u^k - P_k(s_u) \Vert^2}{\overline{\Vert t^k \Vert^2}} +
        \frac{\Vert v_{i}^k - Q_k(z_{i}) \Vert^2}{\overline{\Vert v^k \Vert^2}} \Big), \qquad i = i_u^+

    with the teacher's vectors :math:`t_u^k` of the row and :math:`v_i^k` of the row's real choice, the student's
    :math:`s_u` and :math:`z_i`, whose product is its score, and the integrator's weights :math:`w_u^k`. :math:`P_k` and
    :math:`Q_k` are learned with the student and thrown away after it: a linear map each, or several experts, of which
    the teacher's vector selects (DE). Each error is divided by the mean squared length of such vectors of the teacher:
    its scale says nothing about its worth, and 1 is the error of an estimate of 0. An item that a teacher does not know
    adds nothing.

    Only for students whose scores are such products (sequence outputs, user and item embeddings), and for teachers that
    keep vectors. The candidates do not count but for the integrator.

    Source: Kang et al., "DE-RRD: A Knowledge Distillation Framework for Recommender System", CIKM 2020
    (arXiv:2012.04357), section 3.1 (Distillation Experts): several experts, one teacher, users and items; there each
    user and item of a batch counts once, here as often as it comes up. With one expert: Romero et al., "FitNets", ICLR
    2015 (arXiv:1412.6550), equation 3. The weights of teachers and the scales are ours.

    Args:
        of: whose vectors are estimated.
        experts: estimators a teacher and side. With 1 it is a linear map, without selection.
        first: temperature of the selection in the first epoch: experts are mixed.
        last: temperature after ``epochs`` epochs: near 0 one expert is taken. Between the two it falls exponentially.
        epochs: epochs of the fall.

    Terms: ``regression_rows``, ``regression_items``.

    Raises:
        ConfigError: a number is out of range.
    """

    citation: ClassVar[str] = (
        "@inproceedings{kang2020derrd, title={{DE-RRD}: A Knowledge Distillation Framework for Recommender System}, "
        "author={Kang, SeongKu and Hwang, Junyoung and Kweon, Wonbin and Yu, Hwanjo}, booktitle={CIKM}, year={2020}}"
    )
    compares: ClassVar[Literal["scores", "vectors"]] = "vectors"
    scales: Tensor

    def __init__(
        self,
        *,
        of: Literal["both", "rows", "items"] = "both",
        experts: int = 1,
        first: float = 1.0,
        last: float = 0.01,
        epochs: int = 20,
    ) -> None:
        super().__init__()
        if experts < 1 or epochs < 1:
            name, value = ("experts", experts) if experts < 1 else ("epochs", epochs)
            raise ConfigError(f"loss feature_regression: {name} must be 1 or more, not {value}")
        if not 0 < last <= first:
            raise ConfigError(
                f"loss feature_regression: last must be above 0 and at most first, not {last} with first {first}"
            )
        self.sides = _SIDES if of == "both" else (of,)
        self.experts, self.first, self.last, self.epochs = experts, first, last, epochs
        self.estimators = nn.ModuleDict()
        self.register_buffer("scales", torch.ones(0, 2))
        self._generator = torch.Generator()
        self.set_epoch(0)

    def bind_vectors(self, width: int, teachers: Sequence[VectorShape]) -> None:
        """Make the estimators; the random numbers of the student do not shift."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # not those of GPUs, which are not restored
            for side in self.sides:
                for k, teacher in enumerate(teachers):
                    self.estimators[f"{side}-{k}"] = Experts(width, teacher.width, self.experts)
        # A teacher all of whose vectors are 0 has no scale.
        self.scales = torch.tensor([[square or 1.0 for square in t.mean_squares] for t in teachers])

    def set_epoch(self, epoch: int) -> None:
        """Set the temperature, and the noise anew: a resumed run draws what the whole one would have."""
        self.temperature = self.first * (self.last / self.first) ** min(1.0, epoch / self.epochs)
        self._generator.manual_seed(epoch)

    def forward(self, student: Tensor, target: Target, mask: Tensor | None = None) -> dict[str, Tensor]:
        """Return ``{"regression_rows": [B], "regression_items": [B]}``, or the one that is asked for."""
        found = target.vectors
        if found is None or not self.estimators:
            raise ConfigError("loss feature_regression compares vectors: call bind_vectors, give targets some")
        own = in_float(student)
        terms = {}
        for side in self.sides:
            at, errors = _SIDES.index(side), []
            for k, vectors in enumerate(found.vectors):
                teacher = vectors[:, at].to(own)
                estimate = self.estimators[f"{side}-{k}"](own[:, at], teacher, self._gumbel(own), self.temperature)
                error = (teacher - estimate).square().sum(dim=-1) / self.scales[k, at]
                errors.append(target.weights[k] * error.masked_fill(~found.known[k, :, at], 0.0))
            terms[f"regression_{side}"] = torch.stack(errors).sum(dim=0)
        return terms

    def _gumbel(self, like: Tensor) -> Tensor:
        """Draw noise, without the student's random numbers; none for one expert."""
        drawn = torch.empty(len(like), self.experts if self.experts > 1 else 0)
        return -drawn.exponential_(generator=self._generator).log().to(like)
