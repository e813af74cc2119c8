"""Interactions in memory: four numbers each, and every token once."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.importers.base import Interaction
from ckd_plugins.domains.importers.log import ImportLog

__all__ = ["Columns", "unfit"]

_BREAKS = ("\t", "\n", "\r")


class Columns:
    """Interactions as columns of 24 bytes a row: a review's text never stays.

    Users and items are numbered by first appearance.
    """

    def __init__(self) -> None:
        self.users: dict[str, int] = {}
        self.items: dict[str, int] = {}
        self._user, self._item, self._time, self._rating = array("i"), array("i"), array("d"), array("f")

    def __len__(self) -> int:
        return len(self._user)

    def extend(self, interactions: Iterable[Interaction], log: ImportLog) -> None:
        """Add interactions; those that no table can hold count as malformed."""
        users, items, finite = self.users, self.items, math.isfinite
        for user, item, time, rating in interactions:
            u, i = users.get(user), items.get(item)
            if (u is None or i is None) and (why := unfit("user", user) or unfit("item", item)):
                log.flag(why)
                continue
            if not finite(time):
                log.flag(f"the time is {time}")
                continue
            self._user.append(users.setdefault(user, len(users)) if u is None else u)
            self._item.append(items.setdefault(item, len(items)) if i is None else i)
            self._time.append(time)
            self._rating.append(rating)

    @property
    def user(self) -> npt.NDArray[np.int32]:
        """``[N]`` user numbers."""
        return _array(self._user, np.int32)

    @property
    def item(self) -> npt.NDArray[np.int32]:
        """``[N]`` item numbers."""
        return _array(self._item, np.int32)

    @property
    def time(self) -> npt.NDArray[np.float64]:
        """``[N]`` times."""
        return _array(self._time, np.float64)

    @property
    def rating(self) -> npt.NDArray[np.float32]:
        """``[N]`` ratings, ``nan`` for none."""
        return _array(self._rating, np.float32)


def _array(values: array[Any], dtype: Any) -> npt.NDArray[Any]:
    return np.frombuffer(values, dtype=dtype) if len(values) else np.empty(0, dtype=dtype)


def unfit(what: str, token: str) -> str | None:
    """Return why a token cannot stand in an atomic file, ``None`` if it can."""
    if not token or token.isspace():
        return f"empty {what}"
    if token.startswith('"') or any(b in token for b in _BREAKS):
        return f"{what} {token[:40]!r} has a tab, a line break or a leading quote"
    try:
        token.encode()
    except UnicodeEncodeError:
        return f"{what} {token[:40]!r} is no text"
    return None
