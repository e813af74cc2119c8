"""Tables as text, and the files that say whose the rows of a matrix are."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ckd_plugins.errors import DataError
from ckd_plugins.teachers.imports.block import BLOCK_ROWS, LISTS, TOKENS, Block, canonical
from ckd_plugins.teachers.imports.tokens import Numbers, Tokens, bounds

__all__ = ["read_ids", "table_blocks"]


def table_blocks(path: Path, wanted: Collection[str]) -> Iterator[Block]:
    """Yield the rows of a CSV or TSV file with a header; a cell with several values parts them by spaces.

    Raises:
        DataError: the file is malformed; line and column are named.
    """
    tabs = path.suffix == ".tsv"
    try:
        chunks = pd.read_csv(
            path,
            sep="\t" if tabs else ",",
            quoting=csv.QUOTE_NONE if tabs else csv.QUOTE_MINIMAL,
            dtype=str,
            na_filter=False,
            encoding="utf-8-sig",
            chunksize=BLOCK_ROWS,
            index_col=False,
        )
        first = 0
        for chunk in chunks:
            tokens, numbers = {}, {}
            for column in chunk.columns:
                name, cells = canonical(str(column)), chunk[column].to_numpy(dtype=object)
                if name not in wanted:
                    continue
                where = f"{path.name}: column {column!r}"
                values, lengths = _cells(cells, name in LISTS, where, first)
                if name in TOKENS:
                    tokens[name] = Tokens.of(values, lengths)
                else:
                    flat = _floats(values, where)
                    numbers[name] = Numbers(flat, np.arange(len(flat) + 1) if lengths is None else bounds(lengths))
            yield Block(path.name, first, tokens, numbers)
            first += len(chunk)
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(f"{path} is no table with a header ({error}); check delimiter and encoding") from error


def _cells(cells: Any, several: bool, where: str, first: int) -> tuple[Any, Any]:
    empty = np.flatnonzero(cells == "")
    if len(empty):
        raise DataError(f"{where} is empty in row {first + empty[0]}; leave the row out or fill it in")
    if not several:
        return cells, None
    parts = [cell.split() for cell in cells]
    return [value for part in parts for value in part], [len(part) for part in parts]


def _floats(values: Any, where: str) -> Any:
    try:
        return np.asarray(values, dtype=object).astype(np.float32)
    except ValueError as error:
        raise DataError(f"{where} holds no number where one belongs ({error}); mend the row") from error


def read_ids(path: Path, *allowed: str) -> tuple[str, Tokens]:
    """Read whose the rows of a matrix are: a first line that says what they are, then a row a line.

    Args:
        path: the file, UTF-8. The tokens of a history are parted by spaces.
        allowed: what the first line may say, such as ``"user"``.

    Returns:
        What the rows are, and their tokens.

    Raises:
        DataError: the first line says something else, or a line is empty.
    """
    try:
        lines = path.expanduser().read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path} cannot be read as text ({error}); give a file with one token a line") from error
    kind = canonical(lines[0]) if lines else ""
    if kind not in allowed:
        found = repr(lines[0][:40]) if lines else "nothing"
        raise DataError(f"{path}: its first line must be {' or '.join(map(repr, allowed))}, to say what the rows are; "
                        f"it is {found}")
    if "" in lines[1:]:
        raise DataError(f"{path}, line {lines.index('', 1) + 1}: empty; write the token of that row")
    if kind != "history":
        return kind, Tokens.of(lines[1:])
    parts = [line.split() for line in lines[1:]]
    return kind, Tokens.of([token for part in parts for token in part], [len(part) for part in parts])
