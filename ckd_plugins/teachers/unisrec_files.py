"""The files that UniSRec's authors publish: pre-trained networks, and vectors of item texts."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError, TeacherError
from ckd_plugins.host.checkpoint import read_checkpoint

__all__ = ["BERT", "Pretrained", "read_pretrained", "text_vectors"]

Float32 = npt.NDArray[np.float32]
Int64 = npt.NDArray[np.int64]

BERT = 768
"""Size of the published text vectors: the [CLS] states of bert-base-uncased."""

_CATALOGUE = "plm_embedding."  # of a fine-tuned network: the text vectors once more
_LAYER = re.compile(r"trm_encoder\.layer\.([0-9]{1,3})\.")
_FIXED = {"hidden_act": "gelu", "layer_norm_eps": 1e-12}


@dataclass(frozen=True)
class Pretrained:
    """A network of ``UniSRec-FHCKM-300.pth`` and its like."""

    weights: dict[str, Tensor]
    sizes: dict[str, int]
    """The sizes of its parts, by the names of UniSRec's options."""


def read_pretrained(path: str, n_heads: int) -> Pretrained:
    """Read a network that the published program saved.

    Args:
        path: its ``.pth``: a mapping with the ``state_dict``, and the ``config`` of the run.
        n_heads: heads of attention, where the file has no ``config``: weights do not tell them.

    Raises:
        CheckpointError: the file cannot be read, or is refused.
        TeacherError: it is no UniSRec, one with vectors of single items, or one with another activation.
    """
    read = read_checkpoint(path)
    weights = {name: tensor.float() for name, tensor in read.tensors.items() if not name.startswith(_CATALOGUE)}
    if "item_embedding.weight" in weights:
        raise TeacherError(
            f"checkpoint {path!r} was fine-tuned transductively: its item vectors go by the numbers of the run that "
            f"wrote it; give a pre-trained one or one that was fine-tuned inductively"
        )
    for name, wanted in _FIXED.items():
        if read.settings.get(name, wanted) != wanted:
            raise TeacherError(f"checkpoint {path!r} has {name}={read.settings[name]!r}, and UniSRec here has {wanted}")
    gate, positions = (_matrix(path, weights, name) for name in ("moe_adaptor.w_gate", "position_embedding.weight"))
    inner = _matrix(path, weights, "trm_encoder.layer.0.feed_forward.dense_1.weight")
    heads = read.settings.get("n_heads", n_heads)
    if not isinstance(heads, int) or heads < 1 or positions.shape[1] % heads:
        raise TeacherError(f"checkpoint {path!r}: {heads!r} heads do not divide its size {positions.shape[1]}")
    return Pretrained(
        weights,
        {
            "hidden_size": positions.shape[1],
            "n_layers": 1 + max(int(found[1]) for name in weights if (found := _LAYER.match(name))),
            "n_heads": heads,
            "inner_size": inner.shape[0],
            "n_experts": gate.shape[1],
            "max_length": positions.shape[0],
        },
    )


def _matrix(path: str, weights: dict[str, Tensor], name: str) -> Tensor:
    if name not in weights or weights[name].ndim != 2:
        raise TeacherError(f"checkpoint {path!r} has no matrix {name!r}, so it is no UniSRec; give its published file")
    return weights[name]


def text_vectors(domain: Domain, path: str, index: str | None, size: int) -> Float32:
    """Return ``float32 [n_items, size]``, the items' rows of a published ``.feat1CLS``.

    Args:
        domain: whose items.
        path: float32 numbers, ``size`` a row, and nothing else.
        index: a ``.item2index``: an item token, a tab and its row's number a line. ``None``: item tokens are those
            numbers, as in the published ``.inter`` files. (A ``.text`` file is in another order.)
        size: of a vector.

    Raises:
        DataError: an item has no row, or a file is none of these.
    """
    file = Path(path).expanduser()
    length = file.stat().st_size if file.is_file() else 0
    if not length or length % (4 * size):
        raise DataError(f"item_vectors: {path!r} has {length} bytes, no whole number of rows of {size} float32 numbers")
    table = np.memmap(file, "<f4", "r").reshape(-1, size)
    vectors = np.array(table[_rows(domain, path, index, len(table))], np.float32)
    if not np.isfinite(vectors).all():
        item = domain.items[int(np.argmin(np.isfinite(vectors).all(axis=1)))]
        raise DataError(f"item_vectors: the row of item {item!r} in {path!r} has elements that are no finite numbers")
    return vectors


def _rows(domain: Domain, path: str, index: str | None, count: int) -> Int64:
    """Each item's row among ``count``."""
    if index is not None:
        number = _numbers(index)
        where = f"is not in item_index {index!r}"
    else:
        number = {token: int(token) for token in domain.items if token.isascii() and token.isdigit()}
        where = "is no number of a row; name the .item2index file in item_index"
    for token in domain.items:
        if token not in number:
            raise DataError(f"item_vectors: item {token!r} of {domain.name!r} {where}")
        if number[token] >= count:
            raise DataError(
                f"item_vectors: item {token!r} of {domain.name!r} has row {number[token]}, and {path!r} has {count}; "
                f"give the vectors of this dataset"
            )
    return np.array([number[token] for token in domain.items], np.int64)


def _numbers(index: str) -> dict[str, int]:
    number: dict[str, int] = {}
    try:
        text = Path(index).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"item_index {index!r} cannot be read as text ({error})") from error
    for count, line in enumerate(text.splitlines(), start=1):
        token, _, row = line.partition("\t")
        if not (row.isascii() and row.isdigit()) or number.setdefault(token, int(row)) != int(row):
            raise DataError(
                f"item_index {index!r}, line {count}: want a token, a tab and the number of its row, each token once; "
                f"give the .item2index file"
            )
    return number
