"""UniSRec's files, written here as its program writes them, and broken in the ways that matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from ckd_plugins.domains.importers import ImportLog
from ckd_plugins.domains.importers.unisrec import UniSRec
from ckd_plugins.errors import DataError

LONG = [str(n % 9) for n in range(60)]
USERS = {"0": ["0", "1", "2", "3"], "1": LONG, "2": ["4", "4", "5"]}


def write(folder: Path, users: dict[str, list[str]] = USERS) -> Path:
    """The layout of ``process_amazon.py``: training rows from the longest history to the shortest, cut to 50."""
    folder.mkdir()
    parts: dict[str, list[str]] = {part: ["user_id:token\titem_id_list:token_seq\titem_id:token"] for part in
                                   ("train", "valid", "test")}  # fmt: skip
    for user, sequence in users.items():
        train = sequence[:-2]
        for back in range(1, len(train)):
            parts["train"].append(f"{user}\t{' '.join(train[:-back][-50:])}\t{train[-back]}")
        parts["valid"].append(f"{user}\t{' '.join(train[-50:])}\t{sequence[-2]}")
        parts["test"].append(f"{user}\t{' '.join(sequence[:-1][-50:])}\t{sequence[-1]}")
    for part, lines in parts.items():
        (folder / f"{folder.name}.{part}.inter").write_text("\n".join(lines) + "\n")
    (folder / f"{folder.name}.item2index").write_text("".join(f"B{n}\t{n}\n" for n in range(9)))
    texts = "".join(f"B{n}\tThing {n}. \n" for n in reversed(range(9)))
    (folder / f"{folder.name}.text").write_text("item_id:token\ttext:token_seq\n" + texts)
    return folder


def sequences(importer: UniSRec, log: ImportLog) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for user, item, time, _ in importer.interactions(log):
        found.setdefault(user, []).append(item)
        assert time == len(found[user])
    return found


def test_sequences_are_put_together_beyond_the_cut_of_50(tmp_path: Path) -> None:
    """The test row alone shows the last 51 items."""
    importer, log = UniSRec(write(tmp_path / "S")), ImportLog()
    assert sequences(importer, log) == USERS
    assert [file.malformed for file in log.files] == [0, 0, 0]
    assert [(item.token, item.title) for item in importer.items(log)][:2] == [("0", "Thing 0. "), ("1", "Thing 1. ")]


def test_a_file_of_the_folder_will_do_and_asins_stand_for_numbers(tmp_path: Path) -> None:
    """The folder may have another name than the dataset."""
    write(tmp_path / "S").rename(tmp_path / "other")
    importer = UniSRec(tmp_path / "other" / "S.text", item_tokens="asin")
    assert sequences(importer, ImportLog())["0"] == ["B0", "B1", "B2", "B3"]
    assert UniSRec(tmp_path / "other").dataset == "S"


def test_rows_that_contradict_one_another_are_malformed(tmp_path: Path) -> None:
    """Files of two splits in one folder would give histories with the targets in them."""
    folder = write(tmp_path / "S")
    path = folder / "S.test.inter"
    path.write_text(path.read_text().replace("0\t0 1 2\t3", "0\t0 2 1\t3"))
    with pytest.raises(DataError, match=r"1 of 4 lines are malformed .*: line 2: the history of user '0' is not the"):
        list(UniSRec(folder).interactions(ImportLog()))


def test_users_without_both_targets_are_left_out_and_counted(tmp_path: Path) -> None:
    """Leave-one-out would take their training interactions for targets."""
    folder = write(tmp_path / "S")
    for part, user in (("valid", "2"), ("test", "0")):
        path = folder / f"S.{part}.inter"
        path.write_text("".join(r for r in path.read_text().splitlines(True) if not r.startswith(f"{user}\t")))
    log = ImportLog()
    assert list(sequences(UniSRec(folder), log)) == ["1"]
    assert log.left_out == {"user without a validation target": 1, "user without a test target": 1}


def test_a_missing_file_and_a_wrong_folder_are_told(tmp_path: Path) -> None:
    """A FileNotFoundError names no remedy."""
    folder = write(tmp_path / "S")
    (folder / "S.item2index").unlink()
    with pytest.raises(DataError, match=r"S\.item2index does not exist; a dataset of UniSRec has"):
        list(UniSRec(folder).interactions(ImportLog()))
    with pytest.raises(DataError, match=r"has no file \*\.train\.inter; give the dataset's folder"):
        UniSRec(tmp_path)
    for name in ("A", "B"):
        (folder / f"{name}.train.inter").write_text("")
    (folder / "S.train.inter").unlink()
    with pytest.raises(DataError, match=r"holds several datasets \(A, B\)"):
        UniSRec(folder)
