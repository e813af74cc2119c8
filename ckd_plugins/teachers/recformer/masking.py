"""Whole-word masking: what the masked-language-model loss predicts."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ckd_plugins.teachers.recformer.tokens import BEGIN, TokenBatch

__all__ = ["mask_words"]

_MASKED, _RANDOM = 0.8, 0.1


def mask_words(batch: TokenBatch, share: float, mask: int, words: Tensor) -> tuple[TokenBatch, Tensor]:
    """Return the batch with some words hidden, and which tokens are to be predicted.

    Each word is chosen with probability ``share``, and with it all its tokens. Of these 80% become the mask token, 10%
    a random one, and 10% stay (Devlin et al., NAACL 2019), each token by a draw of its own. ``<s>`` and padding are
    never chosen.

    Args:
        batch: the sequences.
        share: probability of a word.
        mask: id of the mask token.
        words: ``[V]`` ids that random tokens are drawn from.

    Returns:
        The masked batch, and ``bool [B, T]``.
    """
    text = batch.real & (batch.kinds != BEGIN)
    word = (batch.heads & text).flatten().cumsum(0).view_as(batch.ids)
    lots = torch.rand(int(word.max()) + 1, device=batch.ids.device)
    chosen = text & (lots[word] < share)
    lot = torch.rand(batch.ids.shape, device=batch.ids.device)
    other = words[torch.randint(len(words), batch.ids.shape, device=batch.ids.device)]
    ids = torch.where(chosen & (lot < _MASKED), mask, batch.ids)
    ids = torch.where(chosen & (lot >= _MASKED) & (lot < _MASKED + _RANDOM), other, ids)
    return replace(batch, ids=ids), chosen
