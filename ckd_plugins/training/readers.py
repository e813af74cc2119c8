"""How a run's student is read: by the reader of its record, or by what the plugins choose."""

from __future__ import annotations

import logging
from typing import Any, cast

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.errors import StudentError
from ckd_plugins.host.data import Splits
from ckd_plugins.registry import Registry
from ckd_plugins.students.families import refusal
from ckd_plugins.students.probe import Probe
from ckd_plugins.students.readers.base import Reader
from ckd_plugins.training.probing import make_probe
from ckd_plugins.training.subscribe import Subscription

__all__ = ["choose_reader"]

_log = logging.getLogger("ckd_plugins")


def choose_reader(
    model: Any, splits: Splits, config: Any, registry: Registry, subscription: Subscription | None = None
) -> Reader:
    """Find out how scores are read out of a model.

    The reader of the student's own record comes first, then the plugins are asked, the built-in one last. A small
    batch is drawn for the probe; random states and the loader's order are left as they were.

    Raises:
        StudentError: the model cannot be a student; says why.
    """
    reason = refusal(model)
    if reason is not None:
        raise StudentError(f"{type(model).__name__} cannot be a student: {reason}; it can be a teacher")
    if subscription is not None and subscription.reader is not None:
        return _own_reader(model, subscription, subscription.reader, splits, config, registry)
    probe = make_probe(model, splits, config)
    reader = registry.first("ckd_choose_reader", model=model, probe=probe)
    if reader is None:
        raise StudentError(f"no plugin knows how to read scores out of {type(model).__name__}")
    if probe.accepted is not reader:  # a plugin's, that it did not have checked
        _check_reader(model, reader, f"the reader that a plugin chose for {type(model).__name__}", probe)
    return cast(Reader, reader)


def _own_reader(
    model: Any, subscription: Subscription, factory: Any, splits: Splits, config: Any, registry: Registry
) -> Reader:
    """The reader that a student's record names. One with row sources of its own reads rows that no probe knows."""
    name = subscription.name
    if name in registry.names("student") and registry.record("student", name).origin.builtin:
        return cast(Reader, factory(model))
    try:
        reader = factory(model)
    except FAULTS as error:
        raise StudentError(f"student {name!r}: its reader cannot be made: {sentence(error)}") from error
    probe = make_probe(model, splits, config) if subscription.rows is None else None
    _check_reader(model, reader, f"student {name!r}: its reader", probe)
    return cast(Reader, reader)


def _check_reader(model: Any, reader: object, called: str, probe: Probe | None) -> None:
    if not isinstance(reader, Reader):
        raise StudentError(f"{called} is a {type(reader).__name__}, not a ckd_plugins.students.Reader")
    if reader.model is not model or not isinstance(getattr(reader, "name", None), str):
        raise StudentError(f"{called}, a {type(reader).__name__}, needs the model that it was made for and a name")
    if probe is not None and (reason := probe.accepts(reader).reason):
        # Its author may know more than a probe can find out.
        _log.warning("%s, %r, may not read what the model ranks by: %s", called, reader.name, reason)
