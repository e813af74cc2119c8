from __future__ import annotations

import pytest
import torch

from ckd_plugins.distillation.candidates import InBatch
from ckd_plugins.errors import ConfigError

ROWS = torch.empty(0)
"""This source does not look at rows."""


def test_duplicated_targets_are_one_candidate():
    """Guards against false negatives: a row whose target is another row's target must not compete with itself."""
    targets = torch.tensor([5, 3, 5, 9, 3])
    chosen = InBatch().choose(ROWS, targets)
    assert sorted(chosen.items.tolist()) == [3, 5, 9]
    assert torch.equal(chosen.items[chosen.target], targets)
    assert chosen.mask is None


def test_the_limit_keeps_every_rows_own_target():
    """Guards against rows whose confidence is read at another item because their target was cut."""
    targets = torch.arange(1, 101)
    chosen = InBatch(limit=8).choose(ROWS, targets)
    assert chosen.items.shape == (100, 8)
    assert torch.equal(chosen.items.gather(1, chosen.target[:, None]).squeeze(1), targets)
    for row, allowed in zip(chosen.items, chosen.mask, strict=True):
        kept = row[allowed].tolist()
        assert len(set(kept)) == len(kept) >= 7


def test_the_limit_leaves_small_batches_alone():
    """Guards against per-row candidates (dear for most readers) where nothing needs cutting."""
    assert InBatch(limit=8).choose(ROWS, torch.tensor([1, 2, 2, 1])).items.shape == (2,)


def test_an_epoch_can_be_drawn_again():
    """Guards against a resumed run that sees other candidates than the whole run."""
    targets = torch.arange(1, 101)
    source = InBatch(limit=5, seed=3)
    source.set_epoch(4)
    first, second = source.choose(ROWS, targets).items, source.choose(ROWS, targets).items
    assert not torch.equal(first, second)
    source.set_epoch(4)
    assert torch.equal(source.choose(ROWS, targets).items, first)


def test_a_limit_of_1_is_refused():
    """Guards against a softmax over one candidate, whose loss is 0 for ever."""
    with pytest.raises(ConfigError, match="limit must be 2 or more"):
        InBatch(limit=1)


TOKENS = [None, *(f"{domain}/{i}" for i in range(20) for domain in ("toys", "tea/green", "tools"))]


def domain_of(item):
    return TOKENS[item].split("/")[0]


def of_own_domain(**options):
    source = InBatch(own_domain=True, **options)
    source.bind_tokens(TOKENS)
    return source


def test_only_items_of_the_own_domain_compete():
    """Guards against a softmax that is mostly about telling domains apart."""
    targets = torch.tensor([5, 3, 5, 9, 2, 1])
    chosen = of_own_domain().choose(ROWS, targets)
    assert sorted(chosen.items.tolist()) == [1, 2, 3, 5, 9]
    assert torch.equal(chosen.items[chosen.target], targets)
    for target, allowed in zip(targets.tolist(), chosen.mask, strict=True):
        wanted = {item for item in targets.tolist() if domain_of(item) == domain_of(target)}
        assert set(chosen.items[allowed].tolist()) == wanted


def test_the_limit_is_of_the_own_domain():
    """Guards against a subsample of all domains, of which hardly an item may be left for a row."""
    targets = torch.tensor([item for item in range(1, 61) if domain_of(item) != "tools" or item == 3])
    chosen = of_own_domain(limit=6).choose(ROWS, targets)
    assert chosen.items.shape == (len(targets), 6)
    assert torch.equal(chosen.items.gather(1, chosen.target[:, None]).squeeze(1), targets)
    for target, row, allowed in zip(targets.tolist(), chosen.items, chosen.mask, strict=True):
        kept = row[allowed].tolist()
        assert {domain_of(item) for item in kept} == {domain_of(target)}
        assert len(set(kept)) == len(kept)
        # A drawn item may be the own target, which is there already; of the tools there is one.
        assert len(kept) == 1 if domain_of(target) == "tools" else 5 <= len(kept) <= 6


def test_items_without_a_domain_are_refused():
    """Guards against every item as a domain of its own: nothing would be distilled."""
    with pytest.raises(ConfigError, match="own_domain needs items that are named domain/item, and one is named 'b7'"):
        InBatch(own_domain=True).bind_tokens([None, "toys/1", "b7"])
    InBatch().bind_tokens([None, "b7"])
    with pytest.raises(RuntimeError, match="bind_tokens"):
        InBatch(own_domain=True).choose(ROWS, torch.tensor([1]))
