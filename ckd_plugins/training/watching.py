"""The edges of an epoch: order and candidates are told the epoch, terms are logged, observers called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ckd_plugins.registry import Registry
from ckd_plugins.training.progress import Advance
from ckd_plugins.training.run import Run

__all__ = ["Watcher"]


class Watcher:
    """Ties a RecBole trainer's epochs to a run; an :class:`ckd_plugins.host.trainer.EpochWatcher`.

    Args:
        run: the run.
        registry: whose observers are told.
        handle: the attached student, or ``None`` in a plain run.
        sampler: has ``set_epoch``; ``None`` where RecBole's own order stands.
        objective: has ``set_epoch``; ``None`` in a plain run.
        advance: shows progress.
    """

    def __init__(
        self, run: Run, registry: Registry, handle: Any, sampler: Any, objective: Any, advance: Advance
    ) -> None:
        self._run, self._registry, self._handle = run, registry, handle
        self._sampler, self._objective, self._advance = sampler, objective, advance
        self._note = ""
        self._best: float | None = None
        self.better: Callable[[float, float], float] = max
        """Of two validations' scores; ``min`` for a metric that is better when it is small."""
        self._epoch, self._batches, self._batch = 0, 1, 0
        self.seconds: list[float] = []
        """Training seconds of each epoch, validation not counted."""
        self.history: list[dict[str, Any]] = []
        """Every epoch's logged terms."""
        self.write: Callable[[Mapping[str, float], int], None] | None = None
        """Gets an epoch's terms and its number as well: a trainer's TensorBoard, which is made after its watchers."""

    def before_epoch(self, epoch: int, train_data: Any) -> None:
        """Tell sampler and candidates which epoch begins.

        RecBole iterates some loaders several times an epoch, so neither may count for itself.
        """
        for part in (self._sampler, self._objective):
            if part is not None:
                part.set_epoch(epoch)
        self._epoch, self._batches, self._batch = epoch, max(1, len(train_data)), 0

    def after_batch(self) -> None:
        """Show progress within the epoch."""
        self._batch += 1
        # A loader that is iterated twice an epoch must not run past its end.
        self._advance(self._epoch + min(self._batch / self._batches, 1.0), self._note)

    def after_epoch(self, epoch: int, seconds: float, loss: float) -> None:
        """Log the epoch's terms."""
        self.seconds.append(seconds)
        terms: dict[str, float] = self._handle.pop_terms() if self._handle is not None else {}
        terms |= {"train_loss": loss, "seconds": seconds, "step_seconds": seconds / self._batches}
        if self._handle is not None and (distilling := self._handle.pop_seconds()) is not None:
            terms["distillation_seconds"] = distilling / self._batches
        if self._objective is not None:
            terms |= self._objective.settings()
        if self._sampler is not None:
            terms |= {"competence": float(self._sampler.competence), "rows": float(len(self._sampler))}
        terms.setdefault("loss", loss / self._batches)  # a mean like the other terms; RecBole's is a sum
        if self._objective is not None:  # of a weight of 0 nothing is computed that could log itself
            terms.setdefault("own_loss", terms["loss"])
            terms.setdefault("distillation_loss", 0.0)
        self.history.append({"epoch": epoch, **terms})
        self._run.log("epoch", epoch=epoch, **terms)
        if self.write is not None:
            self.write(terms, epoch)
        self._registry.notify("ckd_after_epoch", run=self._run, epoch=epoch, terms=terms)
        self._advance(epoch + 1, self._note)

    def after_validation(self, epoch: int, score: float, result: dict[str, float]) -> None:
        """Log the validation."""
        self._best = score if self._best is None else self.better(self._best, score)
        # The weights that are tested are the best ones': a last score alone would be read as theirs.
        self._note = f"valid {score:.4f}" if self._best == score else f"valid {score:.4f}, best {self._best:.4f}"
        if self.history and self.history[-1]["epoch"] == epoch:
            self.history[-1]["valid_score"] = score
        self._run.log("validation", epoch=epoch, score=score, result=result)
        self._advance(epoch + 1, self._note)
