"""Encodings of a domain's texts (and other vectors), kept on disk between runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.errors import DataError

__all__ = ["encode_domain", "kept"]

Float32 = npt.NDArray[np.float32]


def encode_domain(
    domain: Domain, encoder: TextEncoder, cache_dir: str | Path | None = None
) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Return the vectors of a domain's item texts, and which items have one.

    Equal texts are encoded once. With ``cache_dir`` the vectors are read from there when the same texts were encoded by
    the same encoder before; a changed text or encoder has another file, a damaged file is written anew.

    Returns:
        ``float32 [n_items, dim]``, zeros where there is no text, and ``bool [n_items]``, whether there is one.

    Raises:
        DataError: if no item has a text.
    """
    has_text = domain.has_text
    if not has_text.any():
        raise DataError(
            f"domain {domain.name!r}: no item has a text; name its columns in text_fields, or use another teacher"
        )
    texts = list(dict.fromkeys(t for t in domain.text if t is not None))
    vectors = _encode(domain.name, texts, encoder, Path(cache_dir) if cache_dir is not None else None)
    row = {t: i for i, t in enumerate(texts)}
    encoded = np.zeros((domain.n_items, encoder.dim), dtype=np.float32)
    encoded[has_text] = vectors[[row[t] for t in domain.text if t is not None]]
    return encoded, has_text


def _encode(name: str, texts: Sequence[str], encoder: TextEncoder, cache_dir: Path | None) -> Float32:
    if cache_dir is None:
        return encoder.encode(texts)
    digest = blake2b("\0".join([encoder.identity, *texts]).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in name)
    path = cache_dir / f"{safe}.{encoder.name}.{digest}.safetensors"
    return kept(path, lambda shape: shape == (len(texts), encoder.dim), lambda: encoder.encode(texts))


def kept(path: Path, fits: Callable[[tuple[int, ...]], bool], make: Callable[[], Float32]) -> Float32:
    """Return the vectors that a file of :func:`kept` holds; make and write them if there is none, or a damaged one.

    Args:
        path: its name is a digest of everything that decides the vectors.
        fits: whether vectors of a shape can be those that are wanted.
        make: makes them.
    """
    if path.is_file():
        try:
            vectors: Float32 = load_file(path)["vectors"]
        except (SafetensorError, KeyError, OSError):
            vectors = np.zeros((0, 0), dtype=np.float32)
        if fits(vectors.shape):
            return vectors
    vectors = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    # Written beside and renamed: another process sees the whole file or none.
    with NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        temporary = Path(part.name)
    try:
        save_file({"vectors": vectors}, temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return vectors
