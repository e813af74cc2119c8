"""Logits over the catalogue, as they enter the model's own softmax loss."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ckd_plugins.errors import StudentError
from ckd_plugins.students.readers.base import Catalogue, Reader, gather

__all__ = ["LossLogits"]


class LossLogits(Reader):
    """Takes ``[B, n_items]`` logits at the model's ``CrossEntropyLoss`` or ``NLLLoss`` (SASRec, GRU4Rec, ... with CE).

    A model may have several loss modules and call one on other things (contrastive terms of FEARec): the first input
    with a row for each of the batch and a column for each item counts.
    """

    name = "loss logits"
    softmax = True

    def __init__(self, model: Any, catalogue: Catalogue) -> None:
        super().__init__(model)
        self._n_items = catalogue.n_items
        self._inputs: list[Tensor] = []

    @classmethod
    def offered(cls, model: nn.Module, catalogue: Catalogue) -> Iterator[LossLogits]:
        """Yield a reader when the model has such a loss module."""
        if _loss_modules(model):
            yield cls(model, catalogue)

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Hook the loss modules."""
        self.forget()
        hooks = [module.register_forward_pre_hook(self._capture) for module in _loss_modules(self.model)]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _capture(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        logits = arguments[0] if arguments else None
        if isinstance(logits, Tensor) and logits.dim() == 2 and logits.shape[1] >= self._n_items:
            self._inputs.append(logits)

    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """Gather the candidates' logits."""
        for logits in self._inputs:
            if len(logits) == len(interaction):
                return gather(logits[positions], candidates)
        raise StudentError(
            f"{type(self.model).__name__}: no logits over the {self._n_items} items reached its loss on this batch"
        )

    def forget(self) -> None:
        """Drop the logits."""
        self._inputs = []


def _loss_modules(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, nn.CrossEntropyLoss | nn.NLLLoss)]
