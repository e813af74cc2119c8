"""VQ-Rec: item texts as codes, codes as learned vectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.errors import ConfigError
from ckd_plugins.teachers.features import padded
from ckd_plugins.teachers.losses import in_batch_contrastive
from ckd_plugins.teachers.nets.sequence import SequenceModel, Shape
from ckd_plugins.teachers.pretraining import in_batch
from ckd_plugins.teachers.quantise import Codebook, fit_codebook
from ckd_plugins.teachers.text_teacher import TextTeacher
from ckd_plugins.teachers.windows import Batch, Windows

__all__ = ["VQRec"]

Float32 = npt.NDArray[np.float32]


class VQRecModel(SequenceModel):
    """The network: an item's vector is the mean of its codes' vectors.

    Row ``digit * (size + 1) + 1 + code`` of ``pq_code_embedding`` belongs to a code, as in the published program, whose
    rows in between are padding. ``pq_codes`` holds the catalogue's codes with the padding item in row 0, ``rotation``
    and ``centroids`` the codebook.
    """

    per_item = ("pq_codes",)

    def __init__(self, shape: Shape, codebook: Codebook, codes: Tensor | None) -> None:
        super().__init__(shape)
        digits, self.size, _ = codebook.centroids.shape
        self.pq_code_embedding = nn.Embedding(digits * (self.size + 1), shape.hidden_size, padding_idx=0)
        self.initialise()
        self.register_buffer("pq_codes", codes)
        self.register_buffer("rotation", torch.from_numpy(codebook.rotation))
        self.register_buffer("centroids", torch.from_numpy(codebook.centroids))

    @property
    def inputs(self) -> Tensor:
        """Codes ``int64 [n + 1, digits]``, as rows of the embedding."""
        codes: Tensor = self.get_buffer("pq_codes")
        return codes

    def item_vectors(self, inputs: Tensor, *, identified: bool = False) -> Tensor:
        """See :meth:`SequenceModel.item_vectors`."""
        return F.embedding_bag(inputs, self.pq_code_embedding.weight, mode="mean")


@dataclass(kw_only=True, eq=False)
class VQRec(TextTeacher):
    """VQ-Rec (Hou et al., "Learning Vector-Quantized Item Representation for Transferable Recommenders", WWW 2023).

    Text vectors are product-quantised; an item is the mean of its codes' learned vectors, so text decides which items
    share what, and no more. Pre-training contrasts a sequence with its next item; negatives are the batch's other
    targets, of all domains, and for each row one semi-synthetic item whose codes are in part drawn anew.

    Two things differ from the published program. The sequence encoder is a GRU by default
    (``sequence_encoder="transformer"`` is theirs), which is stronger on Amazon Office and keeps this teacher unlike
    UniSRec. And fine-tuning after pre-training applies the pre-training's codebook to the new domain, so that a code
    means the same in both, where theirs fits another codebook and searches a permutation of the codes. (Their
    permutation is rounded up by ``ceil``, whose gradient is 0, so it stays where it started.)
    """

    name: ClassVar[str] = "vqrec"
    settled: ClassVar[tuple[str, ...]] = (*TextTeacher.settled, "sequence_encoder", "digits", "code_size", "rotations")

    sequence_encoder: Literal["transformer", "gru"] = "gru"
    hidden_size: int = 128
    n_layers: int = 1
    n_heads: int = 2
    """Of the transformer."""
    inner_size: int = 256
    """Of the feed-forward layers, or the recurrent state."""
    dropout: float = 0.3
    attention_dropout: float = 0.3
    """Of the transformer."""
    projection: bool = True
    """A linear layer after the transformer (:class:`SequenceModel` says why); ``False`` as published."""
    digits: int = 32
    """Codes of an item; they divide the text vectors' size."""
    code_size: int = 256
    """Values of a code; a catalogue with fewer items has as many as items."""
    rotations: int = 8
    """Rounds of the search for the rotation before quantisation; 0 for none."""
    fake_share: float = 0.75
    """Share of a semi-synthetic negative's codes that are drawn anew; 0 for no such negatives."""
    published_negatives: bool = False
    """Count rows with the same target as the published code does (:func:`in_batch_contrastive`)."""

    _codebook: Codebook | None = field(init=False, default=None, repr=False)

    def _inputs(self, texts: Float32, *, pretraining: bool) -> Tensor:
        if self._codebook is None or not self.pretrained_on:
            if texts.shape[1] % self.digits:
                raise ConfigError(f"vqrec: digits {self.digits} must divide the text vectors' size {texts.shape[1]}")
            self._codebook = fit_codebook(texts, self.digits, self.code_size, rotations=self.rotations, seed=self.seed)
        codes = self._codebook.codes(texts) + 1 + np.arange(self.digits) * (self._codebook.centroids.shape[1] + 1)
        return padded(codes)

    def _network(self, inputs: Tensor, *, catalogue: bool) -> VQRecModel:
        return VQRecModel(self._shape(self.sequence_encoder), self._fitted(), inputs if catalogue else None)

    def _pretrain_loss(self, model: SequenceModel, inputs: Tensor, batch: Batch, windows: Windows) -> Tensor:
        seen = in_batch(batch, windows, self.device)
        codes = inputs[seen.present]
        table = model.item_vectors(codes)
        states = model.states(F.embedding(seen.items, table))[seen.row, seen.column]
        fake = model.item_vectors(self._disturbed(codes[seen.target])) if self.fake_share else None
        return in_batch_contrastive(
            states, table[seen.target], seen.target, self.temperature, published=self.published_negatives, extra=fake
        )

    def _disturbed(self, codes: Tensor) -> Tensor:
        """The codes of items that do not exist: some digits drawn anew."""
        size = self._fitted().centroids.shape[1]
        base = 1 + torch.arange(codes.shape[1], device=codes.device) * (size + 1)
        drawn = base + torch.randint(size, codes.shape, device=codes.device)
        return torch.where(torch.rand(codes.shape, device=codes.device) < self.fake_share, drawn, codes)

    def _fitted(self) -> Codebook:
        assert self._codebook is not None, "the inputs are made before the network"
        return self._codebook

    def _restore(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self._codebook = Codebook(weights["rotation"].numpy(), weights["centroids"].numpy())
        super()._restore(config, weights)

    def _empty(self, weights: dict[str, Tensor]) -> VQRecModel:
        return self._network(weights["pq_codes"], catalogue=True)
