"""From a teacher's name to its signal: never a stale one, never twice the work."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from ckd_plugins.config import CkdConfig
from ckd_plugins.errors import PluginError
from ckd_plugins.teachers.recbole_model import RecBoleModel
from ckd_plugins.training import made_by
from ckd_plugins.training.teaching import read_pretraining

from .conftest import Recorder, write_shop
from .fakes import LastItem, Teach

FIELDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}


def test_a_second_call_does_nothing_twice(ask: Teach, recorder: Recorder) -> None:
    """Teachers cost minutes, catalogues hours."""
    first = ask("last")
    assert (first.reused, set(first.seconds)) == (False, {"finetune", "cache"})
    LastItem.calls.clear()
    second = ask("last")
    assert (second.reused, second.seconds, LastItem.calls) == (True, {}, Counter())
    assert (second.folder, second.store) == (first.folder, first.store)
    rows, items = torch.arange(50), torch.arange(1, 40)
    assert torch.equal(second.signal.scores(rows, items), first.signal.scores(rows, items))
    assert any("reused" in line and str(first.folder) in line for line in recorder.lines)


@pytest.mark.parametrize("other", [{"shade": 1}, {"seed": 1}])
def test_options_and_seed_make_another_teacher(ask: Teach, other: dict[str, Any]) -> None:
    """The cache would answer for a teacher that was never trained."""
    assert ask("last", **other).folder != ask("last").folder


def test_a_default_spelt_out_is_the_same_teacher(ask: Teach) -> None:
    """Writing down what holds anyway must not cost a training."""
    assert ask("last", shade=0).folder == ask("last").folder


def test_what_is_in_a_file_makes_another_teacher_not_where_it_lies(ask: Teach, tmp_path: Path) -> None:
    """A checkpoint written anew under its old name would not be read."""
    for name, text in {"a": "1", "moved": "1", "b": "2"}.items():
        (tmp_path / name).write_text(text)
    first = ask("from-file", checkpoint=str(tmp_path / "a"))
    assert ask("from-file", checkpoint=str(tmp_path / "moved")).folder == first.folder
    (tmp_path / "a").write_text("2")
    assert ask("from-file", checkpoint=str(tmp_path / "a")).folder != first.folder
    assert ask("from-file").folder != first.folder


def test_an_item_more_makes_another_teacher(ask: Teach, shop: Path) -> None:
    """Training does not tell of a test target, and a teacher would be asked about an item that it never had."""
    first, lines = ask("last"), (shop / "shop.inter").read_text().splitlines()
    user, _, time = lines[-1].split("\t")
    (shop / "shop.inter").write_text("\n".join([*lines[:-1], f"{user}\tshop99\t{time}"]) + "\n")
    second = ask("last", "GRU4Rec")
    assert set(second.seconds) == {"finetune", "cache"}
    assert second.folder != first.folder


def test_what_is_pretrained_on_makes_another_teacher(ask: Teach, tmp_path: Path) -> None:
    """A domain of the same name with other interactions is another domain."""
    folders = [write_shop(tmp_path / f"other{seed}", "other", seed=seed) for seed in (3, 4)]
    domains = [read_pretraining(CkdConfig.parse({"pretrain_domains": [str(folder)]}), FIELDS) for folder in folders]
    found = [ask("last", pretraining=p) for p in ([], *domains)]
    assert len({taught.folder for taught in found}) == 3
    assert [set(taught.seconds) for taught in found] == [
        {"finetune", "cache"},
        *[{"pretrain", "finetune", "cache"}] * 2,
    ]


def test_each_stage_reports(ask: Teach, tmp_path: Path, recorder: Recorder) -> None:
    """Minutes without a sign look like a hanging process."""
    other = CkdConfig.parse({"pretrain_domains": [str(write_shop(tmp_path / "other", "other", seed=3))]})
    ask("last", pretraining=read_pretraining(other, FIELDS))
    assert list(recorder.tasks) == ["pre-train last", "fine-tune last", "cache last"]
    assert recorder.tasks["pre-train last"] == [(1, "loss 2.000")]
    assert recorder.tasks["fine-tune last"][-1] == (2, "loss 0.500, valid NDCG@10 0.2500")
    assert [recorder.totals[t] for t in recorder.tasks] == [1, 2, 1]
    assert any(line.startswith("no image of shop") for line in recorder.lines)


def test_edited_code_makes_another_teacher(ask: Teach, monkeypatch: pytest.MonkeyPatch) -> None:
    """'pip install -e' leaves the version as it is: the old teacher answered for the new code, without a word."""
    first = ask("last")
    monkeypatch.setattr(made_by, "_source", lambda code: "edited")
    second = ask("last")
    assert second.folder != first.folder
    assert set(second.seconds) == {"finetune", "cache"}


@pytest.mark.parametrize("name", ["finetune", "save", "encode", "item_factors", "known_items"])
def test_a_plugins_teacher_that_fails_is_told_in_a_line(ask: Teach, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Pages of our code in a traceback, and nowhere whose plugin it is."""

    def fails(*args: Any, **given: Any) -> Any:
        raise KeyError("brand")

    monkeypatch.setattr(LastItem, name, fails)
    with pytest.raises(PluginError) as caught:
        ask("last", **{"as": "mine"})
    does = {"finetune": "trained", "save": "saved"}.get(name, "asked")
    assert str(caught.value).startswith(
        f"teacher 'last' of plugin 'test-teachers' cannot be {does} (called 'mine'): KeyError: 'brand'"
    )


@pytest.mark.parametrize("name", ["finetune", "lists"])
def test_a_built_in_teachers_defect_is_raised_as_it_is(ask: Teach, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Without the traceback nobody could mend it."""

    def fails(*args: Any, **given: Any) -> Any:
        raise KeyError("brand")

    monkeypatch.setattr(RecBoleModel, name, fails)
    with pytest.raises(KeyError, match="brand"):
        ask("recbole", options={"model": "Pop"})
