"""Measure every student anew and write the package's table: ``python docs/_students.py`` (minutes)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.zoo import model_names
from ckd_plugins.registry import Registry
from ckd_plugins.students.table import read_table, write_table
from ckd_plugins.training.survey import survey


def main(names: list[str]) -> int:
    """Measure some models, or all, and keep the rows of the others."""
    registry = Registry(discover=False)
    kept = {row.name: row for row in read_table()} if names else {}
    with tempfile.TemporaryDirectory() as scratch, recbole_log(Path(scratch)):
        for name in names or [*model_names(), *registry.names("student")]:
            kept[name] = survey(name, Path(scratch), registry)
    write_table(kept.values())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
