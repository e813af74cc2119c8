"""Parquet, a part of a row group at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins.errors import DataError, EnvironmentProblem
from ckd_plugins.teachers.imports.block import BLOCK_ROWS, LISTS, TOKENS, Block, canonical
from ckd_plugins.teachers.imports.tokens import Numbers, Tokens, bounds

__all__ = ["parquet_blocks"]


def parquet_blocks(path: Path, wanted: Collection[str]) -> Iterator[Block]:
    """Yield a Parquet file's rows; columns other than the wanted ones are not read.

    Raises:
        EnvironmentProblem: pyarrow is not installed.
        DataError: the file is damaged, or a column is of a type that it cannot be.
    """
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise EnvironmentProblem(
            f"{path.name}: reading Parquet needs pyarrow; pip install 'ckd-plugins[parquet]'"
        ) from error
    try:
        with pq.ParquetFile(path) as file:
            columns = {c: canonical(c) for c in file.schema_arrow.names if canonical(c) in wanted}
            first = 0
            for batch in file.iter_batches(BLOCK_ROWS, columns=list(columns)):
                tokens, numbers = {}, {}
                for column, name in columns.items():
                    where = f"{path.name}: column {column!r}"
                    values, lengths = _flat(batch.column(column), name in LISTS, where, first)
                    if name in TOKENS:
                        tokens[name] = _tokens(values, lengths, where)
                    else:
                        numbers[name] = _numbers(values, lengths, where)
                yield Block(path.name, first, tokens, numbers)
                first += len(batch)
    except pa.ArrowException as error:
        raise DataError(f"{path} is no Parquet file that can be read ({error}); write it again") from error


def _flat(column: Any, several: bool, where: str, first: int) -> tuple[Any, Any]:
    """A column's values in one array, and how many a row has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count:
        row = first + int(np.argmax(pc.is_null(column).to_numpy(zero_copy_only=False)))
        raise DataError(f"{where} is empty in row {row}; leave the row out or fill it in")
    kind = column.type
    nested = pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    if nested != several:
        raise DataError(f"{where} holds {kind}; it must hold {'a list' if several else 'one value'} in each row")
    if not nested:
        return column, None
    values = column.flatten()
    if values.null_count and not pa.types.is_floating(kind.value_type):
        raise DataError(f"{where} has lists with empty places; leave those out")
    return values, pc.list_value_length(column).to_numpy()


def _tokens(values: Any, lengths: Any, where: str) -> Tokens:
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.dictionary_decode()
        kind = values.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_integer(kind)):
        raise DataError(f"{where} holds {kind}; tokens are text or whole numbers")
    coded = values.dictionary_encode()
    codes = coded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    offsets = np.arange(len(codes) + 1) if lengths is None else bounds(lengths)
    return Tokens(codes, [str(t) for t in coded.dictionary.to_pylist()], offsets)


def _numbers(values: Any, lengths: Any, where: str) -> Numbers:
    import pyarrow as pa

    if not (pa.types.is_floating(values.type) or pa.types.is_integer(values.type)):
        raise DataError(f"{where} holds {values.type}; it must hold numbers")
    flat = values.to_numpy(zero_copy_only=False).astype(np.float32)
    return Numbers(flat, np.arange(len(flat) + 1) if lengths is None else bounds(lengths))
