"""A teacher that comes from a folder: pre-trained, or fine-tuned already."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ckd_plugins.config import TeacherComponent
from ckd_plugins.domains.content import content_digest
from ckd_plugins.errors import ConfigError, TeacherError

__all__ = ["CARD", "HOST", "NOT_WEIGHTS", "SEEN", "Source", "find_source", "read_card"]

HOST = ("encoder", "cache_dir", "seed")
"""Arguments of a teacher's factory that a run fills; they are no options."""
CARD, SEEN = "card.json", "seen.safetensors"
NOT_WEIGHTS = frozenset({CARD, SEEN, "README.md"})
"""Files of a teacher's folder that tell of it and do not make it."""


@dataclass(frozen=True)
class Source:
    """A folder with a trained teacher."""

    folder: Path
    name: str
    config: Mapping[str, Any]
    """Its ``config.json``."""
    card: Mapping[str, Any]
    """Its ``card.json``; empty if it has none."""

    @property
    def finetuned(self) -> bool:
        """Whether it is bound to a domain's items already."""
        return bool(self.card["stage"] == "finetune" if self.card else self.config.get("domain") is not None)

    @property
    def made_from(self) -> Mapping[str, Any]:
        """What decided its weights, as its card has it."""
        found: Mapping[str, Any] = self.card.get("made_from", {})
        return found

    @cached_property
    def content(self) -> str:
        """Digest of what makes the teacher; where the folder lies and what its card says do not count.

        Nor do names with a dot in front: half-written files, and what systems leave in folders.
        """
        return content_digest(self.folder, keep=lambda file: file.name[0] != "." and file.name not in NOT_WEIGHTS)

    def completed(self, component: TeacherComponent) -> TeacherComponent:
        """The component with the folder's options below those given.

        Raises:
            ConfigError: options are given to a teacher that has been fine-tuned.
        """
        if self.finetuned and component.options:
            raise ConfigError(
                f"teacher {component.label!r}: {str(self.folder)!r} is fine-tuned, so the option "
                f"{next(iter(component.options))!r} would change nothing; leave it out"
            )
        own: Mapping[str, Any] = self.config.get("options") or {}
        kept = {name: value for name, value in own.items() if name not in HOST}
        return component.model_copy(update={"options": {**kept, **component.options}})

    def load(self, cls: Any, options: Mapping[str, Any], host: Mapping[str, Any]) -> Any:
        """Load the teacher, to be trained further.

        Args:
            cls: its class.
            options: all that are in force; for a ``load`` that takes them.
            host: what a run fills; as far as ``load`` takes it.

        Raises:
            TeacherError: the folder is damaged, or does not fit the options.
        """
        takes = inspect.signature(cls.load).parameters
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values()):
            known = {*inspect.signature(cls).parameters, *takes}
            return cls.load(self.folder, **options, **{name: value for name, value in host.items() if name in known})
        return cls.load(self.folder, **{name: value for name, value in host.items() if name in takes})


def find_source(component: TeacherComponent) -> Source | None:
    """The folder that a teacher comes from, or ``None``.

    Raises:
        TeacherError: there is no such teacher in it, or its card is damaged.
    """
    if component.source is None:
        return None
    folder = component.source
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TeacherError(
            f"{str(folder)!r} holds no saved teacher ({error}); give a folder that 'ckd teacher pretrain' or 'ckd "
            f"teacher finetune' wrote"
        ) from error
    if not isinstance(config, Mapping):
        raise TeacherError(f"{str(folder)!r} holds no saved teacher: config.json is no mapping")
    card = read_card(folder)
    found = card.get("teacher", config.get("teacher"))
    if found != component.name:
        raise TeacherError(
            f"teacher {component.label!r}: {str(folder)!r} holds the teacher {found!r}, not {component.name!r}; name "
            f"that one or give another folder"
        )
    return Source(folder, component.name, config, card)


def read_card(folder: Path) -> dict[str, Any]:
    """A folder's card; empty where it has none.

    Raises:
        TeacherError: it is damaged.
    """
    try:
        card = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise TeacherError(f"{folder / CARD} cannot be read ({error}); remove it or train the teacher again") from error
    if not isinstance(card, dict) or card.get("stage") not in ("pretrain", "finetune"):
        raise TeacherError(f"{folder / CARD} is no card of a teacher; remove it or train the teacher again")
    return card
