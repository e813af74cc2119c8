"""The network of UniM²Rec: an adaptor for each modality, a gate between them, one sequence encoder."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from ckd_plugins.teachers.nets.adaptor import MoEAdaptor
from ckd_plugins.teachers.nets.fusion import GatedFusion
from ckd_plugins.teachers.nets.sequence import SequenceModel, Shape, frozen_embedding

__all__ = ["UniM2RecModel"]


class UniM2RecModel(SequenceModel):
    """The network; an item comes in as its text vector followed by its image vector, zeros for what it lacks.

    ``content_embedding`` (these inputs, never trained) and ``item_embedding`` belong to a catalogue; row 0 is padding.

    Args:
        shape: of the sequence encoder.
        sizes: of text and image vectors; an image size of 0 leaves the image adaptor out.
        n_experts: of each adaptor.
        dropout: of the adaptors' inputs.
        content: ``[n + 1, sum(sizes)]`` a catalogue's inputs; ``None`` for a network that has none.
        transductive: give each item of the catalogue a vector of its own.
    """

    per_item = ("content_embedding.", "item_embedding.")

    def __init__(
        self,
        shape: Shape,
        sizes: tuple[int, int],
        n_experts: int,
        dropout: float,
        content: Tensor | None = None,
        *,
        transductive: bool = False,
    ) -> None:
        super().__init__(shape)
        self.text_size, image_size = sizes
        self.text_adaptor = MoEAdaptor(self.text_size, shape.hidden_size, n_experts, dropout)
        self.image_adaptor = MoEAdaptor(image_size, shape.hidden_size, n_experts, dropout) if image_size else None
        self.fusion = GatedFusion(shape.hidden_size, len(sizes))
        self.item_embedding = None
        if content is not None and transductive:
            self.item_embedding = nn.Embedding(len(content), shape.hidden_size, padding_idx=0)
        self.initialise()
        self.content_embedding = frozen_embedding(content) if content is not None else None

    @property
    def inputs(self) -> Tensor:
        """Text and image vectors ``[n + 1, sum(sizes)]``."""
        return cast(nn.Embedding, self.content_embedding).weight

    def modalities(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return each modality's vector and whether the item has it.

        ``[m, sum(sizes)]`` to ``[m, 2, d]`` and ``bool [m, 2]``, text first.
        """
        text, image = inputs[:, : self.text_size], inputs[:, self.text_size :]
        read = cast(Tensor, self.text_adaptor(text))
        seen = cast(Tensor, self.image_adaptor(image)) if self.image_adaptor is not None else torch.zeros_like(read)
        return torch.stack([read, seen], dim=1), torch.stack([text.any(dim=1), image.any(dim=1)], dim=1)

    def item_vectors(self, inputs: Tensor, *, identified: bool = False) -> Tensor:
        """See :meth:`SequenceModel.item_vectors`: the fused content, plus the item's own vector when transductive."""
        vectors = cast(Tensor, self.fusion(*self.modalities(inputs)))
        return vectors + self.item_embedding.weight if identified and self.item_embedding is not None else vectors
