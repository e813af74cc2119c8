from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from ckd_plugins.domains import Domain
from ckd_plugins.domains.images.encoder import VisionEncoder
from ckd_plugins.domains.images.features import image_features, open_images
from ckd_plugins.errors import ConfigError, DataError


def shop(*tokens: str) -> Domain:
    return Domain.from_interactions("shop", ["u"], [tokens[0]], texts=dict.fromkeys(tokens, "x"))


def vectors(path: Path, tokens: list[str], rows: np.ndarray) -> Path:
    np.savez(path / "v.npz", tokens=np.array(tokens), vectors=rows)
    return path / "v.npz"


def test_items_get_their_own_and_the_rest_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A catalogue whose ids are spelt in another way would train as if it had no images, in silence."""
    rows = np.arange(1, 13, dtype=np.float32).reshape(4, 3)
    rows[2] = 0  # an image that is none
    source = open_images(vectors(tmp_path, ["b", "other", "e", "a"], rows))
    with caplog.at_level(logging.INFO, "ckd_plugins"):
        found = image_features(shop("a", "b", "c", "d", "e", "f", "g"), source)
    assert found is not None
    np.testing.assert_array_equal(found, [rows[3], rows[0], *np.zeros((5, 3))])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == (
        f"images of 'shop' from {tmp_path / 'v.npz'}: 2 of 7 items have one; none for 'c', 'd', 'e' and 2 more; "
        f"no item for 'other'"
    )


def test_a_whole_catalogue_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Warnings that always come are not read; images of other shops are usual."""
    source = open_images(vectors(tmp_path, ["a", "b", "z"], np.ones((3, 2))))
    with caplog.at_level(logging.INFO, "ckd_plugins"):
        image_features(shop("a", "b"), source)
    assert [(r.levelname, "2 of 2 items" in r.getMessage()) for r in caplog.records] == [("INFO", True)]


def test_none_at_all(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing matches, or only vectors of zeros do: both are no images, not images of black."""
    for tokens in (["y", "z"], ["a", "b"]):
        assert image_features(shop("a", "b"), open_images(vectors(tmp_path, tokens, np.zeros((2, 2))))) is None
        assert "0 of 2 items have one; none for 'a', 'b'" in caplog.text


def test_a_path_leads_to_its_reader(photos: Path, vision_folder: Path, tmp_path: Path) -> None:
    """Files of images need a model, and only they: loading one for vectors would ask for packages in vain."""

    def unwanted() -> VisionEncoder:
        raise AssertionError("asked for a vision model")

    assert open_images(vectors(tmp_path, ["a"], np.ones((1, 2))), unwanted).tokens == ("a",)
    np.save(tmp_path / "vectors.npy", np.ones((1, 2)))
    (tmp_path / "tokens.txt").write_text("b\n")
    assert open_images(tmp_path, unwanted).tokens == ("b",)
    source = open_images(photos, lambda: VisionEncoder(vision_folder), tmp_path / "cache")
    found = image_features(shop("red", "blue", "pink", "grey/dark"), source)
    assert found is not None
    assert found.any(axis=1).tolist() == [True, True, False, True]
    with pytest.raises(ConfigError, match="is a folder of image files; name a vision model in image_encoder"):
        open_images(photos)
    with pytest.raises(DataError, match=r"'.*nowhere' does not exist"):
        open_images(tmp_path / "nowhere")
