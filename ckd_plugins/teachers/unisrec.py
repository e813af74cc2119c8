"""UniSRec: a universal sequence representation over item texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import ConfigError, DataError, TeacherError
from ckd_plugins.teachers.augment import drop_items
from ckd_plugins.teachers.features import padded, scaled
from ckd_plugins.teachers.history import History, Progress
from ckd_plugins.teachers.losses import in_batch_contrastive
from ckd_plugins.teachers.nets.adaptor import MoEAdaptor
from ckd_plugins.teachers.nets.sequence import SequenceModel, Shape, frozen_embedding
from ckd_plugins.teachers.pretraining import in_batch
from ckd_plugins.teachers.text_teacher import TextTeacher
from ckd_plugins.teachers.unisrec_files import BERT, read_pretrained, text_vectors
from ckd_plugins.teachers.windows import Batch, Windows

__all__ = ["UniSRec"]

Float32 = npt.NDArray[np.float32]


class UniSRecModel(SequenceModel):
    """The network, with the parameter names of the published code.

    ``plm_embedding`` (text vectors, never trained) and ``item_embedding`` belong to a catalogue; row 0 is padding.
    """

    per_item = ("plm_embedding.", "item_embedding.")

    def __init__(
        self, shape: Shape, adaptor: tuple[int, int, float], texts: Tensor | None = None, *, transductive: bool = False
    ) -> None:
        super().__init__(shape)
        input_size, n_experts, dropout = adaptor
        self.moe_adaptor = MoEAdaptor(input_size, shape.hidden_size, n_experts, dropout)
        self.item_embedding = None
        if texts is not None and transductive:
            self.item_embedding = nn.Embedding(len(texts), shape.hidden_size, padding_idx=0)
        self.initialise()
        self.plm_embedding = frozen_embedding(texts) if texts is not None else None

    @property
    def inputs(self) -> Tensor:
        """Text vectors ``[n + 1, input_size]``."""
        return cast(nn.Embedding, self.plm_embedding).weight

    def item_vectors(self, inputs: Tensor, *, identified: bool = False) -> Tensor:
        """See :meth:`SequenceModel.item_vectors`: the adapted text, plus the item's own vector when transductive."""
        vectors = cast(Tensor, self.moe_adaptor(inputs))
        return vectors + self.item_embedding.weight if identified and self.item_embedding is not None else vectors


