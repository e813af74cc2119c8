"""What can be told of teachers and their cache before anything runs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ckd_plugins.config import CkdConfig, TeacherComponent
from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.registry import Registry
from ckd_plugins.training.teacher_files import check_files, needs_encoder, reads_text
from ckd_plugins.training.teaching.plan import HOST
from ckd_plugins.training.teaching.source import find_source

__all__ = ["check_cache", "check_teachers"]


def check_cache(folder: Path, setting: str = "cache_dir", remedy: str = "set ckd.cache_dir or CKD_CACHE to") -> None:
    """Find out before anything runs whether a folder can be written.

    Args:
        folder: it need not exist.
        setting: what names it, for the message.
        remedy: what to do, for the message.

    Raises:
        ConfigError: it cannot.
    """
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK | os.X_OK):
        why = "cannot be written" if nearest.is_dir() else "is a file"
        raise ConfigError(f"{setting} {str(folder)!r} cannot be made: {str(nearest)!r} {why}; {remedy} another folder")


def check_teachers(
    config: CkdConfig,
    registry: Registry,
    texts: bool,
    dataset: str,
    teachers: Sequence[TeacherComponent] | None = None,
) -> None:
    """Find out before anything runs whether every teacher exists, takes its options and can read the data.

    Args:
        config: the ``ckd`` section.
        registry: where teachers are looked up.
        texts: whether the dataset's items have texts.
        dataset: its name.
        teachers: which teachers; by default the config's.

    Raises:
        UnknownNameError: a teacher or the text encoder is not registered.
        ConfigError: an option is wrong, or a package is missing.
        DataError: a teacher reads texts and the dataset has none, or a file that an option names is not there.
        TeacherError: the folder that a teacher comes from holds none, or its options contradict one another.
    """
    encodes = False
    for component in config.teachers if teachers is None else teachers:
        record = registry.record("teacher", component.name)
        source = find_source(component)
        component = component if source is None else source.completed(component)
        component.check(registry, "teacher", host=HOST)
        factory = record.load()
        check_files(factory, component.options, f"teacher {component.label or component.name!r}")
        if source is None:  # what is in a folder has learned what its options said
            getattr(factory, "check_options", _any_options)(component.options)
        if reads_text(record, component.options) and not (source is not None and source.finetuned):
            encodes = encodes or needs_encoder(record, component.options)
            if not texts:
                raise DataError(
                    f"teacher {component.name!r} reads item texts and dataset {dataset!r} has none of the columns "
                    f"{', '.join(config.text.fields)} in its .item file; name its text columns in ckd.text.fields"
                )
    if encodes:
        config.text.encoder.check(registry, "text_encoder")


def _any_options(options: Mapping[str, Any]) -> None:
    """Of a factory that is no :class:`~ckd_plugins.teachers.Teacher`: nothing is known of its options."""
