from __future__ import annotations

import torch

from ckd_plugins.teachers.recformer.masking import mask_words
from ckd_plugins.teachers.recformer.tokens import BEGIN, PAD, VALUE, TokenBatch

MASK, WORDS = 4, torch.arange(100, 200)


def batch(rows: int = 400, words: int = 60) -> TokenBatch:
    """Rows of ``<s>``, words of two tokens (head and tail), and padding."""
    ids = torch.full((rows, 2 * words + 5), 0)
    kinds, heads = torch.full_like(ids, PAD), torch.zeros(ids.shape, dtype=torch.bool)
    ids[:, 0], kinds[:, 0] = 1, BEGIN
    text = slice(1, 2 * words + 1)
    ids[:, text] = torch.randint(100, 200, ids[:, text].shape)
    kinds[:, text] = VALUE
    heads[:, 1 : 2 * words + 1 : 2] = True
    return TokenBatch(ids, kinds, torch.zeros_like(ids), heads)


def test_shares_are_those_of_the_paper() -> None:
    """15% of words; of their tokens 80% masked, 10% random, 10% as they are."""
    torch.manual_seed(0)
    plain = batch()
    masked, chosen = mask_words(plain, 0.15, MASK, WORDS)
    text = plain.kinds == VALUE
    assert abs(float(chosen[text].float().mean()) - 0.15) < 0.005
    hidden = (masked.ids == MASK) & chosen
    kept = (masked.ids == plain.ids) & chosen
    assert abs(float(hidden.sum() / chosen.sum()) - 0.8) < 0.02
    # A random word of a hundred is the word itself once in a hundred times.
    assert abs(float(kept.sum() / chosen.sum()) - 0.101) < 0.015
    changed = masked.ids[chosen & ~hidden]
    assert bool(torch.isin(changed, WORDS).all())


def test_words_are_hidden_whole_and_nothing_else_is() -> None:
    """Half a word gives the other half away; a hidden ``<s>`` would be no sequence."""
    torch.manual_seed(0)
    plain = batch()
    masked, chosen = mask_words(plain, 0.15, MASK, WORDS)
    assert torch.equal(chosen[:, 1:121:2], chosen[:, 2:121:2])
    assert not chosen[plain.kinds != VALUE].any()
    assert torch.equal(masked.ids[~chosen], plain.ids[~chosen])
    assert masked.kinds is plain.kinds
    assert masked.positions is plain.positions
    assert plain.ids.max() >= 100
    assert not (plain.ids == MASK).any()


def test_all_or_nothing() -> None:
    """The ends of the share."""
    plain = batch(4)
    assert torch.equal(mask_words(plain, 1.0, MASK, WORDS)[1], plain.kinds == VALUE)
    assert not mask_words(plain, 0.0, MASK, WORDS)[1].any()
