"""RecBole's own leave-one-out takes the targets that an import means."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ckd_plugins.domains.importers import Filters, Importer, ImportLog, Interaction, import_dataset

Rows = dict[str, list[tuple[str, tuple[str, ...], str]]]


class Clock(Importer):
    """Times that are one and the same in float32, in an order that no other column has."""

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        for user in ("z", "a", "m"):
            for item, seconds in (("t", 30.0), ("b", 10.0), ("y", 20.0), ("a", 20.0), ("k", 60.0)):
                yield Interaction(user, item, 1_400_000_000 + seconds)


def test_times_closer_than_float32_keep_their_order(recbole_rows: Callable[[Path], Rows], tmp_path: Path) -> None:
    """RecBole's times are 128 s apart in 2014; a minute of ratings would have another test item than the newest."""
    import_dataset(Clock(), tmp_path / "clock", Filters(k_core=0))
    rows = recbole_rows(tmp_path / "clock")
    history = ("b", "y", "a", "t")
    assert sorted(rows["test"]) == [(user, history, "k") for user in ("a", "m", "z")]
    assert sorted(rows["valid"]) == [(user, history[:3], "t") for user in ("a", "m", "z")]
    assert sorted(rows["train"]) == [row for u in ("a", "m", "z") for row in ((u, ("b",), "y"), (u, ("b", "y"), "a"))]
