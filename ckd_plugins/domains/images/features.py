"""Image vectors of a domain's items, and how many items have one."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.images.base import ImageSource, first_few
from ckd_plugins.domains.images.encoder import VisionEncoder
from ckd_plugins.domains.images.folder import FolderSource
from ckd_plugins.domains.images.vectors import VectorSource
from ckd_plugins.errors import ConfigError, DataError

__all__ = ["image_features", "open_images"]

Float32 = npt.NDArray[np.float32]

_log = logging.getLogger("ckd_plugins")


def open_images(
    path: str | Path, encoder: Callable[[], VisionEncoder] | None = None, cache_dir: str | Path | None = None
) -> ImageSource:
    """Return the source of image vectors that lies at a path.

    Args:
        path: what :class:`VectorSource` reads, or a folder of image files (:class:`FolderSource`).
        encoder: gives the vision model for image files; called for those only.
        cache_dir: where vectors of image files are kept between runs.

    Raises:
        ConfigError: if it is a folder of image files and there is no encoder.
        DataError: if nothing is there, or it can be read as neither.
    """
    path = Path(path).expanduser()
    if not path.exists():
        raise DataError(f"images: {str(path)!r} does not exist; give a file or folder that does")
    if path.is_file() or (path / "vectors.npy").is_file():
        return VectorSource(path)
    if encoder is None:
        raise ConfigError(f"images: {str(path)!r} is a folder of image files; name a vision model in image_encoder")
    return FolderSource(path, encoder(), cache_dir)


def image_features(domain: Domain, source: ImageSource) -> Float32 | None:
    """Return ``float32 [n_items, d]``, zeros for items without an image; ``None`` if no item has one.

    How many items have one is logged, a warning if not all do, with the first of those that have none and of the
    images that belong to no item.

    Raises:
        DataError: as :meth:`ImageSource.vectors`.
    """
    given = set(source.tokens)
    rows = [i for i, token in enumerate(domain.items) if token in given]
    vectors = None
    if rows:
        found = source.vectors([domain.items[i] for i in rows])
        vectors = np.zeros((domain.n_items, found.shape[1]), np.float32)
        vectors[rows] = found
    has_image = vectors.any(axis=1) if vectors is not None else np.zeros(domain.n_items, bool)
    missing = [domain.items[i] for i in np.flatnonzero(~has_image)]
    known = set(domain.items)
    strange = [token for token in source.tokens if token not in known]
    words = f"images of {domain.name!r} from {source.where}: {int(has_image.sum())} of {domain.n_items} items have one"
    if missing:
        words += f"; none for {first_few(missing)}"
    if strange:
        words += f"; no item for {first_few(strange)}"
    _log.log(logging.WARNING if missing else logging.INFO, "%s", words)
    return vectors if has_image.any() else None