@dataclass(kw_only=True, eq=False)
class UniSRec(TextTeacher):
    """UniSRec (Hou et al., "Towards Universal Sequence Representation Learning for Recommender Systems", KDD 2022).

    Texts become item vectors through a mixture of whitening experts, sequences run through SASRec's encoder.
    Pre-training contrasts a sequence with its next item and with an augmented self, over domains. Fine-tuning is
    inductive (text only) or transductive (text plus a vector of each item's own) and keeps the pre-trained encoder as
    it is. Published settings are ``hidden_size=300, dropout=0.5, attention_dropout=0.5, batch_size=2048,
    projection=False, all_positions=False, text_size=None, published_negatives=True``; the defaults here were chosen on
    the validation targets of Amazon Office.

    With ``all_positions`` (see :class:`TextTeacher`) the sequence-item loss has a term for every prefix, and the
    sequence-sequence loss one for every window.
    """

    name: ClassVar[str] = "unisrec"
    files: ClassVar[tuple[str, ...]] = ("checkpoint", "item_vectors", "item_index")
    instead_of_text: ClassVar[tuple[str, ...]] = ("item_vectors",)
    settled: ClassVar[tuple[str, ...]] = (*TextTeacher.settled, "n_experts")

    checkpoint: str | None = None
    """A pre-trained network to start from: the authors' ``UniSRec-FHCKM-300.pth``, or another one that their program
    saved. It decides ``hidden_size``, ``n_layers``, ``n_heads``, ``inner_size``, ``n_experts`` and ``max_length``,
    whatever the options say, and sets ``projection`` to ``False`` and ``text_size`` to ``None``, as it was made so.
    With ``finetune_epochs=0, transductive=False`` it is used as it is."""
    item_vectors: str | dict[str, str] | None = None
    """Vectors of the item texts that are there already, in place of the text encoder's: the authors' ``.feat1CLS``,
    float32 numbers and nothing else. One path, or a mapping from the names of domains (datasets, those for pre-training
    too) to paths. A vector has 768 elements, or as many as the checkpoint reads."""
    item_index: str | dict[str, str] | None = None
    """Which row is whose: the authors' ``.item2index``, a token, a tab and a number a line, or a mapping as above. By
    default item tokens are those numbers, as in the authors' ``.inter`` files."""
    hidden_size: int = 256
    n_layers: int = 2
    n_heads: int = 2
    inner_size: int = 256
    dropout: float = 0.4
    attention_dropout: float = 0.3
    n_experts: int = 8
    adaptor_dropout: float = 0.2
    projection: bool = True
    """A linear layer after the encoder (:class:`SequenceModel` says why); ``False`` as published."""
    transductive: bool = True
    """Give each item of the domain a vector of its own beside its text; ``False`` for inductive fine-tuning."""
    sequence_weight: float = 1e-3
    """Weight of the sequence-sequence loss in pre-training; 0 saves its forward pass."""
    item_drop: float = 0.2
    """Share of items that the augmented sequence lacks."""
    word_drop_share: float = 0.1
    """Share of batches augmented by word drop instead, where word-drop vectors are given."""
    published_negatives: bool = False
    """Count rows with the same target as the published code does (:func:`in_batch_contrastive`)."""

    _word_drop: Tensor | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.item_index is not None and self.item_vectors is None:
            raise ConfigError("teacher 'unisrec': item_index says whose rows item_vectors has; give both")
        if self.checkpoint is None:
            return
        if self.finetune_epochs == 0 and self.transductive:
            raise ConfigError("teacher 'unisrec': finetune_epochs=0 trains no vectors of items; set transductive=False")
        self._start_from(self.checkpoint)

    def _start_from(self, path: str) -> None:
        read = read_pretrained(path, self.n_heads)
        for name, size in read.sizes.items():
            setattr(self, name, size)
        self.projection, self.text_size = False, None
        read_size = len(read.weights["moe_adaptor.w_gate"])
        with torch.device("meta"):  # names and shapes only: no random number is drawn
            network = UniSRecModel(self._shape(), (read_size, self.n_experts, self.adaptor_dropout)).state_dict()
        wanted, found = ({k: tuple(v.shape) for k, v in w.items()} for w in (network, read.weights))
        if wanted != found:
            name = min(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
            raise TeacherError(
                f"checkpoint {path!r} is no UniSRec: {name!r} is {found.get(name, 'missing')} there and "
                f"{wanted.get(name, 'unknown')} here"
            )
        self._start = read.weights

    def pretrain(
        self,
        domains: Sequence[Domain],
        *,
        progress: Progress | None = None,
        word_drop: Sequence[Float32] | None = None,
    ) -> History:
        """See :meth:`Teacher.pretrain`.

        Args:
            domains: what to learn from.
            progress: told of each epoch.
            word_drop: for each domain ``float32 [n_items, dim]``, vectors of the texts with words left out at random.
        """
        if word_drop is not None:
            self._word_drop = padded(np.concatenate(word_drop)).to(self.device)
        try:
            return super().pretrain(domains, progress=progress)
        finally:
            self._word_drop = None

    def _content(self, domains: Sequence[Domain]) -> Float32:
        """The vectors that were given, or the text encoder's."""
        wanted = len(self._start["moe_adaptor.w_gate"]) if self._start is not None else None
        if self.item_vectors is None:
            content = super()._content(domains)
        else:
            content = np.concatenate([self._given(domain, wanted or BERT) for domain in domains])
        if wanted is not None and content.shape[1] != wanted:
            raise DataError(
                f"teacher 'unisrec' starts from a network that reads text vectors of size {wanted}, and the text "
                f"encoder gives {content.shape[1]}; use the encoder that it was trained with, or give item_vectors "
                f"(the published network: bert-base-uncased, pooling cls)"
            )
        return content

    def _given(self, domain: Domain, size: int) -> Float32:
        path, index = (o.get(domain.name) if isinstance(o, dict) else o for o in (self.item_vectors, self.item_index))
        if path is None:
            raise DataError(f"item_vectors has no path for {domain.name!r}; add one")
        vectors = text_vectors(domain, path, index, size)
        return vectors if self.text_size is None else scaled(vectors, self.text_size)

    def _pretrain_loss(self, model: SequenceModel, inputs: Tensor, batch: Batch, windows: Windows) -> Tensor:
        seen = in_batch(batch, windows, self.device)
        table = model.item_vectors(inputs[seen.present])
        embedded = F.embedding(seen.items, table)
        states = model.states(embedded)[seen.row, seen.column]
        loss = self._contrast(states, table[seen.target], seen.target)
        if not self.sequence_weight:
            return loss
        if self._word_drop is not None and torch.rand(()).item() < self.word_drop_share:
            kept = seen.items
            dropped = F.embedding(kept, model.item_vectors(self._word_drop[seen.present]))
            swapped = torch.rand(kept.shape, device=kept.device) < self.item_drop
            embedded = torch.where(swapped.unsqueeze(-1), dropped, embedded)
        else:
            kept = drop_items(seen.items, self.item_drop)
            embedded = F.embedding(kept, table)
        every = torch.arange(len(kept), device=kept.device)
        augmented = model.states(embedded)[every, (kept > 0).sum(dim=1) - 1]
        newest = seen.newest
        return loss + self.sequence_weight * self._contrast(states[newest], augmented, seen.target[newest])

    def _contrast(self, anchors: Tensor, positives: Tensor, target: Tensor) -> Tensor:
        return in_batch_contrastive(anchors, positives, target, self.temperature, published=self.published_negatives)

    def _network(self, inputs: Tensor, *, catalogue: bool) -> UniSRecModel:
        adaptor = (inputs.shape[1], self.n_experts, self.adaptor_dropout)
        return UniSRecModel(self._shape(), adaptor, inputs if catalogue else None, transductive=self.transductive)

    def _config(self) -> dict[str, Any]:
        """A checkpoint's domains have no names, by which the base class knows that there was a beginning."""
        started = self._start is not None and not self.pretrained_on
        return {**super()._config(), **({"started": True} if started else {})}

    def _restore(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super()._restore(config, weights)
        if config.get("started") and self._model is not None:
            self._start = self._model.transferable()

    def _empty(self, weights: dict[str, Tensor]) -> UniSRecModel:
        return self._network(weights["plm_embedding.weight"], catalogue=True)
