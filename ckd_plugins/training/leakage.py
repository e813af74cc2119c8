"""No teacher may be pre-trained on what its student is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ckd_plugins.config import TeacherComponent
from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import DataError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.rows import held_out_pairs
from ckd_plugins.registry import Registry
from ckd_plugins.training.teaching.seen import read_seen, shared
from ckd_plugins.training.teaching.source import SEEN

__all__ = ["refuse_leaks"]

_CHANCE = 0.5
"""Share of held-out interactions that a domain may hold by chance: catalogues that number users and items alike meet in
a few percent of their pairs, a copy of the student's data in all of them."""


def refuse_leaks(
    splits: Splits, config: Any, domains: Sequence[Domain], teachers: Sequence[TeacherComponent], registry: Registry
) -> None:
    """Compare what is held out with all that is known of what teachers have learned, or are to learn, before.

    Args:
        splits: the student's data.
        config: its RecBole config.
        domains: what teachers are pre-trained on.
        teachers: those of the run.
        registry: where teachers are looked up.

    Raises:
        DataError: a domain, or what a teacher from a folder was pre-trained on, holds most of the held-out
            interactions: it is the student's own data, whatever its name; or a teacher's file is of another split.
        TeacherError: a folder's sample of its interactions is damaged.
        CheckpointError: a file cannot be read, or is refused.
    """
    folders = {teacher.label: teacher.source for teacher in teachers if teacher.source is not None}
    held_out = held_out_pairs(splits, config) if domains or folders else set()
    _refuse_domains(held_out, domains)
    _refuse_seen(held_out, folders)
    _refuse_other_splits(config, teachers, registry)


def _refuse_domains(held_out: set[tuple[str, str]], domains: Sequence[Domain]) -> None:
    """Compare with the interactions of each pre-training domain."""
    for domain in domains:
        found = 0
        for user, (start, stop) in enumerate(zip(domain.offsets[:-1], domain.offsets[1:], strict=True)):
            token = domain.users[user]
            found += len({i for i in domain.sequence[start:stop].tolist() if (token, domain.items[i]) in held_out})
        if found > _CHANCE * len(held_out):
            raise DataError(
                f"pretrain_domains: {domain.name!r} holds {found} of the {len(held_out)} interactions that the student "
                f"is validated and tested on; teachers would know the answers; name other domains"
            )


def _refuse_seen(held_out: set[tuple[str, str]], folders: Mapping[str, Path]) -> None:
    """Compare with the samples of what the teachers that come from folders, by label, were pre-trained on."""
    for label, folder in folders.items():
        for name, kept in read_seen(folder / SEEN).items():
            found, of = shared(kept, held_out)
            if found > _CHANCE * of:
                raise DataError(
                    f"teacher {label!r}: {str(folder)!r} was pre-trained on {name!r}, which holds {found} of {of} "
                    f"interactions that the student is validated and tested on; it would know the answers; take a "
                    f"teacher that was pre-trained on other domains"
                )


def _refuse_other_splits(config: Any, teachers: Sequence[TeacherComponent], registry: Registry) -> None:
    """Compare the run's split with those that teachers' files were trained on, where the files tell them."""
    for teacher in teachers:
        split_of = getattr(registry.get("teacher", teacher.name).load(), "split_of", None)
        theirs = split_of(teacher.options) if split_of is not None else {}
        if not isinstance(theirs.get("eval_args"), dict):
            continue
        found = _split(theirs["eval_args"], theirs.get("seed"))
        wanted = _split(config["eval_args"], config["seed"])
        for name, value in wanted.items():
            if found.get(name) != value:
                raise DataError(
                    f"teacher {teacher.label!r}: its file was trained with {name}={found.get(name)!r}, and this run "
                    f"has {value!r}; it would know what the student is tested on: run with that, or train it on this "
                    f"split"
                )


def _split(given: Mapping[str, Any], seed: Any) -> Mapping[str, Any]:
    """What decides which interactions are held out."""
    told = {name: given.get(name) for name in ("split", "order", "group_by")}
    if isinstance(told["split"], dict):
        told["split"] = {name: _shares(value) for name, value in told["split"].items()}
    return {**told, "seed": seed} if told["order"] == "RO" else told


def _shares(value: Any) -> Any:
    """Of ``[8, 1, 1]`` the same as of ``[0.8, 0.1, 0.1]``."""
    if not isinstance(value, list | tuple) or not all(isinstance(v, int | float) for v in value) or not sum(value):
        return value
    return [round(v / sum(value), 6) for v in value]
