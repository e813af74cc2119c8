"""What the teachers jointly hold of every training row, integrated once: a list of likely items and a weight."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ckd_plugins.distillation.integrators.base import Integrator
from ckd_plugins.distillation.integrators.measures import normalize_gate, taught_rows
from ckd_plugins.distillation.reading import over_catalogue
from ckd_plugins.distillation.target import Target

if TYPE_CHECKING:
    from ckd_plugins.signals.base import Signal

__all__ = ["SoftBatch", "SoftTargets", "integrate"]


@dataclass(frozen=True)
class SoftBatch:
    """The soft targets of a batch's ``B`` rows."""

    ids: Tensor
    """int64 ``[B, m]`` item ids; 0, the padding, where a list is shorter."""
    probs: Tensor
    """float32 ``[B, m]``; sums to 1 in rows that some teacher knows, 0 elsewhere and for padding."""
    entropy: Tensor
    """``[B]`` in nats, of :attr:`probs`."""
    known: Tensor
    """bool ``[K, B]``."""
    target: Target
    """Gate (mean 1 over the known rows of this batch), weights and measures; its distribution is left empty."""

    @property
    def gate(self) -> Tensor:
        """``[B]``."""
        return self.target.gate


@dataclass(frozen=True)
class SoftTargets:
    r"""The integrated distribution of each of ``R`` training rows over the catalogue, cut to its ``m`` likeliest items.

    What teachers hold of a row does not change while the student learns. So it can be integrated once, over all items
    instead of a batch's candidates, and kept: 600 bytes a row for ``m = 100``, however many teachers there are. The
    kept probabilities are scaled to sum to 1; what was left out is :attr:`mass`'s complement.

    Source: soft targets, Hinton, Vinyals & Dean 2015 (arXiv:1503.02531); keeping a few of them for each example,
    Anshumann et al., "Sparse Logit Sampling", ACL 2025 (arXiv:2503.16870), who also say what cutting biases.
    """

    ids: Tensor
    """int32 ``[R, m]``, 0 where a list is shorter."""
    probs: Tensor
    """float16 ``[R, m]``."""
    gate: Tensor
    """float32 ``[R]``, not normalised; 0 where no teacher knows the row."""
    mass: Tensor
    """float32 ``[R]`` probability of the listed items before scaling."""
    known: Tensor
    """bool ``[R, K]``."""
    measures: Tensor
    """float32 ``[R, 3, K]``: each teacher's weight, confidence and consistency."""

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.ids)

    def at(self, rows: Tensor) -> SoftBatch:
        """Return the soft targets of ``rows`` (int64 ``[B]``), on their device."""
        at, device = rows.to("cpu"), rows.device
        probs = self.probs.index_select(0, at).to(device).float()
        known = self.known.index_select(0, at).to(device).T
        weights, confidence, consistency = self.measures.index_select(0, at).to(device).permute(1, 2, 0)
        gate = normalize_gate(self.gate.index_select(0, at).to(device), taught_rows(weights))
        return SoftBatch(
            ids=self.ids.index_select(0, at).to(device, torch.int64),
            probs=probs,
            # The clamped logarithm of what is not listed meets a probability of 0.
            entropy=-(probs * probs.clamp_min(torch.finfo(probs.dtype).tiny).log()).sum(dim=1),
            known=known,
            target=Target(probs.new_empty(0), gate, weights, confidence, consistency),
        )


@torch.no_grad()
def integrate(
    signals: Sequence[Signal], integrator: Integrator, targets: Tensor, n_items: int, top: int
) -> Iterator[dict[str, Tensor]]:
    """Yield the columns of :class:`SoftTargets` for consecutive blocks of rows.

    Args:
        signals: what the teachers know; row ids are ``0 .. R - 1``.
        integrator: a bound one.
        targets: int64 ``[R]`` the rows' item ids.
        n_items: number of item ids, padding included.
        top: length of the lists; fewer where the catalogue is smaller.
    """
    for _, reading in over_catalogue(signals, targets, n_items):
        target = integrator.integrate(reading.logits, reading.known, reading.target, reading.mask)
        row_known = reading.known.any(dim=0)
        log_probs, column = target.log_probs.topk(min(top, n_items - 1), dim=1)
        probs = log_probs.exp().masked_fill(~row_known[:, None], 0.0)
        mass = probs.sum(dim=1)
        probs /= mass.clamp_min(torch.finfo(probs.dtype).tiny)[:, None]
        yield {
            "ids": (column + 1).masked_fill_(probs == 0, 0).to(torch.int32),
            "probs": probs.half(),
            "gate": target.gate.float(),
            "mass": mass,
            "known": reading.known.T.contiguous(),
            "measures": torch.stack([target.weights, target.confidence, target.consistency]).permute(2, 0, 1).float(),
        }
