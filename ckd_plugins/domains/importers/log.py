"""What went wrong while reading: malformed lines, counted and shown by number, fatal above a share."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ckd_plugins.errors import DataError

__all__ = ["FileLog", "ImportLog", "Malformed", "Task"]

Task = Callable[[str, int], contextlib.AbstractContextManager[Callable[[float, str], None]]]
"""``with task(title, total) as advance: advance(done, note)``: where progress is shown."""

_SHOWN = 5
_EARLY = 1000
"""Lines after which a file that is mostly malformed is given up: it is another format."""


class Malformed(ValueError):
    """A line cannot be used; the text says why. Raised by a parser, counted by the log."""


@dataclass
class FileLog:
    """What was found in one file."""

    path: str
    lines: int = 0
    """Lines read; the number of the current one."""
    malformed: int = 0
    examples: list[str] = field(default_factory=list)
    """The first few malformed lines: number and reason."""

    def flag(self, why: str) -> None:
        """Count the current line as malformed.

        Raises:
            DataError: nearly nothing in the file is of the format.
        """
        self.malformed += 1
        if len(self.examples) < _SHOWN:
            self.examples.append(f"line {self.lines}: {why}")
        if self.malformed > _EARLY and self.malformed > 0.5 * self.lines:
            raise DataError(
                f"{self.path}: {self.malformed:,} of the first {self.lines:,} lines are malformed "
                f"({self.examples[0]}); is it of this format?"
            )


@contextlib.contextmanager
def _nowhere(title: str, total: int) -> Iterator[Callable[[float, str], None]]:
    yield lambda done, note: None


class ImportLog:
    """Collects what an importer meets.

    Args:
        max_malformed: the share of a file's lines that may be malformed.
        task: where progress is shown; nowhere by default.
    """

    def __init__(self, max_malformed: float = 0.01, task: Task = _nowhere) -> None:
        self.max_malformed, self.task = max_malformed, task
        self.files: list[FileLog] = []
        self.left_out: Counter[str] = Counter()
        """What an importer leaves out by itself, by reason."""
        self._current: FileLog | None = None

    @property
    def current(self) -> FileLog:
        """The file that is being read."""
        if self._current is None:
            raise LookupError("no file has been opened")
        return self._current

    def open(self, path: object) -> FileLog:
        """Begin a file; a second reading of it replaces the first."""
        self._current = FileLog(str(path))
        self.files = [file for file in self.files if file.path != str(path)] + [self._current]
        return self._current

    def flag(self, why: str) -> None:
        """Count the line that is being read as malformed."""
        self.current.flag(why)

    def check(self) -> None:
        """See to it that each file that has been read is of the format.

        Raises:
            DataError: more of one is malformed than allowed.
        """
        for file in self.files:
            if file.malformed > self.max_malformed * file.lines:
                share = file.malformed / max(1, file.lines)
                raise DataError(
                    f"{file.path}: {file.malformed:,} of {file.lines:,} lines are malformed ({share:.1%}, allowed are "
                    f"{self.max_malformed:.1%}): {'; '.join(file.examples)}; mend the file or allow more"
                )
