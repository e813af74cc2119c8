"""What is to be made: a teacher with its options, its data and its seed, and the name that follows from them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any

from ckd_plugins._version import __version__
from ckd_plugins.config import CkdConfig, Signals, TeacherComponent
from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.encoders.base import TextEncoder
from ckd_plugins.errors import ConfigError, SignalError
from ckd_plugins.registry import Record, Registry
from ckd_plugins.training.made_by import made_by
from ckd_plugins.training.material import Material
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.teacher_files import by_content, needs_encoder, reads_text
from ckd_plugins.training.teaching.pretraining import domain_hash
from ckd_plugins.training.teaching.source import HOST, Source, find_source
from ckd_plugins.training.texts import ReportingEncoder

__all__ = ["HOST", "Plan", "first_difference", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """A teacher to be made."""

    component: TeacherComponent
    """Its options, those of the folder that it comes from included."""
    source: Source | None
    """What it comes from, if not from nothing."""
    registry: Registry
    encoder: TextEncoder | None
    cache_dir: Path
    seed: int
    pretraining: tuple[Domain, ...]
    """What it is pre-trained on; not used where it comes from a folder."""
    material: Material | None
    """What it is fine-tuned on; ``None`` to pre-train only."""
    signals: Signals
    """How what it says is stored when it has been asked; decides nothing about its weights."""

    @property
    def label(self) -> str:
        """What it is called."""
        return self.component.label or self.component.name

    @property
    def record(self) -> Record:
        """Its record, and where that comes from."""
        return self.registry.record("teacher", self.component.name)

    @contextmanager
    def guarded(self, what: str) -> Iterator[None]:
        """Let what goes wrong with it name it; a built-in's defects go on as they are.

        Args:
            what: what it cannot do then, as :meth:`Record.guarded` has it.

        Raises:
            PluginError: its code, which is a plugin's, throws something.
            SignalError: what it gives cannot be stored.
        """
        also = "" if self.label == self.component.name else f" (called {self.label!r})"
        try:
            with self.record.guarded(f"{what}{also}"):
                yield
        except SignalError as error:
            origin = self.record.origin
            raise SignalError(f"teacher {self.label!r}{'' if origin.builtin else f' of {origin}'}: {error}") from error

    @property
    def host(self) -> dict[str, Any]:
        """What a run fills of its factory's arguments."""
        return {"encoder": self.encoder, "cache_dir": self.cache_dir / "texts", "seed": self.seed}

    @property
    def text(self) -> str:
        """Text encoder and texts that it reads; of a fine-tuned one from a folder, what it read.

        Texts tell the catalogue as well, which no teacher knows more of than it had in fine-tuning. Of one that reads
        none it stands alone.
        """
        if self.source is not None and self.source.finetuned:
            return str(self.source.made_from.get("text", ""))
        parts = [] if self.encoder is None else [self.encoder.identity]
        if self.material is not None:
            texts = reads_text(self.record, self.component.options)
            parts.append(self.material.text_hash if texts else f"items {self.material.items_hash}")
        return " ".join(parts)

    @cached_property
    def made_from(self) -> dict[str, Any]:
        """Everything that decides the weights."""
        options = by_content(self.record.load(), self.component.resolve(self.registry, "teacher", self.host))
        fields = {
            "package": __version__,
            "origin": " ".join(map(str, made_by(self.record))),
            "teacher": self.component.name,
            "options": dict(sorted(options.items())),
            "pretraining": [domain_hash(domain) for domain in self.pretraining],
            "source": "" if self.source is None else self.source.content,
            "data": "" if self.material is None else self.material.data_hash,
            "split": "" if self.material is None else self.material.split_hash,
            "text": self.text,
            "seed": self.seed,
        }
        plain: dict[str, Any] = json.loads(json.dumps(fields, default=str))  # as its card will have it
        return plain

    @cached_property
    def identity(self) -> str:
        """Digest of :attr:`made_from`, 16 hexadecimal digits."""
        return _digest(list(self.made_from.items()))

    @cached_property
    def used(self) -> Source | None:
        """The folder that it is used from as it is, being fine-tuned already."""
        return self.source if self.source is not None and self.source.finetuned else None

    @cached_property
    def digest(self) -> str:
        """Of what decides its answers, 16 hexadecimal digits; :attr:`identity`, unless it is :attr:`used`.

        Names of stores are taken apart again, where a manifest is damaged: all have as many digits.
        """
        if self.used is None:
            return self.identity
        content = self.used.content
        return content[:16] if self.record.origin.builtin else _digest([content, *made_by(self.record)])


def make_plan(
    component: TeacherComponent,
    material: Material | None,
    pretraining: Sequence[Domain],
    config: CkdConfig,
    registry: Registry,
    reporter: Reporter,
    seed: int,
) -> Plan:
    """Put together what decides a teacher.

    Raises:
        UnknownNameError, ConfigError: the teacher or its encoder is not registered, or an option is wrong, or the
            encoder is not the one that it was pre-trained with.
        TeacherError: the folder that it comes from holds none.
    """
    source = find_source(component)
    if source is not None:
        component, pretraining = source.completed(component), ()
    encoder, trained = None, source is None or not source.finetuned
    if trained and needs_encoder(registry.record("teacher", component.name), component.options):
        encoder = ReportingEncoder(config.text.encoder.build(registry, "text_encoder"), reporter)
    if source is not None:
        before = source.card.get("text_encoder")
        if encoder is not None and before not in (None, encoder.identity):
            raise ConfigError(
                f"teacher {component.label!r}: {str(source.folder)!r} was pre-trained on vectors of the text encoder "
                f"{before!r}, and ckd.text.encoder is {encoder.identity!r}; set the one that it had"
            )
    return Plan(
        component,
        source,
        registry,
        encoder,
        config.cache_dir,
        seed,
        tuple(pretraining),
        material,
        config.signals,
    )


def first_difference(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> str | None:
    """The first field in which two teachers differ, told: ``"seed is 1 and this one needs 2"``; ``None`` if none is."""
    for name, value in wanted.items():
        if value == kept.get(name):
            continue
        if name == "options" and isinstance(kept.get(name), Mapping):
            either = {**dict.fromkeys(kept[name]), **value}  # an option that only the kept one has differs, too
            return f"option {first_difference(kept[name], either)}"
        return f"{name} is {kept.get(name)!r} and this one needs {value!r}"
    return None


def _digest(parts: list[Any]) -> str:
    return blake2b(repr(parts).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
