"""The model's own scoring of the whole catalogue, on the encoding that its loss has just made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from ckd_plugins.errors import StudentError
from ckd_plugins.host.state import forked_rng, override, without_caches
from ckd_plugins.students.families import full_sort_is_own
from ckd_plugins.students.readers.base import Catalogue, Link, gather, invert
from ckd_plugins.students.readers.forward import ForwardReader

__all__ = ["Replay"]


class Replay(ForwardReader):
    """Calls ``full_sort_predict`` with ``forward`` replaced by what it returned a moment ago.

    The encoder runs once; what the model does with its output (a bias, a norm, a temperature, an activation) is the
    model's own code. Autoencoders (their reconstruction), KSR, NPE, TransRec, MCCLK read this way.

    Args:
        model: the model instance.
        link: how the predictions follow from raw scores; undone here.
    """

    name = "replayed forward"

    def __init__(self, model: Any, link: Link = "identity") -> None:
        super().__init__(model)
        self.link = link
        self._served = 0

    @classmethod
    def offered(cls, model: nn.Module, catalogue: Catalogue, link: Link) -> Iterator[Replay]:
        """Yield a reader when the model ranks by a method of its own."""
        if full_sort_is_own(model):
            yield cls(model, link)

    def scores(self, interaction: Any, positions: slice | Tensor, candidates: Tensor) -> Tensor:
        """Score the whole batch over all items, and gather."""
        model = self.model
        self._served = 0
        with without_caches(model), forked_rng(model), override(model, "forward", self._serve):
            full = model.full_sort_predict(interaction)
        if self._served == 0:
            raise StudentError(f"{type(model).__name__}: full_sort_predict does not go through forward")
        full = full.reshape(len(interaction), -1)
        return invert(gather(full[positions], candidates), self.link)

    def _serve(self, *args: Any, **kwargs: Any) -> Any:
        arguments = (*args, *kwargs.values())
        # The loss and full_sort_predict take their arguments from one batch, mostly as the very same tensors; where
        # they make them anew (a rating matrix), shapes must do, and the probe has compared the scores.
        same = next((c for c in self._calls if c.is_of(arguments)), None)
        call = same or next((c for c in self._calls if c.is_like(arguments)), None)
        if call is not None:
            self._served += 1
            return call.output
        raise StudentError(f"{type(self.model).__name__}: its loss did not call forward as full_sort_predict does")
