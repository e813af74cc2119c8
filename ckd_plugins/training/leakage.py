"""No teacher may be pre-trained on what its student is tested on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ckd_plugins.config import TeacherComponent
from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.naming import SEPARATOR, domain_of, plain
from ckd_plugins.errors import DataError
from ckd_plugins.host.data import Splits
from ckd_plugins.host.rows import held_out_pairs
from ckd_plugins.registry import Registry
from ckd_plugins.training.teaching.seen import read_seen, shared
from ckd_plugins.training.teaching.source import SEEN

__all__ = ["refuse_leaks"]

Pair = tuple[str, str]

_CHANCE = 0.5
"""Share of held-out interactions that a domain may hold by chance: catalogues that number users and items alike meet in
a few percent of their pairs, a copy of the student's data in all of them."""


def refuse_leaks(
    splits: Splits,
    config: Any,
    domains: Sequence[Domain],
    teachers: Sequence[TeacherComponent],
    registry: Registry,
    merged: Sequence[str] = (),
) -> None:
    """Compare what is held out with all that is known of what teachers have learned, or are to learn, before.

    Of merged data each domain is compared by itself, for one of them may be a small part of all that is held out; and
    pairs are compared by the names that they have in merged data, users apart or joined, as well as by those before.

    Args:
        splits: the student's data.
        config: its RecBole config.
        domains: what teachers are pre-trained on.
        teachers: those of the run.
        registry: where teachers are looked up.
        merged: names of the domains that the student's data were merged from; none where they are of one.

    Raises:
        DataError: a domain, or what a teacher from a folder was pre-trained on, holds most of the held-out
            interactions: it is the student's own data, whatever its name; or a teacher's file is of another split.
        TeacherError: a folder's sample of its interactions is damaged.
        CheckpointError: a file cannot be read, or is refused.
    """
    folders = {teacher.label: teacher.source for teacher in teachers if teacher.source is not None}
    if domains or folders:
        held_out = _held_out(held_out_pairs(splits, config), str(config["dataset"]), merged)
        _refuse_domains(held_out, domains)
        _refuse_seen(held_out, folders)
    _refuse_other_splits(config, teachers, registry)


@dataclass(frozen=True)
class _HeldOut:
    """The held-out interactions of one domain."""

    where: str
    """How messages name it."""
    forms: tuple[set[Pair], ...]
    """Its pairs of user and item by each way to name them, equally many in each."""

    def __len__(self) -> int:
        return len(self.forms[0])


def _held_out(pairs: set[Pair], dataset: str, merged: Sequence[str]) -> list[_HeldOut]:
    """Part held-out pairs by domain, and name them in all ways."""
    by_domain: dict[str, set[Pair]] = {name: set() for name in merged or (dataset,)}
    for user, item in pairs:
        if not merged:
            by_domain[dataset].add((user, item))
            continue
        name = domain_of(item) or ""
        # Joined users keep their token, whatever it looks like.
        by_domain[name].add((user.removeprefix(f"{name}{SEPARATOR}"), plain(item)))
    return [_named(name, found, f" in domain {name!r}" if merged else "") for name, found in by_domain.items() if found]


def _named(domain: str, pairs: set[Pair], where: str) -> _HeldOut:
    start = f"{domain}{SEPARATOR}"
    return _HeldOut(where, (pairs, {(start + u, start + i) for u, i in pairs}, {(u, start + i) for u, i in pairs}))


def _refuse_domains(held_out: Sequence[_HeldOut], domains: Sequence[Domain]) -> None:
    """Compare with the interactions of each pre-training domain."""
    wanted = set[Pair]().union(*(form for part in held_out for form in part.forms))
    for domain in domains:
        seen: set[Pair] = set()
        for user, (start, stop) in enumerate(zip(domain.offsets[:-1], domain.offsets[1:], strict=True)):
            token, items = domain.users[user], (domain.items[i] for i in domain.sequence[start:stop].tolist())
            seen.update(pair for item in items if (pair := (token, item)) in wanted)
        for part in held_out:
            found = max(len(form & seen) for form in part.forms)
            if found > _CHANCE * len(part):
                raise DataError(
                    f"pretrain_domains: {domain.name!r} holds {found} of the {len(part)} interactions that the student "
                    f"is validated and tested on{part.where}; teachers would know the answers; name other domains"
                )


def _refuse_seen(held_out: Sequence[_HeldOut], folders: Mapping[str, Path]) -> None:
    """Compare with the samples of what the teachers that come from folders, by label, were pre-trained on."""
    for label, folder in folders.items():
        for name, kept in read_seen(folder / SEEN).items():
            for part in held_out:
                found, of = max((shared(kept, form) for form in part.forms), key=lambda one: one[0] / max(1, one[1]))
                if found > _CHANCE * of:
                    raise DataError(
                        f"teacher {label!r}: {str(folder)!r} was pre-trained on {name!r}, which holds {found} of {of} "
                        f"interactions that the student is validated and tested on{part.where}; it would know the "
                        f"answers; take a teacher that was pre-trained on other domains"
                    )


def _refuse_other_splits(config: Any, teachers: Sequence[TeacherComponent], registry: Registry) -> None:
    """Compare the run's split with those that teachers' files were trained on, where the files tell them."""
    for teacher in teachers:
        split_of = getattr(registry.record("teacher", teacher.name).load(), "split_of", None)
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
