"""Fixtures are written with the key names of the published files, by hand: the files themselves are not at hand."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from ckd_plugins.errors import CheckpointError, TeacherError
from ckd_plugins.teachers.recformer.checkpoint import read_checkpoint
from ckd_plugins.teachers.recformer.net import Net
from ckd_plugins.teachers.recformer.shape import NetShape

VOCABULARY, D, INNER, LAYERS, POSITIONS, ITEMS = 30, 16, 24, 3, 40, 51
SHAPE = NetShape(VOCABULARY, D, 1, 2, 99, 9, 7, 0, 1, "gelu", 1e-5, None, "first", projection=False)


def published(prefix: str = "") -> dict[str, Tensor]:
    """The table of weights as ``RecformerModel`` has it."""
    torch.manual_seed(0)
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (VOCABULARY, D),
        "embeddings.position_embeddings.weight": (POSITIONS, D),
        "embeddings.token_type_embeddings.weight": (4, D),
        "embeddings.item_position_embeddings.weight": (ITEMS, D),
        "embeddings.LayerNorm.weight": (D,),
        "embeddings.LayerNorm.bias": (D,),
    }
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}."
        linear = {f"attention.self.{p}{g}": (D, D) for p in ("query", "key", "value") for g in ("", "_global")}
        linear |= {"attention.output.dense": (D, D), "intermediate.dense": (INNER, D), "output.dense": (D, INNER)}
        for name, size in linear.items():
            shapes[f"{at}{name}.weight"], shapes[f"{at}{name}.bias"] = size, size[:1]
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes[f"{at}{name}.weight"] = shapes[f"{at}{name}.bias"] = (D,)
    weights = {prefix + name: torch.randn(size) for name, size in shapes.items()}
    weights[f"{prefix}embeddings.position_ids"] = torch.arange(POSITIONS)[None]
    return weights


def sequence_model() -> dict[str, Tensor]:
    """The same of ``RecformerForSeqRec``."""
    head = {
        "lm_head.dense.weight": (D, D),
        "lm_head.dense.bias": (D,),
        "lm_head.layer_norm.weight": (D,),
        "lm_head.layer_norm.bias": (D,),
        "lm_head.bias": (VOCABULARY,),
        "lm_head.decoder.weight": (VOCABULARY, D),
        "lm_head.decoder.bias": (VOCABULARY,),
    }
    return published("longformer.") | {name: torch.randn(size) for name, size in head.items()}


@pytest.mark.parametrize("kind", ["pretrain", "seqrec"])
def test_a_published_file_fills_the_whole_network(tmp_path: Path, kind: str) -> None:
    """A weight that is passed over stays random; scores are then noise in part, which nobody sees."""
    weights = published() if kind == "pretrain" else sequence_model()
    torch.save(weights, tmp_path / "model.bin")
    shape, read = read_checkpoint(tmp_path / "model.bin", SHAPE)
    assert (shape.n_layers, shape.inner_size, shape.positions, shape.item_positions) == (3, 24, 40, 51)
    assert (shape.window, shape.n_heads) == (64, 2)
    net = Net(shape)
    left = net.load_state_dict(read, strict=False)
    assert not left.unexpected_keys
    assert all(k.startswith("lm_head.") for k in left.missing_keys)
    assert bool(left.missing_keys) == (kind == "pretrain")
    for name, tensor in net.state_dict().items():
        source = weights.get(name, weights.get(f"longformer.{name}"))
        if source is not None:
            torch.testing.assert_close(tensor, source)


def test_the_window_is_the_one_asked_for(tmp_path: Path) -> None:
    """The file does not say it; 64 as published unless the option does."""
    torch.save(published(), tmp_path / "model.bin")
    assert read_checkpoint(tmp_path / "model.bin", replace(SHAPE, window=512))[0].window == 64
    assert read_checkpoint(tmp_path / "model.bin", SHAPE, 32)[0].window == 32


def test_another_backbone_is_named(tmp_path: Path) -> None:
    """Ids of another tokenizer would point at other words."""
    torch.save(published(), tmp_path / "model.bin")
    with pytest.raises(TeacherError, match=r"30 words of size 16.*31 of 16.*allenai/longformer-base-4096"):
        read_checkpoint(tmp_path / "model.bin", replace(SHAPE, vocabulary=31))


class Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.path}",)

    def __init__(self, path: Path) -> None:
        self.path = path


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    """A checkpoint comes from a stranger's drive."""
    torch.save({"weights": Evil(tmp_path / "ran")}, tmp_path / "model.bin")
    with pytest.raises(CheckpointError, match=r"asks for (posix|nt)\.system"):
        read_checkpoint(tmp_path / "model.bin", SHAPE)
    (tmp_path / "raw.bin").write_bytes(pickle.dumps(Evil(tmp_path / "ran")))
    with pytest.raises(CheckpointError, match=r"asks for (posix|nt)\.system"):
        read_checkpoint(tmp_path / "raw.bin", SHAPE)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"embeddings.word_embeddings.weight": torch.zeros(3, 2)}, "has no 'embeddings.position_embeddings.weight'"),
        ({"epoch": 3}, "has no 'embeddings.word_embeddings.weight'"),
        ([1, 2], "holds a list and no named weights"),
        ({k: v for k, v in published().items() if "encoder" not in k}, r"has no 'encoder\.layer\.0\.intermediate"),
        ({k: v[0] for k, v in published().items() if v.ndim}, "has no 'embeddings.word_embeddings.weight'"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, content: object, message: str) -> None:
    """A wrong file must not become a teacher with some of its weights."""
    torch.save(content, tmp_path / "model.bin")
    with pytest.raises((CheckpointError, TeacherError), match=message) as caught:
        read_checkpoint(tmp_path / "model.bin", SHAPE)
    assert "\n" not in str(caught.value)


def test_no_file_is_one_clear_line(tmp_path: Path) -> None:
    """The name may be misspelt."""
    with pytest.raises(CheckpointError, match="No such file"):
        read_checkpoint(tmp_path / "none.bin", SHAPE)
