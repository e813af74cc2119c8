"""Importers: published data formats, turned into RecBole's atomic files with item texts.

An :class:`Importer` says what is in its files, row by row; :func:`import_dataset` filters and writes. A file a format.
"""

from __future__ import annotations

from ckd_plugins.domains.importers.base import Importer, Interaction, Item
from ckd_plugins.domains.importers.filters import Filters, Step
from ckd_plugins.domains.importers.importing import Summary, import_dataset
from ckd_plugins.domains.importers.log import ImportLog, Malformed
from ckd_plugins.domains.importers.reading import read_lines

__all__ = [
    "Filters",
    "ImportLog",
    "Importer",
    "Interaction",
    "Item",
    "Malformed",
    "Step",
    "Summary",
    "import_dataset",
    "read_lines",
]
