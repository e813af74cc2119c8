from __future__ import annotations

from collections import Counter

import pytest
import torch

from ckd_plugins.distillation.candidates import Uniform
from ckd_plugins.errors import ConfigError

ROWS = torch.empty(0)
"""This source does not look at rows."""


def bound(n, n_items, seed=0):
    source = Uniform(n=n, seed=seed)
    source.bind(n_items, torch.ones(n_items))
    return source


def test_items_are_distinct_valid_and_hold_the_target():
    """Guards against the padding item as candidate, and against doubled items."""
    source = bound(10, 30)
    targets = torch.tensor([1, 29, 15])
    for _ in range(20):
        chosen = source.choose(ROWS, targets)
        assert chosen.items.shape == (3, 11)
        assert torch.equal(chosen.items[:, 0], targets)
        assert (chosen.target == 0).all()
        assert ((chosen.items >= 1) & (chosen.items < 30)).all()
        for row, allowed in zip(chosen.items, chosen.mask, strict=True):
            assert len(set(row[allowed].tolist())) == int(allowed.sum())


def test_every_item_comes_up_equally_often():
    """Guards against a deck that favours some items."""
    source = bound(7, 29)  # 28 items: four hands a deck
    seen = Counter()
    for _ in range(40):
        seen.update(source.choose(ROWS, torch.tensor([1])).items[0, 1:].tolist())
    assert set(seen.values()) == {10}
    assert set(seen) == set(range(1, 29))


def test_an_epoch_can_be_drawn_again():
    """Guards against a resumed run that sees other candidates than the whole run."""
    source = bound(5, 100, seed=1)
    source.set_epoch(2)
    first = source.choose(ROWS, torch.tensor([1])).items
    source.set_epoch(3)
    assert not torch.equal(source.choose(ROWS, torch.tensor([1])).items, first)
    source.set_epoch(2)
    assert torch.equal(source.choose(ROWS, torch.tensor([1])).items, first)


def test_more_than_the_catalogue_is_refused():
    """Guards against an endless or short draw."""
    with pytest.raises(ConfigError, match="exceeds the catalogue's 9 items"):
        bound(10, 10)
    with pytest.raises(ConfigError, match="n must be 1 or more"):
        Uniform(n=0)


def test_an_unbound_source_says_so():
    """Guards against drawing from a catalogue of size 0."""
    with pytest.raises(RuntimeError, match="bind"):
        Uniform(n=3).choose(ROWS, torch.tensor([1]))
