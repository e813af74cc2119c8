"""Teachers that join one after the other, the one that is easiest for the student first."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor

from ckd_plugins.distillation.numerics import masked_log_softmax
from ckd_plugins.distillation.reading import Reading

__all__ = ["TeacherPace", "divergences"]


class TeacherPace:
    """Says which teachers are listened to.

    In each epoch ``ceil(competence * K)`` of the ``K`` teachers are. Where a place is free, the teacher that comes next
    takes it in the epoch's first batch and keeps it: by ``divergence`` the one that is nearest to what the student
    holds by then, on that batch. A student without training holds all items equally likely, so that the first one is
    the teacher that is least sure.

    Source: the idea is of Kang et al., "Distillation from Heterogeneous Models for Top-K Recommendation" (HetComp), WWW
    2023: knowledge that grows harder as the student can follow. There it goes through the states of one teacher's
    training, chosen by ranking discrepancy; whole teachers, the divergence and the number by a schedule are of this
    package.

    Args:
        names: the teachers'.
        competence: epoch, from 0, to the share of teachers, above 0 and at most 1.
        by: how the next one is found; ``listed`` is the order of the names.
    """

    def __init__(
        self, names: Sequence[str], competence: Callable[[int], float], by: Literal["divergence", "listed"]
    ) -> None:
        self.names, self.by = tuple(names), by
        self._competence = competence
        self.joined: list[str] = []
        """The teachers that are listened to, in the order in which they came."""
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        """Set the number of places for ``epoch``."""
        # A competence of 0.66666666666666663 of 3 teachers is 2; and one is the least.
        wanted = math.ceil(self._competence(epoch) * len(self.names) - 1e-9)
        self.places = min(max(wanted, 1), len(self.names))

    @property
    def free(self) -> bool:
        """Whether somebody may join."""
        return len(self.joined) < self.places

    @property
    def active(self) -> list[bool]:
        """Whether each teacher is listened to, in the order of the names."""
        return [name in self.joined for name in self.names]

    def admit(self, measure: Callable[[], Tensor]) -> None:
        """Fill the free places.

        Args:
            measure: gives each teacher's divergence ``[K]``, infinite where it knows none of the rows: such a one waits
                for the next batch. Called where the order depends on it.
        """
        if not self.free:
            return
        # All are in by the end; there is nothing to choose where everybody who waits may come.
        chooses = self.by == "divergence" and self.places < len(self.names)
        distance = measure().tolist() if chooses else list(range(len(self.names)))
        waiting = sorted(
            (far, at) for at, far in enumerate(distance) if self.names[at] not in self.joined and far < math.inf
        )
        self.joined += [self.names[at] for _, at in waiting[: self.places - len(self.joined)]]


@torch.no_grad()
def divergences(reading: Reading, student: Tensor) -> Tensor:
    r"""Return how far each teacher is from the student.

    .. math:: d_k = \frac{1}{|B_k|} \sum_{u \in B_k} \mathrm{KL}(p_u^k \,\Vert\, q_u)

    over the rows :math:`B_k` that the teacher knows and the candidates that it knows there, with both softmaxes'
    temperatures as in the teachers' integration and 1 for the student.

    Args:
        reading: what the teachers say.
        student: ``[B, C]`` raw scores.

    Returns:
        ``[K]`` in nats; infinite where a teacher knows none of the rows.
    """
    found = []
    for k, known in enumerate(reading.known):
        mask = None if reading.mask is None else reading.mask[k].expand(student.shape)[known]
        log_p = masked_log_softmax(reading.logits[k][known], mask)
        log_q = masked_log_softmax(student[known].to(log_p), mask)
        rows = (log_p.exp() * (log_p - log_q)).sum(dim=1)
        found.append(rows.mean() if len(rows) else rows.new_tensor(math.inf))
    return torch.stack(found)
