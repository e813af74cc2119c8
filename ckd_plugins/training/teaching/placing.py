"""A teacher in a folder of the user's choice, which is theirs: nothing in it is ever removed."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

from ckd_plugins.errors import ConfigError
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.teaching.checks import check_cache
from ckd_plugins.training.teaching.folders import alone, sweep
from ckd_plugins.training.teaching.making import Made, make
from ckd_plugins.training.teaching.plan import Plan, first_difference
from ckd_plugins.training.teaching.source import read_card

__all__ = ["check_out", "make_in"]


def check_out(out: Path) -> None:
    """Find out before anything is read whether a teacher can be put into a folder.

    Raises:
        ConfigError: it cannot be written, or holds something that is no teacher.
        TeacherError: its card is damaged.
    """
    check_cache(out.parent, setting="--out", remedy="name")
    if out.exists() and not (out.is_dir() and read_card(out)) and not _is_empty(out):
        raise ConfigError(f"--out {str(out)!r} exists and is no teacher's folder; name one that is new or empty")


def make_in(plan: Plan, out: Path, reporter: Reporter) -> Made:
    """Make a teacher in a folder, or find that it is there.

    Args:
        plan: the teacher.
        out: the folder; see :func:`check_out`.
        reporter: shows progress.

    Raises:
        ConfigError: the folder holds another teacher; names the first thing in which they differ.
        DataError, TeacherError: the teacher cannot learn the data, or the one in the folder is damaged.
    """
    where = blake2b(str(out.absolute()).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    with alone(plan.cache_dir / "locks" / f"{plan.component.name}-{where}.lock", plan.label, reporter):
        card = read_card(out)
        if not card:
            if out.is_dir() and _is_empty(out):
                out.rmdir()
            return make(plan, out, reporter)
        if difference := first_difference(card["made_from"], plan.made_from):
            raise ConfigError(
                f"--out {str(out)!r} holds another teacher: its {difference}; name another folder, or remove it"
            )
        teacher = plan.record.load().load(out)
        sweep(out)
        return Made(teacher, out)


def _is_empty(folder: Path) -> bool:
    return folder.is_dir() and next(folder.iterdir(), None) is None
