"""What teachers that read item texts share: training, encoding, saving."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import DataError, TeacherError
from ckd_plugins.teachers.features import padded, text_features
from ckd_plugins.teachers.fitting import Schedule, fit
from ckd_plugins.teachers.history import History, Progress
from ckd_plugins.teachers.losses import cosine_cross_entropy
from ckd_plugins.teachers.nets.sequence import SequenceModel, Shape
from ckd_plugins.teachers.network_teacher import NetworkTeacher
from ckd_plugins.teachers.pretraining import joined
from ckd_plugins.teachers.ranking import ndcg, target_ranks
from ckd_plugins.teachers.seeding import seeded
from ckd_plugins.teachers.windows import Batch, Windows, next_item_windows, only_known, prefix_windows

__all__ = ["TextTeacher"]

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

_ENCODED = 1 << 14  # positions in one forward pass without gradients


@dataclass(kw_only=True, eq=False)
class TextTeacher(NetworkTeacher):
    """A sequential recommender over item texts, with cosine scores.

    Training reads one window a user and uses the state after every prefix. The published recipes of UniSRec and VQ-Rec
    have one row for each prefix, which costs several times as much for the same predictions;
    ``all_positions=False`` is theirs. Of runs with 2048 predictions a step theirs was the better one on Amazon Office;
    with 1024, and a larger UniSRec, this one caught up. Item vectors are made once a batch, for histories and targets.
    """

    settled: ClassVar[tuple[str, ...]] = ("text_size", "hidden_size", "n_layers", "n_heads", "inner_size", "projection")

    encoder: TextEncoder | None = None
    """Language model for the texts; all-MiniLM-L6-v2 by default."""
    cache_dir: str | None = None
    """Where text vectors are kept between runs; ``None`` for nowhere."""
    text_size: float | None = 0.1
    """Root mean square of a text vector's elements; ``None``: as the language model gives them, as published.

    Language models differ: all-MiniLM's vectors have 0.05, the raw [CLS] states of BERT, which UniSRec's settings were
    found with, about 0.5. One size lets settings carry over from model to model. Larger ones favour the text, smaller
    ones what is learned of single items."""
    max_length: int = 50
    """Newest items of a history that are read."""
    temperature: float = 0.07
    """Divides cosines, in training and in what students read."""
    batch_size: int = 1024
    """Predictions in a batch, about."""
    all_positions: bool = True
    """Train on every prefix of a window at once; ``False`` for one row a prefix, as published."""
    learning_rate: float = 1e-3
    pretrain_epochs: int = 5
    finetune_epochs: int = 40
    """At most."""
    patience: int = 5
    """Epochs of fine-tuning without a better NDCG@10 on the validation targets before it ends."""
    pretrain_seconds: float | None = None
    """Limit of time for pre-training. With one, results depend on the machine's speed."""
    finetune_seconds: float | None = None
    """Limit of time for fine-tuning."""
    freeze_encoder: bool | None = None
    """Keep positions and encoder as they are in fine-tuning; by default, if they were pre-trained."""
    seed: int = 2020
    device: str = "cpu"

    _start: dict[str, Tensor] | None = field(init=False, default=None, repr=False)
    _model: SequenceModel | None = field(init=False, default=None, repr=False)
    _table: Tensor | None = field(init=False, default=None, repr=False)

    # What a concrete teacher says.

    @abstractmethod
    def _network(self, inputs: Tensor, *, catalogue: bool) -> SequenceModel:
        """Return a new network; ``catalogue``: for the items of ``inputs``, not only for what carries over."""

    def _inputs(self, content: Float32, *, pretraining: bool) -> Tensor:
        """Return what item vectors are made from, given the items' :meth:`_content` ``[n, dim]`` (no padding row)."""
        return padded(content)

    @abstractmethod
    def _pretrain_loss(self, model: SequenceModel, inputs: Tensor, batch: Batch, windows: Windows) -> Tensor:
        """Return the contrastive loss of a batch of several domains' windows."""

    # Training.

    def pretrain(self, domains: Sequence[Domain], *, progress: Progress | None = None) -> History:
        """See :meth:`Teacher.pretrain`; negatives are the batch's other targets, of all domains."""
        if not domains:
            raise DataError(f"teacher {self.name!r}: no domains to pre-train on; name at least one")
        content = self._content(domains)
        offsets, flat, where = joined(domains)
        windows = self._windows(offsets, flat + 1, where)
        with seeded(self.seed, self.device) as rng:
            inputs = self._inputs(content, pretraining=True).to(self.device)
            model = self._network(inputs, catalogue=False).to(self.device)
            if self._start is not None:
                model.load_state_dict(self._start, strict=False)
            history = fit(
                model,
                lambda: windows.batches(self.batch_size, rng),
                lambda batch: self._pretrain_loss(model, inputs, batch, windows),
                Schedule("pretrain", self.pretrain_epochs, self.learning_rate, max_seconds=self.pretrain_seconds),
                progress=progress,
            )
        self._start, self._model, self._table, self._items, self.domain = model.transferable(), None, None, (), None
        self.pretrained_on += tuple(d.name for d in domains)
        return history

    def finetune(self, domain: Domain, *, progress: Progress | None = None) -> History:
        """See :meth:`Teacher.finetune`; cross entropy over all items of the domain."""
        content = self._content([domain])
        if not (domain.valid >= 0).any():
            domain = domain.hold_last_out()
        windows = self._windows(domain.offsets, domain.sequence.astype(np.int64) + 1, domain.name)
        held_out = domain.valid_instances(self.max_length)
        with seeded(self.seed, self.device) as rng:
            inputs = self._inputs(content, pretraining=False).to(self.device)
            model = self._network(inputs, catalogue=True).to(self.device)
            if self._start is not None:
                model.load_state_dict(self._start, strict=False)
            frozen = self._start is not None if self.freeze_encoder is None else self.freeze_encoder
            for parameter in model.encoder_parameters():
                parameter.requires_grad_(not frozen)
            self._model, self._items, self.domain, self._table = model, domain.items, domain.name, None

            def loss(batch: Batch) -> Tensor:
                table = model.catalogue()
                states = self._read(model, table, batch)
                target = torch.from_numpy(windows.flat[batch.position + 1]).to(self.device)
                return cosine_cross_entropy(states, table[1:], target - 1, self.temperature)

            def validate() -> float:
                self._table = None
                return ndcg(target_ranks(self.encode(held_out), self.item_factors(domain), held_out.target))

            schedule = Schedule(
                "finetune", self.finetune_epochs, self.learning_rate, self.patience, self.finetune_seconds
            )
            history = fit(
                model,
                lambda: windows.batches(self.batch_size, rng),
                loss,
                schedule,
                validate=validate if len(held_out) else None,
                progress=progress,
            )
        self._table = None
        return history

    def _content(self, domains: Sequence[Domain]) -> Float32:
        """What is known of the domains' items, one after another: text vectors; a subclass may add to them."""
        encoder = self._text_encoder()
        return np.concatenate([text_features(d, encoder, self.cache_dir, size=self.text_size) for d in domains])

    def _text_encoder(self) -> TextEncoder:
        if self.encoder is None:
            from ckd_plugins.domains.encoders.minilm import MiniLM

            self.encoder = MiniLM(device=self.device)
        return self.encoder

    def _windows(self, offsets: Int64, flat: Int64, where: str) -> Windows:
        windows = next_item_windows(offsets, flat, self.max_length, all_positions=self.all_positions)
        if not len(windows):
            raise DataError(f"{where}: no user has two training interactions, so there is nothing to learn; add data")
        return windows

    @staticmethod
    def _read(model: SequenceModel, table: Tensor, batch: Batch) -> Tensor:
        """The states that a batch reads, ``[P, d]``."""
        items = torch.from_numpy(batch.items).to(table.device)
        states = model.states(F.embedding(items, table))
        return states[torch.from_numpy(batch.row), torch.from_numpy(batch.column)]

    def _shape(self, encoder: Literal["transformer", "gru"] = "transformer") -> Shape:
        """The sequence encoder's sizes, which are options of every concrete teacher, by their names."""
        sizes = {f.name: getattr(self, f.name) for f in fields(Shape) if f.name != "encoder"}
        return Shape(encoder, **sizes)

    # Answers.

    def item_factors(self, domain: Domain) -> Float32:
        """See :meth:`Teacher.item_factors`; vectors of length 1."""
        rows = self._places_of(domain) + 1
        return F.normalize(self._vectors()[torch.from_numpy(rows)], dim=-1).cpu().numpy()

    def encode(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """See :meth:`Teacher.encode`; vectors of length 1. Rows that are prefixes of one another share a pass."""
        model, table = self._finetuned(), self._vectors()
        chosen = instances if rows is None else instances.take(rows)
        flat, start, stop = self._renumbered(chosen)
        windows, window = prefix_windows(flat, start, stop)
        order = np.argsort(window, kind="stable")
        bounds = np.searchsorted(window[order], np.arange(len(windows) + 1))
        vectors = np.zeros((len(chosen), table.shape[1]), dtype=np.float32)
        with torch.inference_mode():
            for batch in windows.batches(_ENCODED):
                items = torch.from_numpy(batch.items).to(self.device)
                states = model.states(F.embedding(items, table))
                counts = bounds[batch.windows + 1] - bounds[batch.windows]
                row = np.repeat(np.arange(len(counts)), counts)
                answered = np.concatenate([order[bounds[w] : bounds[w + 1]] for w in batch.windows])
                column = stop[answered] - 1 - start[answered]
                read = states[torch.from_numpy(row), torch.from_numpy(column)]
                vectors[answered] = F.normalize(read, dim=-1).cpu().numpy()
        return vectors

    def _renumbered(self, instances: Instances) -> tuple[Int64, Int64, Int64]:
        """The histories in this teacher's numbering, cut to its length, without the items that it does not know."""
        flat = self._places(instances.items)[instances.flat] + 1
        start = np.maximum(instances.start, instances.stop - self.max_length)
        return only_known(flat, start, instances.stop, flat > 0)

    def _vectors(self) -> Tensor:
        """The catalogue's vectors ``[n + 1, d]``, made once."""
        if self._table is None:
            with torch.no_grad():
                self._table = self._finetuned().eval().catalogue()
        return self._table

    def _finetuned(self) -> SequenceModel:
        if self._model is None:
            raise TeacherError(f"teacher {self.name!r} has not been fine-tuned; call finetune(domain) first")
        return self._model

    # On disk.

    @property
    def parameters(self) -> int:
        """See :meth:`Teacher.parameters`; the language model is not counted, as its vectors are made once."""
        return sum(tensor.numel() for tensor in self._weights().values())

    def _restore(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        if self.domain is None:
            self._start = weights or None
            return
        self._model = self._empty(weights).to(self.device)
        self._model.load_state_dict(weights)
        self._model.eval()
        self._start = self._model.transferable() if self.pretrained_on else None

    @abstractmethod
    def _empty(self, weights: dict[str, Tensor]) -> SequenceModel:
        """Return a network of the shape that the weights of a fine-tuned one need."""

    def _weights(self) -> dict[str, Tensor]:
        return dict(self._model.state_dict()) if self._model is not None else dict(self._start or {})
