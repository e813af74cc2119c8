"""Vectors on disk by the text that they belong to, for one encoder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from hashlib import blake2b
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import numpy.typing as npt
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ckd_plugins.errors import DataError

__all__ = ["VectorStore", "text_keys"]

Float32 = npt.NDArray[np.float32]
Keys = npt.NDArray[np.void]

_KEY = np.dtype("V16")


def text_keys(texts: Sequence[str]) -> Keys:
    """Return a stable 128-bit hash of each text (BLAKE2b of its UTF-8 bytes), ``V16 [n]``."""
    digests = (blake2b(t.encode("utf-8", "surrogatepass"), digest_size=16).digest() for t in texts)
    return np.frombuffer(b"".join(digests), dtype=_KEY)


class VectorStore:
    """A folder of shards, each written whole and never changed: it only grows, and holds what was done when killed.

    A shard is a safetensors file of ``keys`` (``uint8 [n, 16]``) and ``vectors`` (``float32 [n, dim]``), with a checksum
    of both. Readers need no lock. A shard that is damaged is removed when it is read: its texts are then missing.

    Args:
        folder: the folder; made by the first write.
        dim: size of the vectors.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder, self.dim = folder, dim

    def read(self, keys: Keys) -> tuple[Float32, npt.NDArray[np.bool_]]:
        """Return ``float32 [n, dim]``, zeros for what is missing, and ``bool [n]``, what is there."""
        vectors = np.zeros((len(keys), self.dim), dtype=np.float32)
        found = np.zeros(len(keys), dtype=bool)
        place = {key.tobytes(): i for i, key in enumerate(keys)}
        for path in sorted(self.folder.glob("*.safetensors")):
            if found.all():
                break
            try:
                rows, wanted, stored = self._matches(path, place)
            except FileNotFoundError:
                continue  # another process found it damaged
            except (SafetensorError, OSError, ValueError):
                with suppress(OSError):
                    path.unlink(missing_ok=True)
                continue
            vectors[wanted], found[wanted] = stored[rows], True
        return vectors, found

    def _matches(self, path: Path, place: dict[bytes, int]) -> tuple[list[int], list[int], Float32]:
        """Rows of a shard that are wanted, their places in the result, and the shard's vectors."""
        with safe_open(path, "np") as shard:
            keys = np.ascontiguousarray(shard.get_tensor("keys"))
            raw = keys.tobytes()
            pairs = [(row, place.get(raw[16 * row : 16 * row + 16])) for row in range(len(keys))]
            hits = [(row, i) for row, i in pairs if i is not None]
            if not hits:
                return [], [], np.zeros((0, self.dim), np.float32)
            vectors: Float32 = shard.get_tensor("vectors")
            if vectors.shape != (len(keys), self.dim) or shard.metadata() != _seal(keys, vectors):
                raise ValueError(f"{path} is damaged")
            return [row for row, _ in hits], [i for _, i in hits], vectors

    def write(self, keys: Keys, vectors: Float32) -> None:
        """Add vectors, ``float32 [n, dim]``; they count once they are on the disk as a whole.

        Raises:
            DataError: the folder cannot be written.
        """
        raw = keys.view(np.uint8).reshape(-1, _KEY.itemsize)
        temporary: Path | None = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as part:
                temporary = Path(part.name)
            save_file({"keys": raw, "vectors": vectors}, temporary, metadata=_seal(raw, vectors))
            temporary.replace(self.folder / f"{blake2b(raw.tobytes(), digest_size=16).hexdigest()}.safetensors")
        except (OSError, SafetensorError) as error:
            raise DataError(f"item vectors cannot be written to {self.folder} ({error}); free space there") from error
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from encoding at the same time: they would encode the same texts."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "writer.lock"):
            for part in self.folder.glob("*.part"):  # of a writer that was killed
                part.unlink(missing_ok=True)
            yield


def _seal(keys: npt.NDArray[np.uint8], vectors: Float32) -> dict[str, str]:
    digest = blake2b(keys.tobytes(), digest_size=16)
    digest.update(np.ascontiguousarray(vectors))
    return {"blake2b": digest.hexdigest()}
