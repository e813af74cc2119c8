"""A domain's item texts as vectors: each text encoded once, and kept on disk between runs."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.domains.encoders.store import VectorStore, text_keys
from ckd_plugins.errors import DataError

__all__ = ["encode_domain"]

Float32 = npt.NDArray[np.float32]

_BLOCK = 4096
"""Texts that are encoded before they are stored: what a killed run loses at most."""
_SHOWN = 60  # characters of a text in a message


def encode_domain(
    domain: Domain, encoder: TextEncoder, cache_dir: str | Path | None = None
) -> tuple[Float32, npt.NDArray[np.bool_]]:
    """Return the vectors of a domain's item texts, and which items have one.

    Equal texts are encoded once. With ``cache_dir`` only texts that this encoder has not met before are encoded, in
    whichever domain it met them; they are stored in blocks of 4,096, so that a run that was killed goes on from there.

    Returns:
        ``float32 [n_items, dim]``, zeros where there is no text, and ``bool [n_items]``, whether there is a vector. A
        text for which the encoder gives zeros, as where it knows none of the words, counts as none.

    Raises:
        DataError: if no item has a text, or the encoder gives something else than a finite vector a text.
    """
    texts = list(dict.fromkeys(t for t in domain.text if t is not None))
    vectors = _encode(texts, encoder, Path(cache_dir) if cache_dir is not None else None)
    if not vectors.any():
        raise DataError(
            f"domain {domain.name!r}: no item has a text; name its columns in text_fields, or use another teacher"
        )
    row = {t: i for i, t in enumerate(texts)}
    encoded = np.zeros((domain.n_items, encoder.dim), dtype=np.float32)
    encoded[domain.has_text] = vectors[[row[t] for t in domain.text if t is not None]]
    return encoded, encoded.any(axis=1)


def _encode(texts: Sequence[str], encoder: TextEncoder, cache_dir: Path | None) -> Float32:
    if not texts:
        return np.zeros((0, encoder.dim), dtype=np.float32)
    if cache_dir is None:
        return _checked(encoder, texts, encoder.encode(texts))
    keys, store = text_keys(texts), VectorStore(cache_dir / _folder(encoder), encoder.dim)
    vectors, found = store.read(keys)
    if found.all():
        return vectors
    with store.alone():
        missing = np.flatnonzero(~found)
        vectors[missing], found[missing] = store.read(keys[missing])  # what another process has done meanwhile
        missing = np.flatnonzero(~found)
        wanted = [texts[i] for i in missing]
        for chosen, made in encoder.encode_blocks(wanted, _BLOCK) if wanted else ():
            at = missing[chosen]
            vectors[at] = _checked(encoder, [texts[i] for i in at], made)
            store.write(keys[at], vectors[at])
    return vectors


def _checked(encoder: TextEncoder, texts: Sequence[str], vectors: npt.ArrayLike) -> Float32:
    """The vectors, if they are what an encoder must give."""
    array = np.asarray(vectors)
    if array.shape != (len(texts), encoder.dim):
        raise DataError(
            f"text encoder {encoder.name!r} gave an array {list(array.shape)} for {len(texts)} texts, where "
            f"[{len(texts)}, {encoder.dim}] is due; mend the encoder or choose another"
        )
    bad = ~np.isfinite(array).all(axis=1)
    if bad.any():
        text = texts[int(np.argmax(bad))]
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "..."
        raise DataError(
            f"text encoder {encoder.name!r} gave NaN or infinite values for {int(bad.sum())} of {len(texts)} texts, "
            f"first for {shown!r}; choose another model or get its weights anew"
        )
    return np.ascontiguousarray(array, dtype=np.float32)


def _folder(encoder: TextEncoder) -> str:
    """The encoder's folder in the cache; a plugin's identity may hold what no file name can."""
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in encoder.name)
    return f"{safe}-{blake2b(encoder.identity.encode('utf-8', 'surrogatepass'), digest_size=8).hexdigest()}"
