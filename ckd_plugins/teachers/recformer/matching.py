"""A network with a catalogue's tokens and vectors: what fine-tuning trains, and what answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.errors import DataError
from ckd_plugins.teachers.losses import cosine_cross_entropy
from ckd_plugins.teachers.recformer.examples import Batch, Rows
from ckd_plugins.teachers.recformer.net import Net, widened
from ckd_plugins.teachers.recformer.tokens import ItemTokens, TokenBatch
from ckd_plugins.teachers.windows import only_known

__all__ = ["Matcher", "Reader", "sequences"]

Int64 = npt.NDArray[np.int64]

_ENCODED = 1 << 13  # tokens in one forward pass without gradients


class Reader(nn.Module):
    """A network and the tokens that it reads.

    Args:
        net: the network.
        tokens: of the catalogue.
        longest: tokens of a sequence at most.
        low_precision: compute in bfloat16 where torch's autocast holds it safe.
    """

    def __init__(self, net: Net, tokens: ItemTokens, longest: int, *, low_precision: bool) -> None:
        super().__init__()
        self.net, self.tokens, self.longest, self.low_precision = net, tokens, longest, low_precision

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self.net.embeddings.word_embeddings.weight.device

    def autocast(self) -> AbstractContextManager[object]:
        """Return what the network's passes run in."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.low_precision)

    def assemble(self, items: Int64) -> TokenBatch:
        """Return the tokens of sequences of items, ``[B, L]`` item index + 1, newest first, on the network's device."""
        shape = self.net.shape
        batch = self.tokens.assemble(
            items, begin=shape.begin, pad=shape.pad, longest=self.longest, multiple=shape.window or 1
        )
        return batch.to(self.device)

    def read(self, items: Int64, *, history: bool) -> Tensor:
        """Return a vector a sequence, ``[B, d]``."""
        with self.autocast():
            vectors = self.net.vectors(self.assemble(items), history=history)
        return widened(vectors)

    def encode(self, rows: Rows, *, history: bool) -> Tensor:
        """Return a vector of length 1 for each row, ``[R, d]``, without gradients; rows of like length share a pass."""
        vectors = self.net.embeddings.word_embeddings.weight.new_zeros(len(rows), self.net.shape.hidden_size)
        cost = rows.tokens(self.tokens.lengths, self.longest)
        training = self.training
        self.eval()
        with torch.no_grad():
            for batch in rows.batches(cost, _ENCODED):
                read = self.read(batch.items, history=history)
                vectors[torch.from_numpy(batch.row).to(self.device)] = F.normalize(read, dim=-1)
        self.train(training)
        return vectors


class Matcher(Reader):
    """A reader with a vector for each item; items without text have none, and nothing is predicted of them.

    Args:
        net: as for :class:`Reader`, with the others.
        tokens: see there.
        longest: see there.
        temperature: divides cosines.
        low_precision: see there.
    """

    def __init__(self, net: Net, tokens: ItemTokens, longest: int, temperature: float, *, low_precision: bool) -> None:
        super().__init__(net, tokens, longest, low_precision=low_precision)
        self.temperature = temperature
        self.known = np.flatnonzero(tokens.lengths > 0)
        self.table = nn.Parameter(torch.zeros(len(tokens), net.shape.hidden_size), requires_grad=False)

    def refresh(self) -> None:
        """Encode all items anew."""
        with torch.no_grad():
            known = torch.from_numpy(self.known).to(self.device)
            self.table[known] = self.encode(Rows.single(self.known), history=False)

    def loss(self, batch: Batch) -> Tensor:
        """Return the mean cross entropy of the targets over all items with text."""
        states = self.read(batch.items, history=True)
        table = self.table[torch.from_numpy(self.known).to(self.device)]
        target = torch.from_numpy(np.searchsorted(self.known, batch.target)).to(self.device)
        return cosine_cross_entropy(states, table, target, self.temperature)

    def batches(self, rows: Rows, batch_size: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield an epoch's batches of like length."""
        return rows.batches(rows.tokens(self.tokens.lengths, self.longest), batch_size, rng)


def sequences(offsets: Int64, flat: Int64, tokens: ItemTokens, where: str) -> tuple[Int64, Int64]:
    """Return users' sequences without items that have no text: bounds ``[U + 1]`` and items.

    Raises:
        DataError: if no user has two items left.
    """
    flat, start, stop = only_known(flat, offsets[:-1], offsets[1:], tokens.lengths[flat] > 0)
    if not ((stop - start) > 1).any():
        raise DataError(f"{where}: no user has two training interactions with item text, so there is nothing to learn")
    return np.concatenate([start, stop[-1:]]), flat
