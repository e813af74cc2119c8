"""Image vectors from a folder of image files, made once by a vision model."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.content import content_digest
from ckd_plugins.domains.encoders.cache import kept
from ckd_plugins.domains.images.base import ImageSource
from ckd_plugins.domains.images.encoder import VisionEncoder
from ckd_plugins.errors import DataError

__all__ = ["SUFFIXES", "FolderSource", "image_files"]

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")


class FolderSource(ImageSource):
    """The images of a folder, named by item tokens: ``<token>.jpg``, ``.jpeg``, ``.png`` or ``.webp``.

    Args:
        path: the folder; the token ``a/b`` is the file ``b`` in its folder ``a``.
        encoder: the vision model.
        cache_dir: where vectors are kept between runs; ``None`` for nowhere. Other images or another model have other
            vectors, the name and place of the folder do not count.

    Raises:
        DataError: if there is no image, or an item has two.
    """

    def __init__(self, path: str | Path, encoder: VisionEncoder, cache_dir: str | Path | None = None) -> None:
        self.where, self._encoder = str(path), encoder
        self._cache = Path(cache_dir) if cache_dir is not None else None
        self._files = image_files(Path(path))
        self.tokens = tuple(self._files)

    def vectors(self, tokens: Sequence[str]) -> npt.NDArray[np.float32]:
        """See :meth:`ImageSource.vectors`; an image that cannot be read has zeros."""
        files = [self._files[t] for t in tokens]
        if self._cache is None:
            return self._encoder.encode(files)
        parts = [self._encoder.identity, *map(content_digest, files)]
        digest = blake2b("\0".join(parts).encode(), digest_size=16).hexdigest()
        path = self._cache / f"images.{digest}.safetensors"
        return kept(path, lambda shape: len(shape) == 2 and shape[0] == len(files), lambda: self._encoder.encode(files))


def image_files(folder: Path) -> dict[str, Path]:
    """Return the image files below a folder by item token, in the order of their names.

    Raises:
        DataError: as :class:`FolderSource`.
    """
    # Listed, never put together from a token: a token such as ../../secret reaches no file.
    found: dict[str, Path] = {}
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        token = path.relative_to(folder).with_suffix("").as_posix()
        if token in found:
            raise DataError(f"{folder}: {found[token].name} and {path.name} are both of item {token!r}; keep one")
        found[token] = path
    if not found:
        raise DataError(f"{folder} holds no images ({', '.join(SUFFIXES)}) and no vectors.npy; give another folder")
    return found
