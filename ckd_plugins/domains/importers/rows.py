"""Rows of CSV and Parquet files, a few thousand in memory at once."""

from __future__ import annotations

import csv
import io
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.reading import MALFORMED, TELL, reason, unpacked
from ckd_plugins.errors import DataError, EnvironmentProblem

__all__ = ["column_names", "read_rows"]

T = TypeVar("T")
Row = tuple[Any, ...]


def column_names(path: Path, separator: str | None = None) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        DataError: it cannot be read.
        EnvironmentProblem: it is Parquet and there is no pyarrow.
    """
    if path.suffix == ".parquet":
        with _parquet(path) as file:
            return list(file.schema_arrow.names)
    try:
        with path.open("rb") as raw:
            return next(_reader(raw, path, separator), [])
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from error


def read_rows(
    path: Path, columns: Sequence[str], parse: Callable[[Row], T], log: ImportLog, separator: str | None = None
) -> Iterator[T]:
    """Yield what ``parse`` makes of the named columns' values in each row; malformed rows count as malformed lines.

    Values are strings in CSV and Python's in Parquet, whose rows are numbered from 1.

    Args:
        path: the file.
        columns: names; all are there.
        parse: as for :func:`~ckd_plugins.domains.importers.read_lines`.
        log: counts rows.
        separator: of CSV.

    Raises:
        DataError: the file cannot be read, or more of it is malformed than the log allows.
    """
    read = _parquet_rows if path.suffix == ".parquet" else _csv_rows
    for number, values in read(path, columns, log, separator):
        file = log.current
        file.lines = number
        try:
            if isinstance(values, csv.Error):
                raise values
            parsed = parse(values)
        except (*MALFORMED, csv.Error) as error:
            file.flag(reason(error))
            continue
        yield parsed
    log.check()


def _csv_rows(
    path: Path, columns: Sequence[str], log: ImportLog, separator: str | None
) -> Iterator[tuple[int, Row | csv.Error]]:
    try:
        with path.open("rb") as raw, log.task(f"reading {path.name}", path.stat().st_size) as advance:
            log.open(path)
            reader = _reader(raw, path, separator)
            names: list[str] = next(reader, [])
            places = [names.index(column) for column in columns]
            while True:
                try:
                    row = next(reader)
                except StopIteration:
                    break
                except csv.Error as error:
                    yield reader.line_num, error
                    continue
                if not reader.line_num % TELL:
                    advance(raw.tell(), f"{reader.line_num:,} lines")
                if len(row) == len(names):
                    yield reader.line_num, tuple(row[place] for place in places)
                elif row:
                    yield reader.line_num, csv.Error(f"{len(row)} columns, not {len(names)}")
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}; fetch it again") from error


def _reader(raw: Any, path: Path, separator: str | None) -> Any:
    # What is no UTF-8 becomes lone surrogates, which no token may have and which texts lose.
    text = io.TextIOWrapper(unpacked(raw), encoding="utf-8-sig", errors="surrogateescape", newline="")
    return csv.reader(text, delimiter=separator or ("\t" if ".tsv" in path.suffixes else ","))


def _parquet_rows(path: Path, columns: Sequence[str], log: ImportLog, _: str | None) -> Iterator[tuple[int, Row]]:
    number = 0
    with _parquet(path) as file, log.task(f"reading {path.name}", file.metadata.num_rows) as advance:
        log.open(path)
        for batch in file.iter_batches(columns=list(dict.fromkeys(columns)), batch_size=TELL):
            values = batch.to_pydict()
            for row in zip(*(values[column] for column in columns), strict=True):
                number += 1
                yield number, row
            advance(number, f"{number:,} rows")


def _parquet(path: Path) -> Any:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise EnvironmentProblem(f"{path.name} needs pyarrow: pip install 'ckd-plugins[parquet]'") from None
    try:
        return parquet.ParquetFile(path, pre_buffer=False)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path} is no whole Parquet file: {str(error).partition(chr(10))[0]}") from error
