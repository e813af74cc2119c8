"""Vectors on disk by the text that they belong to, for one encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ckd_plugins._whole import whole
from ckd_plugins.errors import DataError

__all__ = ["VectorStore", "save_whole", "text_keys"]

Float32 = npt.NDArray[np.float32]
Keys = npt.NDArray[np.uint8]


def text_keys(texts: Sequence[str]) -> Keys:
    """Return a stable 128-bit hash of each text (BLAKE2b of its UTF-8 bytes), ``uint8 [n, 16]``."""
    digests = (blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts)
    return np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, 16)


class VectorStore:
    """A folder of shards, each written whole and never changed: a run that is killed leaves what it has written.

    A shard is a safetensors file of ``keys``, ``uint8 [n, 16]``, and ``vectors``, ``float32 [n, dim]``. There is no
    lock: processes that write at once may write the same vectors twice, under two names.

    Args:
        folder: the folder; made by the first write.
        dim: size of the vectors.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder, self.dim = folder, dim

    def read(self, keys: Keys) -> tuple[Float32, npt.NDArray[np.bool_]]:
        """Return ``float32 [n, dim]``, zeros for what is missing, and ``bool [n]``, what is there.

        A damaged shard is removed, so that its texts count as missing and are written anew.
        """
        vectors = np.zeros((len(keys), self.dim), dtype=np.float32)
        found = np.zeros(len(keys), dtype=bool)
        place = {key.tobytes(): i for i, key in enumerate(keys)}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                with safe_open(path, "np") as shard:
                    stored = (key.tobytes() for key in shard.get_tensor("keys"))
                    rows = {place[key]: row for row, key in enumerate(stored) if key in place}
                    if rows:
                        at = list(rows)
                        vectors[at], found[at] = shard.get_tensor("vectors")[list(rows.values())], True
            except (SafetensorError, ValueError, IndexError):
                with suppress(OSError):
                    path.unlink()
            except OSError:
                continue  # another process has removed it, or it is not ours to read
        return vectors, found

    def write(self, keys: Keys, vectors: Float32) -> None:
        """Add vectors, ``float32 [n, dim]``.

        Raises:
            DataError: the folder cannot be written.
        """
        name = blake2b(keys.tobytes(), digest_size=16).hexdigest()
        save_whole({"keys": keys, "vectors": vectors}, self.folder / f"{name}.safetensors")


def save_whole(tensors: Mapping[str, npt.NDArray[np.generic]], path: Path) -> None:
    """Write a safetensors file: another process sees the whole of it or none.

    Raises:
        DataError: the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole(path) as beside:
            save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, beside)
    except (OSError, SafetensorError) as error:
        raise DataError(
            f"item vectors cannot be written to {path.parent} ({error}); free space there, or set another ckd.cache_dir"
        ) from error
