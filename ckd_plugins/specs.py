"""The frozen records that registration hooks yield.

A record names a component and says where its code is; the code itself is loaded when the component is first
asked for. That keeps start-up fast: listing plugins imports neither torch nor RecBole. A reference is either an
object or a string ``"package.module:attribute"``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from importlib import import_module
from typing import Any, Literal

from ckd_plugins._fields import field_types, fits, is_reference, words

__all__ = [
    "BalanceSpec",
    "CandidatesSpec",
    "CommandSpec",
    "DifficultySpec",
    "Family",
    "ImporterSpec",
    "IntegratorSpec",
    "LossSpec",
    "RampSpec",
    "Ref",
    "ScheduleSpec",
    "Spec",
    "StudentSpec",
    "TeacherSpec",
    "TextEncoderSpec",
]

Ref = str | Callable[..., Any]
"""An object, or where to import it from: ``"package.module:attribute"``."""

Family = Literal["sequential", "general", "graph", "feature_interaction", "knowledge", "autoencoder"]

_NAME = re.compile(r"^[A-Za-z][A-Za-z0-9_.-]*$")
_REF = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$")
_RESOURCE = re.compile(r"^[A-Za-z_][\w.]*:.+$")


def _resolve(ref: Ref) -> Any:
    if not isinstance(ref, str):
        return ref
    module, _, attribute = ref.partition(":")
    return getattr(import_module(module), attribute)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What every record has: a name that configs use, a one-line summary, and a reference to its code."""

    name: str
    """How a config or the command line names the component: letters, digits, ``_``, ``-``, ``.``."""
    factory: Ref
    """The component, or where to import it from (``"package.module:attribute"``)."""
    summary: str = ""
    """One line for listings."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"{type(self).__name__}: name {self.name!r} must match {_NAME.pattern}")
        # A record type that a plugin derives from ours may have fields of any type.
        ours = next(cls for cls in type(self).__mro__ if cls.__module__ == __name__)
        for key, wanted in field_types(ours).items():
            value = getattr(self, key)
            if not fits(value, wanted):
                raise ValueError(f"{type(self).__name__} {self.name!r}: {key} should be {words(wanted)}, got {value!r}")
            if isinstance(value, str) and is_reference(wanted) and not self._is_reference(key, value):
                raise ValueError(
                    f"{type(self).__name__} {self.name!r}: {key} {value!r} must read 'package.module:attribute'"
                )
            if isinstance(value, list):  # a record can be hashed
                object.__setattr__(self, key, tuple(value))
        if len(f"{self.summary}.".splitlines()) > 1:
            raise ValueError(f"{type(self).__name__} {self.name!r}: summary should be one line, got {self.summary!r}")

    def _is_reference(self, key: str, value: str) -> bool:
        return _REF.fullmatch(value) is not None

    def load(self) -> Any:
        """Import and return the object that ``factory`` refers to."""
        return _resolve(self.factory)

    @classmethod
    def field_names(cls) -> tuple[str, ...]:
        """Names of the record's fields, for error messages and documentation."""
        return tuple(f.name for f in fields(cls))


