from __future__ import annotations

import json
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from ckd_plugins.errors import DataError, EnvironmentProblem
from ckd_plugins.teachers.imports.files import beside, read_table

TOKENS, VECTORS = ["007", "b", "ä c"], np.arange(6, dtype=np.float32).reshape(3, 2) / 4


def parquet(path: Path) -> None:
    pd.DataFrame({"item_id": TOKENS, "vector": list(VECTORS), "note": [1, 2, 3]}).to_parquet(path)


def npz(path: Path) -> None:
    np.savez(path, item=np.array(TOKENS), vector=VECTORS)


def npz_of_images(path: Path) -> None:
    np.savez(path, tokens=np.array(TOKENS), vectors=VECTORS)


def safetensors(path: Path) -> None:
    save_file({"vectors": torch.from_numpy(VECTORS).bfloat16()}, path, {"tokens": json.dumps(TOKENS)})


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.parquet", parquet), ("a.npz", npz), ("b.npz", npz_of_images), ("a.safetensors", safetensors)],
)
def test_files_with_names_give_the_same_table(name: str, write: Callable[[Path], None], tmp_path: Path) -> None:
    """A format that turned a token into a number, or a row out of its place, would teach noise."""
    write(tmp_path / name)
    table = read_table(tmp_path / name, tokens="item", alone="vector")
    assert list(table["item"]) == TOKENS
    np.testing.assert_array_equal(np.stack(list(table["vector"])), VECTORS)


@pytest.mark.parametrize("names", ["tokens.txt", "tokens.json", "numbers.json"])
@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npy", lambda path: np.save(path, VECTORS)),
        ("a.pt", lambda path: torch.save(torch.from_numpy(VECTORS), path)),
        ("a.pth", lambda path: torch.save({"vector": torch.from_numpy(VECTORS).half()}, path)),
        ("a.txt", lambda path: np.savetxt(path, VECTORS)),
        ("a.safetensors", lambda path: save_file({"vectors": torch.from_numpy(VECTORS)}, path)),
    ],
)
def test_numbers_alone_get_their_tokens_from_beside(
    name: str, write: Callable[[Path], None], names: str, tmp_path: Path
) -> None:
    """What other programs save has no tokens."""
    write(tmp_path / name)
    (tmp_path / "tokens.txt").write_text("\n".join(TOKENS) + "\n", encoding="utf-8")
    (tmp_path / "tokens.json").write_text(json.dumps(TOKENS))
    (tmp_path / "numbers.json").write_text(json.dumps({token: i for i, token in reversed([*enumerate(TOKENS)])}))
    table = read_table(tmp_path / name, tokens="item", alone="vector", names=tmp_path / names)
    assert list(table["item"]) == TOKENS
    np.testing.assert_array_equal(np.stack(list(table["vector"])), VECTORS)


def test_json_names_histories_and_instances(tmp_path: Path) -> None:
    """A matrix of lists is useless without a way to say whose they are."""
    path = tmp_path / "rows.json"
    path.write_text('[["a", "b"], ["c"]]')
    assert list(read_table(path, tokens="user", alone="tokens")["history"]) == [["a", "b"], ["c"]]
    path.write_text('[{"user_id": "u", "target": "a"}, {"user_id": "v", "target": "b"}]')
    table = read_table(path, tokens="user", alone="tokens")
    assert (list(table["user"]), list(table["target"])) == (["u", "v"], ["a", "b"])


class Hostile:
    """Unpickling it creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return (Path.touch, (self.path,))


@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.pt", "x.pkl", "x.df", "pickle.npy", "pickle.pt", "pickle.npz"])
def test_nothing_in_a_file_is_executed(name: str, tmp_path: Path) -> None:
    """A downloaded file could take the machine over."""
    trap, path = Hostile(tmp_path / "ran"), tmp_path / name
    if name.startswith("pickle") or name in ("x.pkl", "x.df"):
        path.write_bytes(pickle.dumps(trap))
    elif name == "x.npy":
        np.save(path, np.array([trap], dtype=object), allow_pickle=True)
    elif name == "x.npz":
        np.savez(path, vector=np.array([trap], dtype=object))
    else:
        torch.save({"vector": trap}, path)
    with pytest.raises(DataError, match=r"Python objects are not opened|pickles .* are refused") as caught:
        read_table(path, tokens="item", alone="vector")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("suffix", ["parquet", "npz", "npy", "pt", "safetensors", "txt"])
def test_a_damaged_file_is_one_line(suffix: str, tmp_path: Path) -> None:
    """A download that broke off ended in a traceback from inside a library."""
    path = tmp_path / f"broken.{suffix}"
    path.write_bytes(b"\x00\x01 broken")
    with pytest.raises(DataError, match=r"broken\.\w+ cannot be read") as caught:
        read_table(path, tokens="item", alone="vector")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("a.npz", lambda p: np.savez(p, item=np.array(["a"]), vector=VECTORS), "one length"),
        ("a.npy", lambda p: np.save(p, np.zeros((0, 3))), "has no rows"),
        ("a.txt", lambda p: p.write_text(""), "has no rows"),
        ("a.parquet", lambda p: pd.DataFrame({"user": ["a", None]}).to_parquet(p), "empty places in 'user'"),
        ("a.pt", lambda p: torch.save([torch.zeros(2)], p), "holds list"),
    ],
)
def test_a_table_that_is_none(name: str, write: Callable[[Path], None], message: str, tmp_path: Path) -> None:
    """Rows that belong to nobody, or nobody's rows."""
    write(tmp_path / name)
    with pytest.raises(DataError, match=message):
        read_table(tmp_path / name, tokens="item", alone="vector")


@pytest.mark.parametrize("text", ["3", '{"a": 0, "b": 2}', '{"a": "x"}', "[1, 2"])
def test_tokens_that_are_no_list(text: str, tmp_path: Path) -> None:
    """Numbers with a gap would shift every token after it."""
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match="cannot be read"):
        read_table(tmp_path / "t.json", tokens="item", alone="tokens")


def test_files_of_different_lengths_do_not_belong_together(tmp_path: Path) -> None:
    """Pandas would fill the shorter one up and go on."""
    with pytest.raises(DataError, match=r"a\.npy has 2 rows and b\.txt 1"):
        beside(pd.DataFrame({"vector": [1, 2]}), "a.npy", pd.DataFrame({"item": ["x"]}), "b.txt")


def test_a_second_file_of_names_is_not_passed_over() -> None:
    """Whoever gives tokens beside a file means them, and which of the two hold nobody can know."""
    with pytest.raises(DataError, match=r"a\.npz has 'item' itself; leave b\.txt out"):
        beside(pd.DataFrame({"item": ["x"], "vector": [1]}), "a.npz", pd.DataFrame({"item": ["y"]}), "b.txt")


def test_parquet_without_pyarrow_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pandas' own message sends people to conda."""
    parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[parquet\]'"):
        read_table(tmp_path / "a.parquet", tokens="item", alone="vector")
