"""The interface of a balance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

__all__ = ["Balance"]


class Balance(ABC):
    r"""How the student's own loss and the distillation share a step.

    .. math:: a\, \mathcal{L}_{\mathrm{own}} + b\, \lambda\, \mathcal{L}_{\mathrm{distillation}}

    with :math:`\lambda` = ``ckd.weight`` of the epoch. A balance says :math:`a` and :math:`b` before each batch, from
    what it saw of the batches before, and is shown the batch's two losses afterwards.

    What a balance learns is its own: it is no part of the student, of its optimizer or of a checkpoint, which stay
    those of the plain model.
    """

    citation: ClassVar[str] = ""
    """BibTeX of the source, for generated model cards."""

    @property
    def apart(self) -> bool:
        """Whether :meth:`see` needs the gradients of the next batch's two losses.

        The student's own softmax does not take soft targets along then: the two losses would be one number.
        """
        return False

    @abstractmethod
    def shares(self) -> tuple[float, float]:
        """Return :math:`a` and :math:`b` for the next batch, both above 0."""

    def see(  # noqa: B027 - a balance may look at nothing
        self, own: Tensor, distillation: Tensor, parameters: Sequence[Tensor]
    ) -> None:
        r"""Learn what came of a batch, before its gradients are computed.

        Args:
            own: scalar :math:`\mathcal{L}_{\mathrm{own}}`.
            distillation: scalar :math:`\mathcal{L}_{\mathrm{distillation}}`, without any weight.
            parameters: the student's. Where :attr:`apart` was true both losses can be differentiated by them, with
                ``retain_graph``; elsewhere only the losses' values are right.
        """
