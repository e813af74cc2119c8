"""Items as tokens: each is tokenised once, and sequences are put together from what that gave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

__all__ = ["BEGIN", "KEY", "PAD", "VALUE", "ItemTokens", "TokenBatch", "tokenise"]

Int64 = npt.NDArray[np.int64]

BEGIN, KEY, VALUE, PAD = range(4)
"""Kinds of token, as Recformer numbers them: ``<s>``, an attribute's name, its value, padding."""

_NAMES = {"movie_title": "title", "name": "title", "categories": "category", "genres": "genre", "class": "genre"}
"""What columns are called in a text: the published model has seen title, brand and category."""


@dataclass(frozen=True)
class ItemTokens:
    """The tokens of a catalogue, one item after the other; an item without text has none."""

    ids: npt.NDArray[np.int32]
    """``[N]`` token ids."""
    kinds: npt.NDArray[np.uint8]
    """``[N]`` :data:`KEY` or :data:`VALUE`."""
    heads: npt.NDArray[np.bool_]
    """``[N]`` whether a token begins a word; the others continue it."""
    offsets: Int64
    """``[n + 1]`` bounds of each item's part."""

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64:
        """``[n]`` tokens of each item."""
        return np.diff(self.offsets)

    @classmethod
    def join(cls, parts: Sequence[ItemTokens]) -> ItemTokens:
        """Return the catalogues as one, in the given order."""
        shift = np.cumsum([0, *(len(p.ids) for p in parts)])
        offsets = [p.offsets[1:] + s for p, s in zip(parts, shift, strict=False)]
        joined = {f: np.concatenate([getattr(p, f) for p in parts]) for f in ("ids", "kinds", "heads")}
        return cls(**joined, offsets=np.concatenate([[0], *offsets]))

    def tensors(self) -> dict[str, Tensor]:
        """Return what to store; :meth:`from_tensors` takes it."""
        return {name: torch.from_numpy(values) for name, values in vars(self).items()}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, Tensor]) -> Self:
        """Return what :meth:`tensors` stored."""
        return cls(**{name: values.numpy() for name, values in tensors.items()})

    def assemble(self, items: Int64, *, begin: int, pad: int, longest: int, multiple: int = 1) -> TokenBatch:
        """Put sequences together: ``<s>``, then the items' tokens, until ``longest`` tokens are reached.

        Args:
            items: ``[B, L]`` item index + 1, newest first, right padded with 0.
            begin: id of ``<s>``.
            pad: id of padding.
            longest: tokens of a sequence at most; what comes last, the oldest, is cut.
            multiple: sequences are padded to a multiple of this.
        """
        index = np.maximum(items - 1, 0)
        length = np.where(items > 0, self.lengths[index], 0)
        first = 1 + np.cumsum(length, axis=1) - length
        kept = np.clip(longest - first, 0, length)
        width = -(-int((1 + kept.sum(axis=1)).max(initial=1)) // multiple) * multiple
        cell = np.repeat(np.arange(items.size), kept.ravel())
        within = np.arange(len(cell)) - np.repeat(np.cumsum(kept) - kept.ravel(), kept.ravel())
        source = self.offsets[index.ravel()[cell]] + within
        row, rank = np.divmod(cell, items.shape[1])
        column = first.ravel()[cell] + within
        ids, kinds = np.full((len(items), width), pad, np.int64), np.full((len(items), width), PAD, np.int64)
        positions, heads = np.zeros((len(items), width), np.int64), np.zeros((len(items), width), bool)
        ids[:, 0], kinds[:, 0] = begin, BEGIN
        ids[row, column], kinds[row, column] = self.ids[source], self.kinds[source]
        positions[row, column], heads[row, column] = rank + 1, self.heads[source]
        return TokenBatch(*map(torch.from_numpy, (ids, kinds, positions, heads)))


@dataclass(frozen=True)
class TokenBatch:
    """Sequences of tokens, right padded: all ``[B, T]``."""

    ids: Tensor
    kinds: Tensor
    """What kind of token: :data:`BEGIN`, :data:`KEY`, :data:`VALUE`, :data:`PAD`."""
    positions: Tensor
    """Which item a token belongs to, 1 for the newest; 0 for ``<s>`` and padding."""
    heads: Tensor
    """Whether a token begins a word."""

    @property
    def real(self) -> Tensor:
        """Whether a token is none of padding."""
        return self.kinds != PAD

    def to(self, device: str | torch.device) -> TokenBatch:
        """Return it on another device."""
        return TokenBatch(*(t.to(device) for t in vars(self).values()))


def tokenise(
    items: Sequence[Sequence[tuple[str, str]]], tokenizer: Any, *, attributes: int = 3, longest: int = 32
) -> ItemTokens:
    """Return the items' tokens: for each attribute its name and its value, without marks between them.

    Args:
        items: each item's attributes as (name, value).
        tokenizer: a transformers tokenizer.
        attributes: how many of an item's attributes are read, the first ones.
        longest: tokens of one attribute, its name included; the rest is cut.
    """
    pairs = [[(_NAMES.get(name, name), value) for name, value in item[:attributes]] for item in items]
    texts = list(dict.fromkeys(text for item in pairs for pair in item for text in pair))
    known = dict(zip(texts, _words(tokenizer, texts, longest), strict=True))
    ids: list[int] = []
    kinds: list[int] = []
    heads: list[bool] = []
    offsets = [0]
    for item in pairs:
        for name, value in item:
            (key, key_heads), (worth, worth_heads) = known[name], known[value]
            ids += (key + worth)[:longest]
            kinds += ([KEY] * len(key) + [VALUE] * len(worth))[:longest]
            heads += (key_heads + worth_heads)[:longest]
        offsets.append(len(ids))
    return ItemTokens(np.array(ids, np.int32), np.array(kinds, np.uint8), np.array(heads, bool), np.array(offsets))


def _words(tokenizer: Any, texts: list[str], longest: int) -> list[tuple[list[int], list[bool]]]:
    """Each text's token ids, and whether each begins a word."""
    if not texts:
        return []
    encoded = tokenizer(texts, add_special_tokens=False, truncation=True, max_length=longest)
    found = []
    for i, ids in enumerate(encoded["input_ids"]):
        words = encoded.word_ids(i) if tokenizer.is_fast else range(len(ids))
        found.append((list(ids), [k == 0 or words[k] != words[k - 1] for k in range(len(ids))]))
    return found
