"""``ckd teacher cache --verify``: are the stores of the cache whole?"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ckd_plugins.errors import SignalError

if TYPE_CHECKING:
    from ckd_plugins.signals.checking import Verdict

__all__ = ["verify_stores"]

_NAME = re.compile(r"(?P<made_for>.+)-[0-9a-f]{16}-[0-9a-f]{12}(-[a-z]+\d+)?")
"""A store's folder: teacher, dataset, and two digests; see ``ckd_plugins.training.teaching``."""


def verify_stores(signals: Path, names: Sequence[str], dataset: str | None, as_json: bool) -> None:
    """Check the stores of a cache and print what was found.

    Args:
        signals: the folder with the stores.
        names: teachers; empty means all.
        dataset: only stores of this one; a folder stands for its name.
        as_json: print JSON.

    Raises:
        SignalError: a store is damaged, with the command that makes it again; or none is there.
    """
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.registry import get_registry
    from ckd_plugins.signals.checking import check_store, stores_in

    registered = get_registry().names("teacher")
    for name in names:
        get_registry().get("teacher", name)
    wanted = None if dataset is None else Path(dataset).resolve().name
    checked: list[tuple[str, str, Verdict]] = []
    for path in stores_in(signals):
        teacher, data = _made_for(path, registered)
        if (names and teacher not in names) or (wanted is not None and data != wanted):
            continue
        checked.append((teacher, data, check_store(path)))
    if not checked:
        asked = "".join([f" of {', '.join(names)}" if names else "", f" on {wanted}" if wanted else ""])
        raise SignalError(f"there is no store{asked} in {signals}; make one with 'ckd teacher cache NAME --dataset D'")
    if as_json:
        told = [
            {
                "store": str(v.path),
                "teacher": teacher,
                "dataset": data,
                "instances": v.manifest.rows if v.manifest else None,
                "bytes": v.nbytes,
                "whole": v.whole,
                "damage": list(v.damage),
                "rebuild": None if v.whole else _rebuild(teacher, data),
            }
            for teacher, data, v in checked
        ]
        click.echo(json.dumps(told, indent=2))
    else:
        rows = [
            (
                teacher,
                data,
                f"{v.manifest.rows:,}" if v.manifest else "",
                f"{v.nbytes / 1e6:.1f} MB",
                "whole" if v.whole else "; ".join(v.damage),
                str(v.path),
            )
            for teacher, data, v in checked
        ]
        print_table(("teacher", "dataset", "instances", "size", "state", "store"), rows)
    damaged = [(teacher, data, v) for teacher, data, v in checked if not v.whole]
    if damaged:
        remedies = dict.fromkeys(f"'{_rebuild(teacher, data)}'" for teacher, data, _ in damaged)
        first = damaged[0][2]
        more = f" (the first: {first.path.name}, {first.damage[0]})" if len(checked) > 1 else f": {first.damage[0]}"
        raise SignalError(
            f"{len(damaged)} of {len(checked)} stores {'is' if len(damaged) == 1 else 'are'} damaged{more}; "
            f"rebuild with {', '.join(remedies)}"
        )


def _made_for(path: Path, registered: Sequence[str]) -> tuple[str, str]:
    """The teacher and the dataset, as the folder is named: a damaged manifest does not tell."""
    found = _NAME.fullmatch(path.name)
    made_for = found["made_for"] if found else path.name
    known = max((n for n in registered if made_for.startswith(f"{n}-")), key=len, default=made_for.partition("-")[0])
    return known, made_for[len(known) + 1 :]


def _rebuild(teacher: str, dataset: str) -> str:
    return f"ckd teacher cache {teacher} --dataset {dataset}"
