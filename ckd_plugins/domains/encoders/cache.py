"""Encodings of a domain's texts (and other vectors), kept on disk between runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from time import monotonic

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.encoders.store import VectorStore, save_whole, text_keys
from ckd_plugins.errors import DataError

__all__ = ["encode_domain", "kept"]

Float32 = npt.NDArray[np.float32]

_BLOCK = 128  # texts that are encoded together; progress is reported after each block
_SECONDS = 10.0  # what a killed run loses at most, about


def encode_domain(
    domain: Domain, encoder: TextEncoder, cache_dir: str | Path | None = None
) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Return the vectors of a domain's item texts, and which items have one.

    Equal texts are encoded once. With ``cache_dir`` only texts that this encoder has not met before are encoded,
    whichever domain it met them in; what is done is stored every ten seconds, and a run that was killed goes on there.

    Returns:
        ``float32 [n_items, dim]``, zeros where there is no text, and ``bool [n_items]``, whether there is a vector. A
        text for which the encoder gives zeros, as where it knows none of its words, counts as none: its items would
        all be the same.

    Raises:
        DataError: if no item has a text, or the encoder gives anything but one finite vector a text.
    """
    texts = list(dict.fromkeys(t for t in domain.text if t is not None))
    vectors = _encode(texts, encoder, Path(cache_dir) if cache_dir is not None else None)
    if not vectors.any():
        raise DataError(
            f"domain {domain.name!r}: no item has a text that {encoder.name!r} reads; name its columns in text_fields, "
            f"or use another teacher"
        )
    row = {t: i for i, t in enumerate(texts)}
    encoded = np.zeros((domain.n_items, encoder.dim), dtype=np.float32)
    encoded[domain.has_text] = vectors[[row[t] for t in domain.text if t is not None]]
    return encoded, (encoded != 0).any(axis=1)


def _encode(texts: list[str], encoder: TextEncoder, cache_dir: Path | None) -> Float32:
    vectors, found = np.zeros((len(texts), encoder.dim), dtype=np.float32), np.zeros(len(texts), dtype=bool)
    store, keys = None, text_keys(texts)
    if cache_dir is not None:
        store = VectorStore(cache_dir / _folder(encoder), encoder.dim)
        vectors, found = store.read(keys)
    missing = np.flatnonzero(~found)
    if not len(missing):
        return vectors
    new: list[npt.NDArray[np.int64]] = []
    begun, left = monotonic(), len(missing)
    for chosen, made in encoder.encode_blocks([texts[i] for i in missing], _BLOCK):
        at = missing[chosen]
        vectors[at] = _checked(encoder, [texts[i] for i in at], made)
        new.append(at)
        left -= len(at)
        if store is not None and (not left or monotonic() - begun >= _SECONDS):
            rows = np.concatenate(new)
            store.write(keys[rows], vectors[rows])
            new, begun = [], monotonic()
    return vectors


def _checked(encoder: TextEncoder, texts: Sequence[str], made: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """The vectors, if they are what an encoder must give."""
    vectors = np.asarray(made)
    if vectors.shape != (len(texts), encoder.dim):
        raise DataError(
            f"text encoder {encoder.name!r} gave an array {list(vectors.shape)} where [{len(texts)}, {encoder.dim}] is "
            f"due; mend the encoder or choose another"
        )
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        raise DataError(
            f"text encoder {encoder.name!r} gave NaN or infinite values for {texts[int(bad.argmax())][:60]!r}; "
            f"choose another model or get its weights anew"
        )
    return vectors


def _folder(encoder: TextEncoder) -> str:
    """The encoder's folder in the cache; a plugin's name and identity may hold what no file name can."""
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in encoder.name)
    return f"{safe}-{blake2b(encoder.identity.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"


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
    save_whole({"vectors": vectors}, path)
    return vectors
