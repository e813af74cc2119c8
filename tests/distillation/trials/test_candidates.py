"""A candidate source that breaks its contract is named before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.distillation import Candidates, CandidateSource
from ckd_plugins.distillation.trials import require_source, try_candidates
from ckd_plugins.errors import PluginError
from ckd_plugins.registry import Registry

TARGETS = torch.tensor([3, 1, 3, 7])


class Chooses(CandidateSource):
    def __init__(self, choice: Callable[[Tensor], Any]) -> None:
        self.choice = choice

    def choose(self, rows: Tensor, targets: Tensor) -> Any:
        return self.choice(targets)


def catalogue(targets: Tensor) -> Candidates:
    return Candidates(torch.arange(1, 10), targets - 1)


def beside(targets: Tensor, *items: int, mask: Tensor | None = None) -> Candidates:
    every = torch.cat([targets[:, None], torch.tensor(items).expand(len(targets), -1)], dim=1)
    return Candidates(every, torch.zeros_like(targets), mask)


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (lambda t: t, "gives a Tensor, not ckd_plugins.distillation.Candidates"),
        (lambda t: 1 / 0, "fails on a batch of 4 rows: ZeroDivisionError"),
        (lambda t: beside(t, 10), "gives item 10; ids are 1 to 9"),
        (lambda t: beside(t, 0), "gives item 0; ids are 1 to 9"),
        (lambda t: beside(t, 8, 8), "the same item twice"),
        (lambda t: beside(t, 3), "the same item twice"),
        (lambda t: Candidates(torch.arange(1, 10), t), "a column as a row's target that holds another item"),
        (lambda t: Candidates(torch.arange(1, 10), t + 8), "a row's target into column 15 of 9"),
        (lambda t: Candidates(torch.arange(1, 10).float(), t - 1), "gives items of shape (9,); int64"),
        (lambda t: Candidates(torch.arange(1, 10), torch.tensor([0])), "gives target columns of shape (1,)"),
        (lambda t: beside(t, 8, mask=torch.ones(2, dtype=torch.bool)), "gives a mask of shape (2,)"),
        (lambda t: beside(t, int(torch.randint(8, 9, ()))), "draws from torch's own random numbers"),
    ],
)
def test_a_source_that_chooses_wrongly_is_told(choice: Any, says: str) -> None:
    """Items that came twice counted double, and padding was scored, without a word; ids beyond the end were a crash."""
    with pytest.raises(PluginError) as caught:
        try_candidates(Chooses(choice), 10, TARGETS)
    assert says in str(caught.value)


def test_what_is_no_source_is_told() -> None:
    """It failed where it was bound, by a name that the plugin's author did not write."""
    with pytest.raises(PluginError, match="is a object, not a"):
        require_source(object())


def test_what_is_masked_may_come_again() -> None:
    """The package's own sources mask a shared item that is the row's own target."""
    try_candidates(Chooses(lambda t: beside(t, 3, mask=torch.stack([t > 0, t != 3], dim=1))), 10, TARGETS)


@pytest.mark.parametrize("name", ["full", "in_batch", "popular", "uniform"])
def test_what_the_package_has_passes(name: str) -> None:
    """A check that refuses what is right is worse than none."""
    source = (
        Registry(discover=False).get("candidates", name).load()(**({"n": 5} if name in ("popular", "uniform") else {}))
    )
    source.bind(10, torch.arange(10))
    source.bind_tokens([None, *map(str, range(1, 10))])
    try_candidates(source, 10, TARGETS)
