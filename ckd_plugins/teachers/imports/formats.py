"""From a path to blocks of rows: the format by the suffix, pickles refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.arrays import ARRAY_FORMATS, ArrayFile, open_arrays
from ckd_plugins.teachers.imports.block import BLOCK_ROWS, Block
from ckd_plugins.teachers.imports.parquet import parquet_blocks
from ckd_plugins.teachers.imports.text import read_ids, table_blocks
from ckd_plugins.teachers.imports.tokens import Numbers, Tokens, bounds

__all__ = ["Source"]

_TABLES = {".parquet": parquet_blocks, ".csv": table_blocks, ".tsv": table_blocks}
_PICKLES = (".pkl", ".pickle", ".df", ".joblib", ".p")


@dataclass(frozen=True)
class Source:
    """A file, and the files that a file of numbers alone needs.

    Raises:
        DataError: the format is unknown, or a pickle, which could run anything when it is opened.
    """

    path: str
    row_ids: str | None = None
    """Whose the rows of a file of arrays are, where it does not say."""
    item_ids: str | None = None
    """What the numbers of items in a file of lists stand for, where it does not say."""
    scores: str | None = None
    """A second file of arrays with the scores of the lists in the first."""

    def __post_init__(self) -> None:
        for path in filter(None, (self.path, self.scores)):
            _refuse(Path(path).expanduser())
        if Path(self.path).suffix in _TABLES:
            for name in ("row_ids", "item_ids", "scores"):
                if getattr(self, name) is not None:
                    raise DataError(
                        f"{self.path}: a table names its rows and items itself; {getattr(self, name)!r} has no use "
                        f"beside it, leave it out"
                    )

    def vectors(self, *kinds: str) -> Iterator[Block]:
        """Yield blocks with a ``vector``, and one of the kinds to say whose it is."""
        path = Path(self.path).expanduser()
        if path.suffix in _TABLES:
            yield from _tabled(path, (*kinds, "vector"))
            return
        file = open_arrays(path)
        vectors = _one(file, path, "vector", 2)
        kind, names = self._names(file, path, kinds)
        _same_rows(path, names, vectors.shape[0])
        for start in range(0, vectors.shape[0], BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            part = Numbers.of(_floats(path, vectors[rows]))
            yield Block(path.name, start, {kind: names.part(start, start + len(part))}, {"vector": part})

    def lists(self) -> Iterator[Block]:
        """Yield blocks with ``user`` or ``history``, and ``item`` [and ``score``] or ``items`` [and ``scores``]."""
        path, kinds = Path(self.path).expanduser(), ("user", "history")
        if path.suffix in _TABLES:
            yield from _tabled(path, (*kinds, "item", "items", "score", "scores"))
            return
        file = open_arrays(path)
        kind, names = self._names(file, path, kinds)
        if "items" in file.tokens:
            yield from self._words(file, path, kind, names)
            return
        items = _one(file, path, "items", 2)
        _same_rows(path, names, items.shape[0])
        words, scores = self._catalogue(file, path), self._scores(file, items.shape)
        for start in range(0, items.shape[0], BLOCK_ROWS):
            rows = slice(start, start + BLOCK_ROWS)
            codes = _codes(path, items[rows], start, len(words))
            filled = codes >= 0
            tokens = {
                kind: names.part(start, start + len(codes)),
                "items": Tokens(codes[filled], words, bounds(filled.sum(1))),
            }
            numbers = {}
            if scores is not None:
                flat = _floats(path, scores[rows])[filled]
                numbers["scores"] = Numbers(flat, bounds(filled.sum(1)))
            yield Block(path.name, start, tokens, numbers)

    def _words(self, file: ArrayFile, path: Path, kind: str, names: Tokens) -> Iterator[Block]:
        """Lists whose items are written out."""
        items = file.tokens["items"]
        _same_rows(path, names, len(items))
        width = int(items.lengths.max(initial=0))
        scores = self._scores(file, (len(items), width))
        for start in range(0, len(items), BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, len(items))
            part = items.part(start, stop)
            numbers = {}
            if scores is not None:
                filled = np.arange(scores.shape[1]) < part.lengths[:, None]
                numbers["scores"] = Numbers(_floats(path, scores[slice(start, stop)])[filled], part.offsets)
            yield Block(path.name, start, {kind: names.part(start, stop), "items": part}, numbers)

    def _names(self, file: ArrayFile, path: Path, kinds: tuple[str, ...]) -> tuple[str, Tokens]:
        given = self.row_ids if "item" not in kinds else self.item_ids
        option = "row_ids" if "item" not in kinds else "item_ids"
        found = [kind for kind in kinds if kind in file.tokens]
        if given is not None and not found:
            return read_ids(Path(given), *kinds)
        if given is None and len(found) == 1:
            return found[0], file.tokens[found[0]]
        wanted = " or ".join(map(repr, kinds))
        if given is not None:
            raise DataError(f"{path}: it names its rows itself ({found[0]!r}); leave {option} out")
        raise DataError(
            f"{path} does not say whose its rows are: numbers that another program gave mean nothing here; put tokens "
            f"under {wanted} in the file, or set {option} to a text file whose first line is {wanted} and whose other "
            f"lines are the tokens, in the order of the rows"
        )

    def _catalogue(self, file: ArrayFile, path: Path) -> tuple[str, ...]:
        if self.item_ids is not None:
            tokens = read_ids(Path(self.item_ids), "item")[1]
        elif "item" in file.tokens:
            tokens = file.tokens["item"]
        else:
            raise DataError(
                f"{path} lists items by numbers of its own; put their tokens under 'item' in the file, or set item_ids "
                f"to a text file whose first line is 'item' and whose other lines are the tokens of items 0, 1, 2 ..."
            )
        return tuple(tokens.vocabulary[c] for c in tokens.codes)

    def _scores(self, file: ArrayFile, shape: tuple[int, ...]) -> Any:
        if self.scores is None:
            found = file.arrays.get("scores")
        else:
            path = Path(self.scores).expanduser()
            found = _one(open_arrays(path), path, "scores", 2)
        if found is not None and tuple(found.shape) != tuple(shape):
            raise DataError(
                f"{self.scores or self.path}: scores are {list(found.shape)} and lists {list(shape)}; give one score "
                f"for each listed item"
            )
        return found


def _refuse(path: Path) -> None:
    known = (*_TABLES, *ARRAY_FORMATS)
    pickled = path.suffix in _PICKLES
    if not pickled and path.suffix not in known and path.is_file():
        with path.open("rb") as stream:
            pickled = stream.read(1) == b"\x80"  # how every pickle of protocol 2 and later begins
    if pickled:
        raise DataError(
            f"{path} is a pickle: opening it can run any program, so it is not opened; if you trust it, convert it: "
            f"x = pickle.load(open({path.name!r}, 'rb')); numpy.save('it.npy', numpy.asarray(x)); and give it.npy"
        )
    if path.suffix not in known:
        raise DataError(f"{path}: unknown format {path.suffix!r} (known: {', '.join(known)}); convert the file")


def _tabled(path: Path, wanted: tuple[str, ...]) -> Iterator[Block]:
    if not path.is_file():
        raise DataError(f"{path} does not exist; give a file that does")
    yield from _TABLES[path.suffix](path, wanted)


def _one(file: ArrayFile, path: Path, name: str, dimensions: int) -> Any:
    """The array of a name, or the only one of a file that has no names."""
    found = file.arrays.get(name, file.arrays.get(""))
    if found is None:
        there = ", ".join(map(repr, (*file.arrays, *file.tokens))) or "nothing"
        raise DataError(f"{path} has no array {name!r} (it has {there}); rename the array")
    if len(found.shape) != dimensions or 0 in found.shape:
        raise DataError(f"{path}: {name} is {list(found.shape)}; it must be [rows, ...] with {dimensions} dimensions")
    return found


def _same_rows(path: Path, names: Tokens, rows: int) -> None:
    if len(names) != rows:
        raise DataError(f"{path} has {rows} rows and {len(names)} names of rows; give one name a row, in their order")


def _floats(path: Path, array: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path} holds {array.dtype}; it must hold numbers")
    return np.asarray(array, dtype=np.float32)


def _codes(path: Path, array: npt.NDArray[Any], first: int, items: int) -> npt.NDArray[np.int64]:
    """Numbers of items; what is below 0 fills short lists."""
    if array.dtype.kind not in "fiu":
        raise DataError(f"{path} holds {array.dtype}; lists of items must hold whole numbers")
    with np.errstate(invalid="ignore"):  # NaN becomes some number, and is found by not being equal to it
        codes: npt.NDArray[np.int64] = array.astype(np.int64)
    wrong = (codes >= items) | (codes != array)
    if wrong.any():
        row, place = np.argwhere(wrong)[0]
        raise DataError(
            f"{path}: row {first + row} lists item {array[row, place]:g}, and there are tokens for items 0 to "
            f"{items - 1}; give the tokens of all items, in the order of their numbers"
        )
    return codes
