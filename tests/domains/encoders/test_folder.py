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
    last = FolderEncoder(model_folder, pooling="lasttoken").encode([TEXTS[2], TEXTS[0]])[1]
    np.testing.assert_allclose(last, states[-1].numpy(), atol=1e-5)


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
    for config in ('{"pooling_mode_max_tokens": true}', '{"pooling_mode": "max"}', '{"pooling_mode": ["max"]}'):
        (folder / "Pooling" / "config.json").write_text(config)
        with pytest.raises(DataError, match="pools by max; known are mean, cls, lasttoken"):
            FolderEncoder(folder)
    for config in ('{"pooling_mode_lasttoken": true}', '{"pooling_mode": "lasttoken"}'):  # before and since version 6
        (folder / "Pooling" / "config.json").write_text(config)
        assert FolderEncoder(folder).pooling == "lasttoken"
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
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read as JSON"):
        FolderEncoder(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="no text model's"):
        FolderEncoder(tmp_path)
    with pytest.raises(DataError, match="does not exist; a model of the Hugging Face Hub"):
        FolderEncoder(tmp_path / "nowhere")


def test_half_precision_is_computed_with_in_single(model_folder: Path, tmp_path: Path) -> None:
    """On a CPU half precision is a hundred times slower, and a library's default may be the file's own type."""
    import torch
    from transformers import AutoModel

    folder = tmp_path / "half"
    shutil.copytree(model_folder, folder)
    AutoModel.from_pretrained(model_folder).half().save_pretrained(folder)
    encoder = FolderEncoder(folder)
    half = encoder.encode(TEXTS)
    assert {p.dtype for p in encoder._loaded[1].parameters()} == {torch.float32}
    np.testing.assert_allclose(half, FolderEncoder(model_folder).encode(TEXTS), atol=5e-3)


def test_code_beside_the_weights_is_not_run(model_folder: Path, tmp_path: Path) -> None:
    """A folder from the network could take over the machine, or stop the run with a question."""
    folder = tmp_path / "remote"
    shutil.copytree(model_folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "own", "auto_map": {"AutoConfig": "own.Config", "AutoModel": "own.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "own.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    with pytest.raises(DataError, match="cannot be loaded"):
        FolderEncoder(folder).encode(["a"])
    assert not (tmp_path / "ran").exists()


def test_the_encoder_of_an_encoder_and_decoder(model_folder: Path, tmp_path: Path) -> None:
    """T5 calls its size d_model, names no number of positions, and its decoder wants inputs that texts do not have."""
    from transformers import T5Config, T5Model

    folder = tmp_path / "t5"
    shutil.copytree(model_folder, folder)
    T5Model(T5Config(vocab_size=21, d_model=8, d_kv=4, d_ff=8, num_layers=1, num_heads=2)).save_pretrained(folder)
    encoder = FolderEncoder(folder)
    assert encoder.max_length == 512
    assert encoder.encode(TEXTS).shape == (len(TEXTS), 8)


def test_the_tokenizer_may_allow_fewer_tokens_than_there_are_positions(model_folder: Path, tmp_path: Path) -> None:
    """RoBERTa numbers its positions from 2: a text of as many tokens as positions would end in an index error."""
    folder = tmp_path / "short"
    shutil.copytree(model_folder, folder)
    said = json.loads((folder / "tokenizer_config.json").read_text())
    (folder / "tokenizer_config.json").write_text(json.dumps(said | {"model_max_length": 18}))
    assert FolderEncoder(model_folder).max_length == 20
    assert FolderEncoder(folder, max_length=100).max_length == 18
