from __future__ import annotations

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.domains.encoders.folder import FolderEncoder
from ckd_plugins.errors import DataError

TEXTS = ["a b", "c", "a b c d e f g h a b c", "h h", "c"]


def test_a_texts_vector_does_not_depend_on_its_batch(model_folder: Path) -> None:
    """Padding that leaks into the mean would change an item's vector with its neighbours."""
    together = FolderEncoder(model_folder).encode(TEXTS)
    small = FolderEncoder(model_folder, batch_tokens=4).encode(TEXTS)
    alone = np.concatenate([FolderEncoder(model_folder).encode([t]) for t in TEXTS])
    assert together.dtype == np.float32
    np.testing.assert_allclose(together, alone, atol=1e-5)
    np.testing.assert_allclose(together, small, atol=1e-5)
    assert FolderEncoder(model_folder).encode([]).shape == (0, 16)


def test_equals_the_model_cards_own_recipe(model_folder: Path) -> None:
    """The mean is over all tokens, the special ones too, and then normalised."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(model_folder), AutoModel.from_pretrained(model_folder).eval()
    with torch.no_grad():
        states = model(**tokenizer(TEXTS[0], return_tensors="pt")).last_hidden_state[0]
    mean = FolderEncoder(model_folder, normalize=True).encode(TEXTS[:1])[0]
    np.testing.assert_allclose(mean, torch.nn.functional.normalize(states.mean(0), dim=0).numpy(), atol=1e-5)
    first = FolderEncoder(model_folder, pooling="cls").encode(TEXTS[:1])[0]
    np.testing.assert_allclose(first, states[0].numpy(), atol=1e-5)


def test_works_offline(model_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder must not ask a hub for files that a local folder does not have."""

    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert FolderEncoder(model_folder).encode(["a"]).shape == (1, 16)


def test_a_sentence_transformers_folder_says_how_to_pool(model_folder: Path, tmp_path: Path) -> None:
    """Vectors that are pooled in another way than the model was trained for are of little use."""
    folder = tmp_path / "st"
    shutil.copytree(model_folder, folder)
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [{"path": "" if k == "Transformer" else k, "type": f"sentence_transformers.models.{k}"} for k in kinds]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 7}')
    (folder / "Pooling").mkdir()
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False, "include_prompt": True}
    (folder / "Pooling" / "config.json").write_text(json.dumps(pooling))
    encoder = FolderEncoder(folder)
    assert (encoder.pooling, encoder.normalize, encoder.max_length) == ("cls", True, 7)
    assert np.linalg.norm(encoder.encode(["a"])) == pytest.approx(1, abs=1e-5)
    (folder / "Pooling" / "config.json").write_text('{"pooling_mode_max_tokens": true}')
    with pytest.raises(DataError, match="pools by pooling_mode_max_tokens"):
        FolderEncoder(folder)
    (folder / "modules.json").write_text('[{"path": "2_Dense", "type": "sentence_transformers.models.Dense"}]')
    with pytest.raises(DataError, match="'Dense'"):
        FolderEncoder(folder)


def test_identity_follows_settings_and_weights(model_folder: Path, tmp_path: Path) -> None:
    """A cache that is keyed by less would give one model's vectors for another's."""
    plain = FolderEncoder(model_folder).identity
    assert plain == FolderEncoder(model_folder).identity
    assert plain != FolderEncoder(model_folder, max_length=5).identity
    other = tmp_path / "other"
    shutil.copytree(model_folder, other)
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert plain != FolderEncoder(other).identity


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    """One line that names the folder."""
    with pytest.raises(DataError, match=r"no config\.json"):
        FolderEncoder(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 8}')
    with pytest.raises(DataError, match="cannot be loaded"):
        FolderEncoder(tmp_path).encode(["a"])
