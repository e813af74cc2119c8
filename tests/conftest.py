"""Fixtures for all tests: those that the package ships for authors of plugins, and tiny language models."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

# Once installed, the package brings its fixtures by itself; in a bare checkout nobody does.
_installed = "ckd_plugins" in entry_points(group="pytest11").names
pytest_plugins = ["pytester"] if _installed else ["pytester", "ckd_plugins.testing.plugin"]

WORDS = [
    *("title", "brand", "category", "text", "red", "blue", "shoe", "##s", "hat", "acme", "##corp", "wool", "step"),
    *(f"cluster{c}" for c in range(6)),
    *(f"step{s}" for s in range(10)),
]


def write_backbone(folder: Path, kind: str = "bert", **sizes: int) -> Path:
    """Write a random model with a tokenizer; padding is 0 for BERT and 1 for Longformer, as in the real ones."""
    import torch
    from transformers import BertConfig, BertModel, BertTokenizerFast, LongformerConfig, LongformerModel

    special = ["[PAD]", "[CLS]"] if kind == "bert" else ["[CLS]", "[PAD]"]
    vocabulary = [*special, "[UNK]", "[SEP]", "[MASK]", *WORDS]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    common = {
        "vocab_size": len(vocabulary),
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 24,
        "max_position_embeddings": 66,
        "pad_token_id": special.index("[PAD]"),
        **sizes,
    }
    torch.manual_seed(0)
    if kind == "bert":
        BertModel(BertConfig(**common)).save_pretrained(folder)
    else:
        LongformerModel(LongformerConfig(attention_window=8, **common)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def make_backbone(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Gives the folder of a tiny model, written once."""
    made: dict[str, str] = {}

    def make(kind: str = "bert", **sizes: int) -> str:
        key = repr((kind, sorted(sizes.items())))
        if key not in made:
            made[key] = str(write_backbone(tmp_path_factory.mktemp(kind), kind, **sizes))
        return made[key]

    return make


@pytest.fixture(scope="session")
def bert(make_backbone: Callable[..., str]) -> str:
    return make_backbone("bert")
