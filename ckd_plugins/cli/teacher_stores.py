"""``ckd teacher cache --verify``, ``--export`` and ``--import``: the stores of the cache."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ckd_plugins.cli.json_output import print_json
from ckd_plugins.errors import ConfigError, SignalError

if TYPE_CHECKING:
    from ckd_plugins.signals.checking import Verdict

__all__ = ["check_export", "export_to", "import_from", "verify_stores"]

_NAME = re.compile(r"(?P<made_for>.+)-[0-9a-f]{16}-[0-9a-f]{12}(-[a-z]+\d+)*")
"""A store's folder: teacher, dataset, two digests, and how vectors are kept; see ``ckd_plugins.training.teaching``."""


def verify_stores(signals: Path, names: str | None, dataset: str | None, as_json: bool) -> None:
    """Check the stores of a cache and print what was found.

    Args:
        signals: the folder with the stores.
        names: teachers, by commas; ``None`` means all.
        dataset: only stores of this one; a folder stands for its name.
        as_json: print JSON.

    Raises:
        SignalError: a store is damaged, with the command that makes it again; or none is there.
    """
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.registry import get_registry
    from ckd_plugins.signals.checking import check_store, stores_in

    registered = get_registry().names("teacher")
    asked_for = [name.strip() for name in (names or "").split(",") if name.strip()]
    for name in asked_for:
        get_registry().get("teacher", name)
    wanted = None if dataset is None else Path(dataset).resolve().name
    checked: list[tuple[str, str, Verdict]] = []
    for path in stores_in(signals):
        teacher, data = _made_for(path, registered)
        if (asked_for and teacher not in asked_for) or (wanted is not None and data != wanted):
            continue
        checked.append((teacher, data, check_store(path)))
    if not checked:
        asked = "".join([f" of {', '.join(asked_for)}" if asked_for else "", f" on {wanted}" if wanted else ""])
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
        print_json(told)
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


def check_export(file: Path, files: Sequence[str], given: Mapping[str, Any]) -> None:
    """Find out before a teacher is trained whether its store can be exported.

    Raises:
        ConfigError: more teachers than one are named, or the file is no place to write to.
        EnvironmentProblem: there is no pyarrow.
    """
    from ckd_plugins.config import load_config
    from ckd_plugins.signals.parquet import need_pyarrow

    need_pyarrow()
    _, config = load_config(files, {key: value for key, value in given.items() if key.startswith("ckd")})
    if len(config.teachers) > 1:
        raise ConfigError(f"--export writes one store, and {len(config.teachers)} teachers are named; name one")
    if file.is_dir() or not file.absolute().parent.is_dir():
        raise ConfigError(f"--export {str(file)!r} is no place for a file; name a file in a folder that is there")


def export_to(file: Path, prepared: dict[str, dict[str, Any]]) -> None:
    """Export the one store that was made or found, and note the file beside it."""
    from ckd_plugins.signals.parquet import export_store

    (about,) = prepared.values()
    about["exported"] = str(export_store(about["store"], file))


def import_from(file: Path, signals: Path, as_json: bool) -> None:
    """Import a store and say what it holds."""
    from ckd_plugins.cli.tables import print_table
    from ckd_plugins.signals.parquet import import_store
    from ckd_plugins.signals.store import Store

    path = import_store(file, signals)
    manifest = Store.open(path, verify=False).manifest
    source = manifest.provenance
    if as_json:
        told = {"store": str(path), "teacher": source.teacher, "dataset": source.dataset, "instances": manifest.rows}
        print_json(told)
        return
    row = (source.teacher, source.dataset, f"{manifest.rows:,}", f"{manifest.items:,}", str(path))
    print_table(("teacher", "dataset", "instances", "items", "store"), [row])


def _made_for(path: Path, registered: Sequence[str]) -> tuple[str, str]:
    """The teacher and the dataset, as the folder is named: a damaged manifest does not tell."""
    found = _NAME.fullmatch(path.name)
    made_for = found["made_for"] if found else path.name
    known = max((n for n in registered if made_for.startswith(f"{n}-")), key=len, default=made_for.partition("-")[0])
    return known, made_for[len(known) + 1 :]


def _rebuild(teacher: str, dataset: str) -> str:
    return f"ckd teacher cache {teacher} --dataset {dataset}"
