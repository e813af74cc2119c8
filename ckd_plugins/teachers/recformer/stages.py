"""Two-stage fine-tuning: first the item vectors follow the network, then they stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import torch

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
    learn_items: bool = False
    """Let the second stage train the item vectors too."""

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
        table, best = matcher.table.detach().clone(), -1.0

        def fresh() -> Iterable[Batch]:
            matcher.refresh()
            return batches()

        def judge() -> float:
            nonlocal table, best
            score = validate() if validate is not None else 0.0
            if score > best:
                table, best = matcher.table.detach().clone(), score
            return score

        history = fit(matcher, fresh, matcher.loss, first, validate=judge if validate else None, progress=progress)
        if not history.best:
            matcher.refresh()
        elif validate is not None:
            _put(matcher, {"table": table})
        late = self.schedule.max_seconds is not None and history.seconds >= self.schedule.max_seconds
        if not self.second or late:
            return history
        kept = {name: p.detach().clone() for name, p in matcher.named_parameters()}
        schedule = replace(self._part(self.second, steps, history.seconds), patience=self.second_patience)
        done, seconds = len(history.epochs), history.seconds

        def shifted(epoch: Epoch) -> Epoch:
            return replace(epoch, number=epoch.number + done, seconds=epoch.seconds + seconds)

        matcher.table.requires_grad_(self.learn_items)
        try:
            second = fit(
                matcher,
                batches,
                matcher.loss,
                schedule,
                validate=validate,
                progress=None if progress is None else lambda epoch: progress(shifted(epoch)),
            )
        finally:
            matcher.table.requires_grad_(False)
        history.epochs += map(shifted, second.epochs)
        history.stopped = second.stopped
        if second.valid is None or second.valid > (history.valid or 0.0):
            history.best = done + second.best
        else:
            _put(matcher, kept)
        return history

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
