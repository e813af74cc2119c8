from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.candidates import InBatch
from ckd_plugins.errors import ConfigError


def test_duplicated_targets_are_one_candidate():
    """Guards against false negatives: a row whose target is another row's target must not compete with itself."""
    targets = torch.tensor([5, 3, 5, 9, 3])
    chosen = InBatch()(targets)
    assert sorted(chosen.items.tolist()) == [3, 5, 9]
    assert torch.equal(chosen.items[chosen.target], targets)
    assert chosen.mask is None


def test_the_limit_keeps_every_rows_own_target():
    """Guards against rows whose confidence is read at another item because their target was cut."""
    targets = torch.arange(1, 101)
    chosen = InBatch(limit=8)(targets)
    assert chosen.items.shape == (100, 8)
    assert torch.equal(chosen.items.gather(1, chosen.target[:, None]).squeeze(1), targets)
    for row, allowed in zip(chosen.items, chosen.mask, strict=True):
        kept = row[allowed].tolist()
        assert len(set(kept)) == len(kept) >= 7


def test_the_limit_leaves_small_batches_alone():
    """Guards against per-row candidates (dear for most readers) where nothing needs cutting."""
    assert InBatch(limit=8)(torch.tensor([1, 2, 2, 1])).items.shape == (2,)


def test_an_epoch_can_be_drawn_again():
    """Guards against a resumed run that sees other candidates than the whole run."""
    targets = torch.arange(1, 101)
    source = InBatch(limit=5, seed=3)
    source.set_epoch(4)
    first, second = source(targets).items, source(targets).items
    assert not torch.equal(first, second)
    source.set_epoch(4)
    assert torch.equal(source(targets).items, first)


def test_a_limit_of_1_is_refused():
    """Guards against a softmax over one candidate, whose loss is 0 for ever."""
    with pytest.raises(ConfigError, match="limit must be 2 or more"):
        InBatch(limit=1)
