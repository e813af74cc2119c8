"""Two-stage fine-tuning: first the item vectors follow the network, then they stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from ckd_plugins.teachers.fitting import Schedule, fit
from ckd_plugins.teachers.history import Epoch, History, Progress
from ckd_plugins.teachers.recformer.examples import Batch
from ckd_plugins.teachers.recformer.matching import Matcher

__all__ = ["Stages"]


@dataclass(frozen=True)
class Stages:
    """The two stages of Recformer's fine-tuning.

    The first encodes all items before each epoch and trains the network against these vectors, which get no gradient;
    the best epoch's weights are kept with the vectors that they were trained against. The second goes on from both and
    leaves the item vectors as they are. It is kept if it is better. In the published program the learning rate of the
    second stage goes on falling where the first one ended, possibly at 0; here each stage has a decay of its own.
    """

    schedule: Schedule
    """Of both stages: epochs, seconds and patience of the first one."""
    second: int
    """How many of the epochs are the second stage's."""
    second_patience: int
    item_rate: float = 0.0
    """How many times faster than the network the second stage trains the item vectors; 0: not at all."""

    def run(
        self,
        matcher: Matcher,
        batches: Callable[[], Iterable[Batch]],
        steps: int,
        validate: Callable[[], float] | None,
        progress: Progress | None,
    ) -> History:
        """Train the matcher, and leave it with the best weights and item vectors.

        Args:
            matcher: what is trained.
            batches: gives an epoch's batches.
            steps: how many these are.
            validate: gives a score, higher is better.
            progress: told of each epoch.
        """
        total = self.schedule.epochs
        first = self._part(total - self.second, steps, 0.0)
        history = History()

        def fresh() -> Iterable[Batch]:
            matcher.refresh()
            return batches()

        def stage(source: Callable[[], Iterable[Batch]], schedule: Schedule, along: tuple[str, ...] = ()) -> History:
            """Train one stage, whose epochs come after those that were before."""
            done, spent = len(history.epochs), history.seconds

            def placed(epoch: Epoch) -> Epoch:
                return replace(epoch, number=epoch.number + done, of=total, seconds=epoch.seconds + spent)

            report = None if progress is None else lambda epoch: progress(placed(epoch))
            found = fit(matcher, source, matcher.loss, schedule, validate=validate, progress=report, along=along)
            return replace(found, epochs=[placed(e) for e in found.epochs], best=found.best + done if found.best else 0)

        history = stage(fresh, first, along=("table",))
        if not history.best:
            matcher.refresh()
        limit = self.schedule.max_seconds
        if not self.second or (limit is not None and history.seconds >= limit):
            return history
        kept = {name: p.detach().clone() for name, p in matcher.named_parameters()}
        schedule = replace(self._part(self.second, steps, history.seconds), patience=self.second_patience)
        if self.item_rate:
            # Adam's steps do not depend on the gradient's size, nor cosines on a vector's length: short ones turn fast.
            matcher.table.data.div_(self.item_rate)
            matcher.table.requires_grad_(True)
        try:
            second = stage(batches, schedule)
        finally:
            matcher.table.requires_grad_(False)
            matcher.table.data.copy_(F.normalize(matcher.table, dim=-1))
        whole = replace(second, epochs=history.epochs + second.epochs)
        if whole.valid is None or whole.valid > (history.valid or 0.0):
            return whole
        _put(matcher, kept)
        return replace(whole, best=history.best)

    def _part(self, epochs: int, steps: int, spent: float) -> Schedule:
        seconds = self.schedule.max_seconds
        if seconds is not None:
            share = epochs / max(1, self.schedule.epochs)
            seconds = seconds - spent if spent else seconds * share
        return replace(self.schedule, epochs=epochs, steps=steps * epochs, max_seconds=seconds)


def _put(matcher: Matcher, values: dict[str, torch.Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in matcher.named_parameters():
            if name in values:
                parameter.copy_(values[name])
