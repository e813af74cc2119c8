"""The manifest: what a store holds, where it came from, and how to tell that it is whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ckd_plugins.errors import SignalError
from ckd_plugins.signals.files import checksum, json_bytes

__all__ = ["FORMAT", "Column", "Manifest", "Provenance", "ShardRecord", "package_version"]

FORMAT = 1
"""Version of the store's format. A reader refuses what it does not know."""


def package_version() -> str:
    """Return this package's version, ``"unknown"`` when it runs from a bare checkout."""
    try:
        return version("ckd-plugins")
    except PackageNotFoundError:
        return "unknown"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a store's knowledge came from. Hashes are opaque here: whoever makes them compares them."""

    teacher: str
    """The teacher's registered name."""
    dataset: str
    """The dataset's name."""
    weights_hash: str
    """Of the teacher's weights."""
    data_hash: str
    """Of the interactions."""
    split_hash: str
    """Of the split: which interactions a history may hold."""
    text_hash: str
    """Of the item texts and their encoder; ``""`` for a teacher that reads none."""
    max_length: int
    """Items of history that the instance keys were made with."""
    temperature: float
    """The teacher's softmax temperature."""
    summary: str = ""
    """One line about the teacher, for people; never compared."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "temperature", float(self.temperature))  # 1 and 1.0 are one temperature

    @property
    def rebuild(self) -> str:
        """The command that makes the store again."""
        return f"ckd teacher cache {self.teacher} --dataset {self.dataset}"

    def first_difference(self, other: Mapping[str, object]) -> tuple[str, object, object] | None:
        """Return the first field, in the order above, in which ``other`` differs: (field, own value, other value)."""
        unknown = set(other) - {f.name for f in fields(self)}
        if unknown:
            raise SignalError(f"a store's provenance has no field {min(unknown)!r}")
        for name, mine in asdict(self).items():
            if name in other and name != "summary" and str(mine) != str(type(mine)(other[name])):
                return name, mine, other[name]
        return None


@dataclass(frozen=True)
class Column:
    """An array with a row for each stored instance."""

    dtype: str
    """Of numpy: ``"float16"``."""
    shape: tuple[int, ...]
    """Of one row."""


@dataclass(frozen=True)
class ShardRecord:
    """A run of rows that was written, and is checked, as one."""

    rows: int
    checksums: dict[str, str]
    """Of these rows' bytes, by column."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that a reader must know before it touches a store's arrays."""

    provenance: Provenance
    kind: str
    """``"factors"``, ``"topk"`` or ``"dense"``."""
    rows: int
    """Distinct instances."""
    items: int
    shard_size: int
    """Rows of a shard; the last may have fewer."""
    columns: dict[str, Column]
    """Arrays with a row for each instance, one ``.npy`` file each; shards are ranges of their rows."""
    arrays: dict[str, Column]
    """Arrays that are not sharded, with their whole shape: ``keys`` and, for factors, ``item_vectors``."""
    checksums: dict[str, str]
    """Of the files that are not sharded."""
    created: str
    """UTC, ISO 8601."""
    package: str
    """Version of ckd-plugins that wrote the store."""
    shards: tuple[ShardRecord, ...] = ()

    @property
    def n_shards(self) -> int:
        """Number of shards of the whole store."""
        return -(-self.rows // self.shard_size)

    def shard_range(self, shard: int) -> tuple[int, int]:
        """Return the rows ``[start, stop)`` of a shard."""
        return shard * self.shard_size, min(self.rows, (shard + 1) * self.shard_size)

    def check(self, expected: Mapping[str, object], where: str = "store") -> None:
        """Compare the provenance with what the run needs.

        Args:
            expected: values by field of :class:`Provenance`; fields that are left out are not compared.
            where: the store's path, for the message.

        Raises:
            SignalError: naming the first field that differs, both values, and the command that rebuilds.
        """
        if difference := self.provenance.first_difference(expected):
            field, mine, wanted = difference
            raise SignalError(
                f"{where}: {field} is {mine!r} and this run needs {wanted!r}; rebuild it with "
                f"'{self.provenance.rebuild}'"
            )

    def plan(self) -> dict[str, Any]:
        """Return what two writers must agree on for one to go on where the other stopped."""
        plan = asdict(self)
        for name in ("created", "package", "shards"):
            del plan[name]
        del plan["provenance"]["summary"]
        return plan

    def to_json(self) -> bytes:
        """Return the manifest as JSON that ends with a checksum of itself."""
        body = {"format": FORMAT, **asdict(self)}
        return json_bytes({**body, "checksum": checksum(json_bytes(body))})

    @classmethod
    def from_json(cls, data: bytes, where: str = "store") -> Manifest:
        """Read :meth:`to_json`'s bytes.

        Raises:
            SignalError: the bytes are damaged, were edited, or are of a format that this version does not read.
        """
        damaged = SignalError(f"{where}: the manifest was changed or damaged; delete the store and cache it again")
        try:
            body: dict[str, Any] = json.loads(data)
            format_ = body.pop("format")
        except (ValueError, KeyError, TypeError, AttributeError):
            raise damaged from None
        if format_ != FORMAT:
            raise SignalError(
                f"{where}: format {format_} and this version of ckd-plugins reads {FORMAT}; upgrade ckd-plugins or "
                "cache the teacher again"
            )
        try:
            del body["checksum"]
            body["provenance"] = Provenance(**body["provenance"])
            for group in ("columns", "arrays"):
                body[group] = {name: Column(c["dtype"], tuple(c["shape"])) for name, c in body[group].items()}
            body["shards"] = tuple(ShardRecord(**shard) for shard in body["shards"])
            manifest = cls(**body)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise damaged from None
        if manifest.to_json() != data:  # covers the checksum, which is made of the rest
            raise damaged
        return manifest
