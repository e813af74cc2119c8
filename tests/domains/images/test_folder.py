from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.domains.images.encoder import VisionEncoder
from ckd_plugins.domains.images.folder import FolderSource, image_files
from ckd_plugins.errors import DataError

from .conftest import COLOURS


class Counting(VisionEncoder):
    """Knows how many images it was given."""

    def __init__(self, model: Path) -> None:
        super().__init__(model)
        self.given: list[str] = []

    def encode(self, files: Sequence[Path]) -> np.ndarray:
        self.given += [f.name for f in files]
        return super().encode(files)


def test_tokens_are_names_below_the_folder(photos: Path) -> None:
    """Tokens of merged domains have a slash; a token that points outside must reach nothing."""
    (photos.parent / "secret.jpg").write_bytes((photos / "red.jpg").read_bytes())
    (photos / "notes.txt").write_text("no image")
    assert set(image_files(photos)) == set(COLOURS)


def test_two_images_of_one_item_are_refused(photos: Path) -> None:
    """Which of them is read would depend on the file system."""
    shutil.copy(photos / "red.jpg", photos / "red.png")
    with pytest.raises(DataError, match=r"red\.jpg and red\.png are both of item 'red'"):
        image_files(photos)
    with pytest.raises(DataError, match=r"holds no images \(\.jpg.*no vectors\.npy"):
        image_files(photos.parent / "elsewhere")


def test_encoded_once_and_anew_when_an_image_changes(photos: Path, vision_folder: Path, tmp_path: Path) -> None:
    """A catalogue of images takes an hour on a processor; a stale vector would go unnoticed for ever."""
    encoder, cache = Counting(vision_folder), tmp_path / "cache"
    first = FolderSource(photos, encoder, cache).vectors(["red", "blue"])
    moved = photos.rename(photos.with_name("moved"))
    again = FolderSource(moved, encoder, cache).vectors(["red", "blue"])
    assert encoder.given == ["red.jpg", "blue.webp"]
    np.testing.assert_array_equal(first, again)
    shutil.copy(moved / "grey/dark.JPG", moved / "red.jpg")
    changed = FolderSource(moved, encoder, cache).vectors(["red", "blue"])
    assert len(encoder.given) == 4
    assert not np.allclose(changed[0], first[0])
    np.testing.assert_array_equal(changed[1], first[1])
    np.testing.assert_array_equal(FolderSource(moved, encoder, cache).vectors(["blue", "red"]), changed[::-1])
