"""Progress for whoever watches: bars with the time left on a terminal, lines elsewhere, nothing in a library call."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.progress import Progress

__all__ = ["Advance", "Console", "Reporter", "Silent", "heard"]

Advance = Callable[[float, str], None]
"""``advance(done, note)``: how many units are done by now, parts of one too, and a word on how it goes."""


class Reporter(Protocol):
    """Where a run says how far it is."""

    def say(self, line: str) -> None:
        """Show one line."""

    def task(self, title: str, total: int) -> contextlib.AbstractContextManager[Advance]:
        """Show a task of ``total`` units while a block runs; the block calls what it gets."""
        ...


class Silent:
    """Says nothing."""

    def say(self, line: str) -> None:
        """Ignore the line."""

    @contextlib.contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Ignore the task."""

        def ignore(done: float, note: str) -> None:
            return None

        yield ignore


class Console:
    """Draws on a terminal with rich; in a log file a task is one line at its end.

    Args:
        quiet: show neither lines nor bars.
    """

    def __init__(self, quiet: bool = False) -> None:
        from rich.console import Console as Rich

        # Brackets of a path are no markup, and a line in a log file stays one line.
        self._console = Rich(stderr=True, quiet=quiet, highlight=False, markup=False, soft_wrap=True)
        self._display: Progress | None = None

    def say(self, line: str) -> None:
        """Show one line on standard error."""
        self._console.print(line)

    @contextlib.contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Show a bar with the time left; the bar goes and one line with the time taken stays."""
        started = time.perf_counter()
        last = ""
        with self._bars() as progress:
            bar = progress.add_task(title, total=total, note="")

            def advance(done: float, note: str) -> None:
                nonlocal last
                last = note or last
                progress.update(bar, completed=done, note=last)

            try:
                yield advance
            finally:
                progress.remove_task(bar)
        seconds = time.perf_counter() - started
        self._console.print(f"{title}: {seconds:.1f} s{', ' + last if last else ''}")

    @contextlib.contextmanager
    def _bars(self) -> Iterator[Progress]:
        """The display of all bars: a task within a task joins it, as a terminal can have but one."""
        if self._display is not None:
            yield self._display
            return
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}", markup=False),
        )
        shown = self._console.is_terminal  # elsewhere rich writes an empty line for a bar
        with Progress(*columns, console=self._console, transient=True, disable=not shown) as self._display:
            try:
                yield self._display
            finally:
                self._display = None


@contextlib.contextmanager
def heard(reporter: Reporter) -> Iterator[None]:
    """Show what this package logs while a block runs; a block within one adds nothing.

    A run's log file takes the place of the handler that would print warnings otherwise, so that what a teacher has to
    say of its data, items without an image for one, would be read by nobody. In a library call, which shows nothing,
    warnings go where they would have gone: to standard error, if the program has no logging of its own.
    """
    log = logging.getLogger("ckd_plugins")
    silent = isinstance(reporter, Silent)
    if any(isinstance(other, _Saying) for other in log.handlers) or (silent and log.hasHandlers()):
        yield
        return
    handler = logging.lastResort if silent and logging.lastResort is not None else _Saying(reporter)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)


class _Saying(logging.Handler):
    """Gives records to a reporter, a line each."""

    def __init__(self, reporter: Reporter) -> None:
        super().__init__(logging.INFO)
        self._reporter = reporter

    def emit(self, record: logging.LogRecord) -> None:
        self._reporter.say(record.getMessage())
