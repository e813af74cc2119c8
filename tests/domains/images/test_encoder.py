from __future__ import annotations

import builtins
import logging
import shutil
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.domains.images.encoder import VisionEncoder
from ckd_plugins.errors import DataError, EnvironmentProblem


def files(photos: Path) -> list[Path]:
    return sorted(p for p in photos.rglob("*") if p.is_file())


def test_equals_the_models_own_recipe(vision_folder: Path, photos: Path) -> None:
    """The first state stands for the image; the pooler of most published ViTs is random."""
    from PIL import Image
    from transformers import AutoImageProcessor, AutoModel

    processor, model = AutoImageProcessor.from_pretrained(vision_folder), AutoModel.from_pretrained(vision_folder)
    with torch.no_grad():
        pixels = processor(images=[Image.open(photos / "green.png").convert("RGB")], return_tensors="pt")
        wanted = model.eval()(**pixels).last_hidden_state[0, 0].numpy()
    found = VisionEncoder(vision_folder).encode([photos / "green.png"])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)


def test_an_images_vector_does_not_depend_on_its_batch(vision_folder: Path, photos: Path) -> None:
    """Images of several sizes in one batch must not disturb each other."""
    given = files(photos)
    together = VisionEncoder(vision_folder).encode(given)
    apart = VisionEncoder(vision_folder, batch_size=1).encode(given)
    assert together.shape == (4, 16)
    np.testing.assert_allclose(together, apart, atol=1e-5)
    assert len(np.unique(together.round(4), axis=0)) == 4


@pytest.mark.parametrize("kind", ["clip", "convnext", "swin"])
def test_models_of_other_kinds(kind: str, photos: Path, tmp_path: Path) -> None:
    """CLIP has an embedding of its own, a convolutional net a map, Swin no state for the whole image."""
    import transformers as hf

    vision = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    size = {"height": 32, "width": 32}
    torch.manual_seed(0)
    if kind == "clip":
        images = {**vision, "image_size": 32, "patch_size": 16}
        text = {**vision, "vocab_size": 9, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2}
        model = hf.CLIPModel(hf.CLIPConfig(vision_config=images, text_config=text, projection_dim=8))
    elif kind == "convnext":
        model = hf.ConvNextModel(hf.ConvNextConfig(hidden_sizes=[4, 4, 4, 8], depths=[1, 1, 1, 1]))
    else:
        config = hf.SwinConfig(embed_dim=8, depths=[1], num_heads=[1], image_size=32, patch_size=8, window_size=2)
        model = hf.SwinModel(config)
    model.eval().save_pretrained(tmp_path / kind)
    hf.ViTImageProcessor(size=size).save_pretrained(tmp_path / kind)
    found = VisionEncoder(tmp_path / kind).encode([photos / "red.jpg"])
    from PIL import Image

    with torch.no_grad():
        pixels = hf.ViTImageProcessor(size=size)(images=[Image.open(photos / "red.jpg")], return_tensors="pt")
        if kind == "clip":
            wanted = model.visual_projection(model.vision_model(**pixels).pooler_output)
        else:
            wanted = model(**pixels).last_hidden_state
            wanted = wanted.flatten(2).mean(2) if kind == "convnext" else wanted.mean(1)
    assert found.shape == (1, 8)
    np.testing.assert_allclose(found, wanted.numpy(), atol=1e-5)


def test_a_local_folder_needs_no_network(vision_folder: Path, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder must not ask a hub for files that a local folder does not have."""

    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert VisionEncoder(vision_folder).encode([photos / "red.jpg"]).any()


def test_an_image_that_cannot_be_read_is_named_and_counts_as_missing(
    vision_folder: Path, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Crawled catalogues hold empty and half files; an hour's work must not end at the first."""
    (photos / "red.jpg").write_bytes(b"")
    (photos / "green.png").write_bytes((photos / "green.png").read_bytes()[:60])
    with caplog.at_level(logging.WARNING, "ckd_plugins"):
        found = VisionEncoder(vision_folder, batch_size=2).encode(files(photos))
    names = [f.name for f in files(photos)]
    assert [bool(v.any()) for v in found] == [n not in ("red.jpg", "green.png") for n in names]
    assert "2 of 4 cannot be read and count as missing: 'green.png', 'red.jpg'" in caplog.text
    with pytest.raises(DataError, match="none of 1 image files can be read"):
        VisionEncoder(vision_folder).encode([photos / "red.jpg"])


def test_identity_follows_the_weights(vision_folder: Path, tmp_path: Path) -> None:
    """A cache that is keyed by the path would give one model's vectors for another's."""
    other = tmp_path / "other"
    shutil.copytree(vision_folder, other)
    assert VisionEncoder(other).identity == VisionEncoder(vision_folder).identity
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    assert VisionEncoder(other).identity != VisionEncoder(vision_folder).identity


def test_what_cannot_be_loaded_says_so_in_one_line(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong folder, a name that no hub has while offline, and missing packages are the user's to mend."""
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    for model in (str(tmp_path / "empty"), "nobody/nothing"):
        encoder = VisionEncoder(model)
        with pytest.raises(DataError, match="cannot be loaded") as caught:
            encoder.encode([photos / "red.jpg"])
        assert "\n" not in str(caught.value)
    stock = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "PIL":
            raise ImportError(name)
        return stock(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[image\]'"):
        VisionEncoder(tmp_path).encode([photos / "red.jpg"])
