"""Losses that compare vectors: whether the student and the teachers of a run have some."""

from __future__ import annotations

from collections.abc import Callable

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import CkdError, ConfigError, StudentError
from ckd_plugins.registry import Registry
from ckd_plugins.students.choose import vector_reader
from ckd_plugins.students.probe import Probe
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.students.readers.vectors import VectorReader
from ckd_plugins.teachers.base import Teacher
from ckd_plugins.training.teaching.source import find_source

__all__ = ["check_vectors", "with_vectors"]


def check_vectors(config: CkdConfig, registry: Registry) -> None:
    """Find out before anything runs what can be told of a loss that compares vectors without a student.

    Raises:
        TeacherError: the folder that a teacher comes from holds none.
        ConfigError: a teacher keeps lists, or teachers are to be integrated once, which keeps no vectors, or each
            domain has a teacher of its own.
    """
    if not _compares_vectors(config, registry):
        return
    loss = config.loss.name
    for component in config.teachers:
        source, factory = find_source(component), registry.record("teacher", component.name).load()
        options = (component if source is None else source.completed(component)).options
        if isinstance(factory, type) and issubclass(factory, Teacher) and factory.form_of(options) == "topk":
            raise ConfigError(
                f"loss {loss!r} compares vectors, and teacher {component.label!r} keeps lists of scores; leave that "
                f"teacher out, or take one of the losses {_of_scores(registry)}"
            )
    if config.targets.when == "once":
        raise ConfigError(
            f"loss {loss!r} compares vectors, and ckd.targets: once keeps none; set ckd.targets to batch, or take one "
            f"of the losses {_of_scores(registry)}"
        )
    if config.domains.teachers == "each":
        raise ConfigError(
            f"loss {loss!r} compares vectors, and those of each domain's own teacher have no space in common; set "
            f"ckd.domains.teachers to shared, or take one of the losses {_of_scores(registry)}"
        )


def with_vectors(reader: Reader, config: CkdConfig, registry: Registry, probe: Callable[[], Probe]) -> Reader:
    """Return a reader that has what the loss of a config compares.

    Args:
        reader: the one that was chosen for the student's scores.
        config: the ``ckd`` section.
        registry: where the loss is looked up.
        probe: makes a probe of the student, where another reader is needed.

    Raises:
        StudentError: the loss compares vectors, and the student's scores are not products of any.
    """
    if not _compares_vectors(config, registry) or (isinstance(reader, VectorReader) and reader.width):
        return reader
    found = vector_reader(reader.model, probe())
    if found is None:
        raise StudentError(
            f"loss {config.loss.name!r} compares vectors, and the scores of {type(reader.model).__name__} (read from "
            f"its {reader.name}) are not products of a row's vector and an item's; take one of the losses "
            f"{_of_scores(registry)}"
        )
    return found


def _compares_vectors(config: CkdConfig, registry: Registry) -> bool:
    return bool(config.teachers) and config.loss.build(registry, "loss", tau=1.0).compares == "vectors"


def _of_scores(registry: Registry) -> str:
    """The names of the losses that every student and teacher can have."""
    found = []
    for record in registry.records("loss"):
        try:
            factory = record.load()
        except CkdError:  # a plugin's own fault, told where it is used
            continue
        if getattr(factory, "compares", "scores") == "scores":
            found.append(record.spec.name)
    return ", ".join(found)
