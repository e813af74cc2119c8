"""The language model that Recformer starts from: tokenizer, sizes, weights."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ckd_plugins.domains.encoders.quiet import quiet_transformers
from ckd_plugins.errors import EnvironmentProblem, TeacherError
from ckd_plugins.teachers.recformer.shape import NetShape, Pooling

__all__ = ["Backbone"]

_SHIFTED = ("roberta", "xlm-roberta", "camembert", "longformer")
"""Models whose tables of positions begin at ``pad + 1``."""
_READ = ("bert", *_SHIFTED)


class Backbone:
    """A transformers model of BERT's or Longformer's kind.

    Args:
        source: a folder, or with ``hub`` a name of the Hugging Face hub.
        hub: let transformers download what it has not downloaded before.

    Raises:
        TeacherError: if it is no such model.
        EnvironmentProblem: if transformers is not installed, or the hub cannot be reached.
    """

    def __init__(self, source: str | Path, *, hub: bool = False) -> None:
        self.source, self.hub = str(source), hub
        if not hub and not (Path(source) / "config.json").is_file():
            raise TeacherError(f"backbone {self.source!r} holds no language model: it has no config.json")
        self.config = self._from_pretrained("AutoConfig")
        if self.config.model_type not in _READ:
            known = ", ".join(_READ)
            raise TeacherError(f"backbone {self.source!r} is of type {self.config.model_type!r}; known are {known}")
        self.tokenizer = self._from_pretrained("AutoTokenizer")
        for role in ("cls_token_id", "pad_token_id", "mask_token_id"):
            if getattr(self.tokenizer, role) is None:
                raise TeacherError(f"backbone {self.source!r} has a tokenizer without {role}; take another model")

    @property
    def words(self) -> str:
        """Digest of the tokenizer's words and their ids, 16 hexadecimal digits."""
        words = sorted((number, word) for word, number in self.tokenizer.get_vocab().items())
        return blake2b(repr(words).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    def shape(
        self,
        *,
        n_layers: int | None,
        window: int | None,
        item_positions: int,
        pooling: Pooling,
        projection: bool,
    ) -> NetShape:
        """Return the sizes of a network with this model's weights.

        Args:
            n_layers: the model's first layers; ``None`` for all.
            window: of sliding attention; ``None`` for the model's own, which of a model other than Longformer is none.
            item_positions: see :class:`NetShape`, as the others.
            pooling: see there.
            projection: see there.
        """
        c = self.config
        if window is None and c.model_type == "longformer":
            window = c.attention_window if isinstance(c.attention_window, int) else max(c.attention_window)
        pad = int(self.tokenizer.pad_token_id)
        return NetShape(
            vocabulary=c.vocab_size,
            hidden_size=c.hidden_size,
            n_layers=min(n_layers or c.num_hidden_layers, c.num_hidden_layers),
            n_heads=c.num_attention_heads,
            inner_size=c.intermediate_size,
            positions=c.max_position_embeddings + (0 if c.model_type in _SHIFTED else pad + 1),
            item_positions=item_positions,
            begin=int(self.tokenizer.cls_token_id),
            pad=pad,
            activation=c.hidden_act,
            norm_eps=c.layer_norm_eps,
            window=window,
            pooling=pooling,
            projection=projection,
        )

    def weights(self, shape: NetShape) -> dict[str, Tensor]:
        """Return the model's weights under the names of :class:`Net`; what it has not is left out.

        All kinds of token get the embedding that the model gives to the first sentence, and items have no position at
        first: the network begins as the language model. A model without matrices for the token that sees all gets those
        of the others.
        """
        state = self._from_pretrained("AutoModel").float().state_dict()
        kept = {name: state[f"embeddings.{name}"] for name in ("LayerNorm.weight", "LayerNorm.bias")}
        kept["word_embeddings.weight"] = state["embeddings.word_embeddings.weight"]
        positions = state["embeddings.position_embeddings.weight"]
        unused = positions.new_zeros(shape.positions - len(positions), shape.hidden_size)
        kept["position_embeddings.weight"] = torch.cat([unused, positions])
        first = state.get("embeddings.token_type_embeddings.weight", positions.new_zeros(1, shape.hidden_size))[:1]
        kept["token_type_embeddings.weight"] = first.repeat(4, 1)
        kept["item_position_embeddings.weight"] = positions.new_zeros(shape.item_positions, shape.hidden_size)
        weights = {f"embeddings.{name}": tensor for name, tensor in kept.items()}
        for name, tensor in state.items():
            if name.startswith("encoder.layer.") and int(name.split(".")[2]) < shape.n_layers:
                weights[name] = tensor
        return with_global(weights) if shape.window is not None else weights

    def _from_pretrained(self, kind: str) -> Any:
        try:
            import transformers
        except ImportError as error:
            raise EnvironmentProblem("teacher 'recformer' needs transformers: pip install transformers") from error
        with quiet_transformers(reports=False):
            try:
                options = {"add_pooling_layer": False} if kind == "AutoModel" else {}
                return getattr(transformers, kind).from_pretrained(
                    self.source, local_files_only=not self.hub, **options
                )
            except (OSError, ValueError, ImportError) as error:
                reason = str(error).strip().splitlines()[0]
                if self.hub:
                    raise EnvironmentProblem(
                        f"backbone_id {self.source!r} cannot be had from the Hugging Face hub ({reason}); download it "
                        f"elsewhere and name its folder in backbone"
                    ) from error
                raise TeacherError(f"backbone {self.source!r} cannot be loaded ({reason}); export it again") from error


def with_global(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights with Longformer's matrices for the token that sees all: copies, where they are missing."""
    completed = dict(weights)
    for name, tensor in weights.items():
        for part in ("query", "key", "value"):
            if f".self.{part}." in name:
                completed.setdefault(name.replace(f".{part}.", f".{part}_global."), tensor)
    return completed
