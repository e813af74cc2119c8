"""One import, from an importer to a folder of atomic files with a summary."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins._whole import whole_folder
from ckd_plugins.domains.importers.base import Importer, Item
from ckd_plugins.domains.importers.columns import Columns, unfit
from ckd_plugins.domains.importers.filters import Bool, Filters, Step, apply_filters
from ckd_plugins.domains.importers.log import ImportLog
from ckd_plugins.domains.importers.writing import item_row, write_interactions, write_items
from ckd_plugins.errors import DataError

__all__ = ["Summary", "import_dataset"]

CORE = 5
"""The k-core of formats that are not filtered yet."""
_EMPTY = item_row(Item(""))


@dataclass(frozen=True)
class Summary:
    """What an import read, dropped and wrote."""

    folder: str
    users: int
    items: int
    interactions: int
    with_text: int
    """Items that have a text."""
    columns: list[str]
    """Of the ``.inter`` file."""
    steps: list[Step]
    """What each filter dropped, in order."""
    left_out: dict[str, int]
    """What the importer left out by itself, by reason."""
    files: list[dict[str, Any]]
    """Of each file: path, lines, malformed lines, and the first of these by number."""
    filters: dict[str, Any]
    seconds: float


def import_dataset(
    importer: Importer, out: str | Path, filters: Filters | None = None, log: ImportLog | None = None
) -> Summary:
    """Write a format's interactions and texts as RecBole's atomic files.

    ``<out>/<name>.inter`` has ``user_id``, ``item_id``, ``rating`` (if every interaction has one) and ``timestamp``;
    ``<name>.item`` has ``item_id``, ``title``, ``brand`` and ``categories``; ``<name>.import.json`` has the summary.
    RecBole's leave-one-out by time takes each user's last two interactions. The folder appears when it is whole.

    Args:
        importer: the format, with its paths.
        out: the folder to make; its name is the dataset's.
        filters: what to keep.
        log: what is allowed and where progress is shown.

    Raises:
        DataError: the folder is there, a file is missing or not of the format, or nothing is left.
    """
    out, started = Path(out).expanduser().absolute(), time.perf_counter()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} is there already; name another folder, or remove it")
    filters, log = filters or Filters(), log or ImportLog()
    if filters.k_core is None:
        filters = replace(filters, k_core=0 if importer.prepared else CORE)
    columns = Columns()
    columns.extend(importer.interactions(log), log)
    log.check()
    if not len(columns):
        raise DataError(f"no interactions in {', '.join(map(str, importer.sources())) or 'the input'}; is it empty?")
    rows, steps = apply_filters(columns, filters, _has_text(importer, columns, log) if filters.need_text else None)
    texts = _texts(importer, columns, rows, log, whole=importer.prepared and not filters.k_core)
    log.check()
    try:
        with whole_folder(out) as folder:
            names = write_interactions(folder / f"{out.name}.inter", columns, rows, positions=importer.prepared)
            write_items(folder / f"{out.name}.item", texts)
            summary = Summary(
                folder=str(out),
                users=steps[-1].users,
                items=len(texts),
                interactions=len(rows),
                with_text=sum(row != _EMPTY for row in texts.values()),
                columns=names,
                steps=steps,
                left_out=dict(log.left_out),
                files=[asdict(file) for file in log.files],
                filters=asdict(filters),
                seconds=round(time.perf_counter() - started, 2),
            )
            about = json.dumps(asdict(summary), indent=2)
            (folder / f"{out.name}.import.json").write_text(about + "\n", encoding="utf-8")
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror or error}; nothing is left there") from error
    return summary


def _has_text(importer: Importer, columns: Columns, log: ImportLog) -> Bool:
    found = np.zeros(len(columns.items), dtype=bool)
    for item in importer.items(log):
        number = columns.items.get(item.token)
        if number is not None and not found[number]:
            found[number] = item_row(item) != _EMPTY
    return found


def _texts(importer: Importer, columns: Columns, rows: Any, log: ImportLog, whole: bool) -> dict[str, str]:
    """Lines of the item file by token, in the order in which kept items first occur.

    For prepared formats in the order of the catalogue, and with ``whole`` of all its items.
    """
    _, first = np.unique(columns.item[rows], return_index=True)
    tokens = list(columns.items)
    kept = {tokens[columns.item[rows[at]]]: _EMPTY for at in np.sort(first)}
    found: dict[str, str] = {}
    repeated = 0
    for item in importer.items(log):
        if item.token in kept or (whole and unfit("item", item.token) is None):
            repeated += item.token in found
            found.setdefault(item.token, item_row(item))
    if repeated:
        log.left_out["item described again (the first counts)"] = repeated
    return {**found, **{t: r for t, r in kept.items() if t not in found}} if importer.prepared else {**kept, **found}
