"""Who gets a name when several want it.

Names are unique within a kind, letter case aside. A built-in name cannot be taken. Of two plugins that claim a name
neither gets it: any rule of precedence would make a config's meaning depend on what else is installed.
"""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins._admission import Record
from ckd_plugins._discovery import Origin, PluginProblem
from ckd_plugins.errors import PluginError, UnknownNameError

__all__ = ["Claims"]


class Claims:
    """Records by kind and name, rivals included."""

    def __init__(self) -> None:
        self._claims: dict[tuple[str, str], list[Record]] = {}

    def add(self, record: Record) -> None:
        """Enter a record; it is used if it turns out to be the only one of its name."""
        self._claims.setdefault((record.kind, record.spec.name.lower()), []).append(record)

    def drop(self, origin: Origin) -> None:
        """Take out all records of a plugin."""
        kept = {key: [r for r in claims if r.origin != origin] for key, claims in self._claims.items()}
        self._claims = {key: claims for key, claims in kept.items() if claims}

    def used(self, kind: str | None = None) -> list[Record]:
        """The records that hold their name, in the order of entry."""
        holders = (_holder(claims) for claims in self._claims.values())
        return [record for record in holders if record is not None and kind in (None, record.kind)]

    def find(self, kind: str, name: str) -> Record:
        """The holder of a name.

        Raises:
            UnknownNameError: nothing has that name, spelled like that.
            PluginError: two plugins claim it.
        """
        claims = self._claims.get((kind, name.lower()), [])
        holder = _holder(claims)
        if holder is not None and holder.spec.name == name:
            return holder
        if holder is None and claims:
            choice = " or ".join(f"CKD_DISABLE={record.origin.name}" for record in claims)
            raise PluginError(f"{_rivalry(claims)}; switch one off: {choice}")
        raise UnknownNameError(kind.replace("_", " "), name, (record.spec.name for record in self.used(kind)))

    def conflicts(self) -> Iterator[PluginProblem]:
        """One problem for each record that does not get its name."""
        for claims in self._claims.values():
            holder = _holder(claims)
            for record in claims:
                if record is not holder:
                    yield PluginProblem(record.origin, _rivalry(claims), f"loses {record}")


def _holder(claims: list[Record]) -> Record | None:
    if len(claims) == 1:
        return claims[0]
    builtin = [record for record in claims if record.origin.builtin]
    return builtin[0] if builtin else None


def _rivalry(claims: list[Record]) -> str:
    who = " and ".join(f"{record.origin} as {record.spec.name!r}" for record in claims)
    builtin = any(record.origin.builtin for record in claims)
    return f"the name is claimed by {who}" + ("; a built-in name cannot be replaced" if builtin else "")
