"""A vision model of a few thousand weights and a few coloured images, made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (20, 40, 210), "grey/dark": (40, 40, 40)}


@pytest.fixture(scope="session")
def vision_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT with one layer and random weights."""
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    folder = tmp_path_factory.mktemp("vit")
    torch.manual_seed(0)
    config = ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=16, patch_size=8
    )
    ViTModel(config).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """``red.jpg``, ``green.png``, ``blue.webp`` and ``grey/dark.JPG``, of different sizes."""
    from PIL import Image

    suffixes = (".jpg", ".png", ".webp", ".JPG")
    rng = np.random.default_rng(0)
    for n, ((name, colour), suffix) in enumerate(zip(COLOURS.items(), suffixes, strict=True)):
        pixels = np.clip(np.array(colour) + rng.integers(-20, 20, (20 + n, 30, 3)), 0, 255).astype(np.uint8)
        path = tmp_path / "photos" / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path / "photos"
