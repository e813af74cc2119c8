"""Models of transformers loaded without its own bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quiet_transformers"]


@contextmanager
def quiet_transformers(*, reports: bool = True) -> Iterator[None]:
    """Keep the bar over a model of a second's loading from breaking into the caller's own progress.

    Args:
        reports: let transformers say what it has to say of the weights, such as those that are not needed.
    """
    from transformers.utils import logging

    bar, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    if not reports:
        logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()
