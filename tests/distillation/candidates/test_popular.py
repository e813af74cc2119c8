from __future__ import annotations

from collections import Counter
from itertools import permutations

import pytest
import torch

from ckd_plugins.distillation.candidates import Popular
from ckd_plugins.errors import ConfigError

ROWS = torch.empty(0)
"""This source does not look at rows."""


def bound(popularity, **options):
    source = Popular(**options)
    source.bind(len(popularity), torch.tensor(popularity))
    return source


def inclusion(weights, n):
    """Probability of each item to be among ``n`` that are drawn one after the other without replacement."""
    found = dict.fromkeys(weights, 0.0)
    for drawn in permutations(weights, n):
        chance, left = 1.0, sum(weights.values())
        for item in drawn:
            chance, left = chance * weights[item] / left, left - weights[item]
        for item in drawn:
            found[item] += chance
    return found


@pytest.mark.parametrize("alpha", [0.0, 0.75, 2.0])
def test_items_are_drawn_by_popularity_without_replacement(alpha):
    """Guards against a power that is lost, and against keys that draw by something like the weights."""
    popularity = [0, 1, 2, 8, 40]
    source, draws = bound(popularity, n=2, alpha=alpha), 8000
    seen = Counter()
    for _ in range(draws):
        seen.update(source.choose(ROWS, torch.tensor([1])).items[0, 1:].tolist())
    for item, wanted in inclusion({i: popularity[i] ** alpha for i in range(1, 5)}, 2).items():
        spread = (wanted * (1 - wanted) / draws) ** 0.5
        assert abs(seen[item] / draws - wanted) < 4.5 * spread + 1e-9, item


def test_items_are_distinct_valid_and_hold_the_target():
    """Guards against the padding item, items that nobody chose, and doubled ones."""
    source = bound([5, 3, 0, *range(1, 30)], n=10)
    targets = torch.tensor([1, 2, 15])
    for _ in range(20):
        chosen = source.choose(ROWS, targets)
        assert chosen.items.shape == (3, 11)
        assert torch.equal(chosen.items[:, 0], targets)
        assert (chosen.target == 0).all()
        drawn = chosen.items[:, 1:]
        assert ((drawn >= 1) & (drawn != 2)).all()
        for row, allowed in zip(chosen.items, chosen.mask, strict=True):
            assert len(set(row[allowed].tolist())) == int(allowed.sum())


def test_a_huge_power_draws_the_most_popular():
    """Guards against weights that overflow, or vanish and draw nothing."""
    drawn = bound([0, 10, 30, 20, 40], n=2, alpha=1e4).choose(ROWS, torch.tensor([1])).items[0, 1:]
    assert sorted(drawn.tolist()) == [2, 4]


def test_an_epoch_can_be_drawn_again():
    """Guards against a resumed run that sees other candidates than the whole run, and against epochs alike."""
    source, targets = bound([0, *range(1, 50)], n=10, seed=3), torch.tensor([1])
    source.set_epoch(4)
    first, second = source.choose(ROWS, targets).items, source.choose(ROWS, targets).items
    assert not torch.equal(first, second)
    source.set_epoch(4)
    assert torch.equal(source.choose(ROWS, targets).items, first)
    source.set_epoch(5)
    assert not torch.equal(source.choose(ROWS, targets).items, first)


def test_impossible_numbers_are_refused():
    """Guards against an error of torch's about a tensor that no user has heard of."""
    with pytest.raises(ConfigError, match="n must be 1 or more"):
        Popular(n=0)
    with pytest.raises(ConfigError, match="alpha must be 0 or more, not -1"):
        Popular(alpha=-1.0)
    with pytest.raises(ConfigError, match="n = 3 exceeds the 2 items that have interactions"):
        bound([0, 4, 0, 1], n=3)
    with pytest.raises(RuntimeError, match="bind"):
        Popular().choose(ROWS, torch.tensor([1]))
