"""A whole import: what is written, what is counted, and what a failure leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ckd_plugins.domains.atomic import read_atomic
from ckd_plugins.domains.importers import Filters, Importer, ImportLog, Interaction, Item, import_dataset, importing
from ckd_plugins.errors import DataError


class Shop(Importer):
    """Six users of three items, one of which has no text, and another that nobody bought."""

    def interactions(self, log: ImportLog) -> Iterator[Interaction]:
        for user in range(6):
            for at, item in enumerate(["tea", "pot", "cup"]):
                yield Interaction(f"u{user}", item, 100.0 * at + user)

    def items(self, log: ImportLog) -> Iterator[Item]:
        yield Item("jar", "Glass jar")
        yield Item("cup", "", " &nbsp; ")
        yield Item("pot", "Tea &amp; coffee pot", "Bo", "Kitchen, Pots")
        yield Item("tea", "Green tea")
        yield Item("tea", "Another tea")


class Prepared(Shop):
    prepared = True


def items(folder: Path) -> list[str]:
    return (folder / f"{folder.name}.item").read_text(encoding="utf-8").splitlines()[1:]


def test_what_is_written_is_what_our_reader_reads(tmp_path: Path) -> None:
    """Items in the order in which they are first chosen, texts decoded, the unbought left out, no row twice."""
    summary = import_dataset(Shop(), tmp_path / "shop", Filters(k_core=3))
    assert items(tmp_path / "shop") == ["tea\tGreen tea\t\t", "pot\tTea & coffee pot\tBo\tKitchen, Pots", "cup\t\t\t"]
    domain = read_atomic(tmp_path / "shop")
    assert (domain.n_users, domain.n_items, len(domain.sequence)) == (6, 3, 6)
    assert [domain.items[i] for i in domain.test] == ["cup"] * 6
    assert domain.text == ("Green tea.", "Tea & coffee pot. Bo. Kitchen, Pots.", None)
    assert (summary.users, summary.items, summary.interactions, summary.with_text) == (6, 3, 18, 2)
    assert summary.left_out == {"item described again (the first counts)": 1}
    assert json.loads((tmp_path / "shop" / "shop.import.json").read_text())["interactions"] == 18


def test_a_prepared_catalogue_keeps_its_order_and_its_unbought_items(tmp_path: Path) -> None:
    """Their numbers are those of published vectors; other importers take the core of 5 by default."""
    import_dataset(Prepared(), tmp_path / "shop")
    assert [row.split("\t")[0] for row in items(tmp_path / "shop")] == ["jar", "cup", "pot", "tea"]
    import_dataset(Prepared(), tmp_path / "cored", Filters(k_core=2))
    assert [row.split("\t")[0] for row in items(tmp_path / "cored")] == ["cup", "pot", "tea"]
    with pytest.raises(DataError, match="5-core"):
        import_dataset(Shop(), tmp_path / "raw")


def test_items_that_need_a_text_go_without_one(tmp_path: Path) -> None:
    """A teacher of texts gives them no signal."""
    summary = import_dataset(Shop(), tmp_path / "shop", Filters(need_text=True, k_core=2))
    assert [row.split("\t")[0] for row in items(tmp_path / "shop")] == ["tea", "pot"]
    assert summary.items == summary.with_text == 2


def test_a_folder_that_is_there_stays_as_it_is(tmp_path: Path) -> None:
    """Hours of training may hang on it."""
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "notes").write_text("mine")
    with pytest.raises(DataError, match="shop is there already; name another folder"):
        import_dataset(Shop(), tmp_path / "shop", Filters(k_core=0))
    assert [p.name for p in (tmp_path / "shop").iterdir()] == ["notes"]


def test_what_breaks_off_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dataset without its texts reads as one whose items have none."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(importing, "write_items", full)
        with pytest.raises(DataError, match="cannot be written: No space left on device; nothing is left there"):
            import_dataset(Shop(), tmp_path / "shop", Filters(k_core=0))
    assert list(tmp_path.iterdir()) == []


def test_an_empty_input_is_told(tmp_path: Path) -> None:
    """An empty table has a header and trains nothing."""

    class Empty(Shop):
        def interactions(self, log: ImportLog) -> Iterator[Interaction]:
            return iter(())

        def sources(self) -> list[Path]:
            return [Path("reviews.json")]

    with pytest.raises(DataError, match=r"no interactions in reviews\.json; is it empty\?"):
        import_dataset(Empty(), tmp_path / "shop")
