"""Weights of a pre-trained Recformer from the published files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from ckd_plugins.errors import TeacherError
from ckd_plugins.host.checkpoint import read_checkpoint as read_file
from ckd_plugins.teachers.recformer.shape import NetShape

__all__ = ["read_checkpoint"]

PUBLISHED_WINDOW = 64
"""Of every layer of the published model; its file does not say it."""

_PREFIX = "longformer."
_MEASURED = {
    "embeddings.word_embeddings.weight": 2,
    "embeddings.position_embeddings.weight": 2,
    "embeddings.token_type_embeddings.weight": 2,
    "embeddings.item_position_embeddings.weight": 2,
    "encoder.layer.0.intermediate.dense.bias": 1,
}
"""What sizes are read off, and how many dimensions each has."""
_LAYER = re.compile(r"encoder\.layer\.([0-9]{1,3})\.")
_LEFT = ("embeddings.position_ids", "pooler.", "item_embedding.", "lm_head.decoder.")
"""What a published file holds and the network has not: buffers, a catalogue, and the table of words once more."""


def read_checkpoint(path: str | Path, shape: NetShape, window: int | None = None) -> tuple[NetShape, dict[str, Tensor]]:
    """Return the network's sizes and weights.

    Args:
        path: ``recformer_pretrain_ckpt.bin``, or ``recformer_seqrec_ckpt.bin``: the same with the prefix
            ``longformer.`` and a language-model head.
        shape: what the backbone and the options ask for. Sizes of layers and tables follow from the file.
        window: of sliding attention, where the file has Longformer's matrices; 64 by default, as published.

    Raises:
        CheckpointError: the file cannot be read, or is refused.
        TeacherError: if the file is none of these, or does not go with the backbone's tokenizer.
    """
    path = Path(path).expanduser()
    names = {k.removeprefix(_PREFIX): t for k, t in read_file(path).tensors.items()}
    weights = {k: t.float() for k, t in names.items() if not k.startswith(_LEFT)}
    found = _measure(path, weights, replace(shape, window=window or PUBLISHED_WINDOW))
    if (found.vocabulary, found.hidden_size) != (shape.vocabulary, shape.hidden_size):
        raise TeacherError(
            f"checkpoint {str(path)!r} has {found.vocabulary} words of size {found.hidden_size}, its backbone "
            f"{shape.vocabulary} of {shape.hidden_size}; name the backbone that it was trained with "
            f"(the published one: backbone_id: allenai/longformer-base-4096)"
        )
    return found, weights


def _measure(path: Path, weights: Mapping[str, Tensor], shape: NetShape) -> NetShape:
    lacking = [n for n, dimensions in _MEASURED.items() if n not in weights or weights[n].ndim != dimensions]
    if lacking:
        raise TeacherError(
            f"checkpoint {str(path)!r} has no {lacking[0]!r}, so it is no Recformer; give its published file"
        )
    words, positions, _, item_positions, inner = (weights[name] for name in _MEASURED)
    layers = {int(found[1]) for name in weights if (found := _LAYER.match(name))}
    return replace(
        shape,
        vocabulary=len(words),
        hidden_size=words.shape[1],
        n_layers=max(layers) + 1,
        inner_size=len(inner),
        positions=len(positions),
        item_positions=len(item_positions),
        window=shape.window if any("query_global" in k for k in weights) else None,
    )