@dataclass(frozen=True, kw_only=True)
class StudentSpec(Spec):
    """A model that subscribes to the shared distillation loss and curriculum.

    RecBole's own models need no record. ``factory`` refers to a model class that follows RecBole's interface; the
    record makes it known to RecBole under ``name`` and supplies its defaults. Or ``factory`` is the name of one of
    RecBole's models (``"SASRec"``), and the record is that model with other defaults or another reader.
    """

    family: Family | None = None
    """What listings call it; ``None`` has it told by what the model declares and has."""
    defaults: str | None = None
    """``"package:path/inside.yaml"``: RecBole settings that stand below the user's own."""
    reader: Ref | None = None
    """Own way to read candidate scores: ``reader(model) -> Reader``; ``None`` lets :func:`ckd_choose_reader` decide by
    probing."""
    rows: Ref | None = None
    """Own way to find the distilled rows of a batch: ``rows(model) -> RowSource``; ``None`` takes the row column."""
    dataset: Ref | None = None
    """RecBole ``Dataset`` class of its own; RecBole finds it by the name ``<name>Dataset``."""
    packages: tuple[str, ...] = ()
    """PyPI packages it needs, named in the error when one is missing."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.defaults is not None and not _RESOURCE.fullmatch(self.defaults):
            raise ValueError(
                f"StudentSpec {self.name!r}: defaults {self.defaults!r} must read 'package:path/inside.yaml'"
            )
        if self.recbole_model is not None and self.dataset is not None:
            raise ValueError(
                f"StudentSpec {self.name!r}: a dataset needs a model class of its own; RecBole finds datasets by the "
                f"name of the class, and {self.factory!r} has RecBole's"
            )

    def _is_reference(self, key: str, value: str) -> bool:
        return (key == "factory" and self.recbole_model is not None) or super()._is_reference(key, value)

    @property
    def recbole_model(self) -> str | None:
        """The RecBole model that ``factory`` names, for RecBole to find; ``None`` where it refers to a class."""
        return self.factory if isinstance(self.factory, str) and self.factory.isidentifier() else None


@dataclass(frozen=True, kw_only=True)
class TeacherSpec(Spec):
    """A pre-trained recommender. ``factory`` refers to a subclass of :class:`ckd_plugins.teachers.Teacher`."""

    needs: tuple[Literal["text", "image", "history"], ...] = ("history",)
    """What the data must have; checked before anything runs."""


@dataclass(frozen=True, kw_only=True)
class LossSpec(Spec):
    """A distillation loss. ``factory(**options)`` returns a :class:`ckd_plugins.distillation.Loss`."""


@dataclass(frozen=True, kw_only=True)
class IntegratorSpec(Spec):
    """Joins several teachers; ``factory(**options)`` returns a :class:`ckd_plugins.distillation.Integrator`."""


@dataclass(frozen=True, kw_only=True)
class CandidatesSpec(Spec):
    """Chooses the items that scores are compared on.

    ``factory(**options)`` returns a :class:`ckd_plugins.distillation.CandidateSource`.
    """


@dataclass(frozen=True, kw_only=True)
class BalanceSpec(Spec):
    """How the student's own loss and the distillation share a step.

    ``factory(**options)`` returns a :class:`ckd_plugins.distillation.Balance`.
    """


@dataclass(frozen=True, kw_only=True)
class RampSpec(Spec):
    """How a number that changes over epochs goes from one value to another.

    ``factory(**options)`` returns ``share of the epochs that are over, in [0, 1] -> share of the way``.
    """


@dataclass(frozen=True, kw_only=True)
class DifficultySpec(Spec):
    """How hard a training instance is: ``factory(evidence) -> float array [rows]``, larger is harder."""

    teachers: int = 0
    """How many teachers the measure asks at least; 0 when it does not look at them."""
    changes: bool = False
    """Whether the measure is asked anew before each epoch: one that looks at ``evidence.student_loss``."""


@dataclass(frozen=True, kw_only=True)
class ScheduleSpec(Spec):
    """How competence grows. ``factory(**options)`` returns ``progress in [0, 1] -> competence in (0, 1]``."""


@dataclass(frozen=True, kw_only=True)
class ImporterSpec(Spec):
    """Reads a published data format for ``ckd data import``.

    ``factory(path, **options)`` returns a :class:`ckd_plugins.domains.importers.Importer`.
    """


@dataclass(frozen=True, kw_only=True)
class TextEncoderSpec(Spec):
    """Turns item texts into vectors. ``factory(**options)`` returns a :class:`ckd_plugins.domains.TextEncoder`."""

    packages: tuple[str, ...] = field(default=())
    """PyPI packages it needs, named in the error when one is missing."""


@dataclass(frozen=True, kw_only=True)
class CommandSpec(Spec):
    """A sub-command of ``ckd``: ``factory`` refers to a :class:`click.Command`."""
