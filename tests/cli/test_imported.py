"""Knowledge from files, as somebody types it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from .conftest import Done, fast

Ckd = Callable[..., Done]

PAGE = Path(__file__).parents[2] / "docs" / "concepts" / "knowledge-of-others.md"
METRICS = ("metrics=[Recall, NDCG]", "valid_metric=NDCG@10", "topk=[10]")


@pytest.fixture
def sequences(tiny: Path) -> dict[str, list[str]]:
    """Each user's training items, as the leave-one-out split leaves them."""
    inter = pd.read_csv(tiny / "tiny.inter", sep="\t", header=0, names=["user", "item", "time"])
    return {user: list(rows.sort_values("time")["item"])[:-2] for user, rows in inter.groupby("user")}


@pytest.fixture
def vectors(sequences: dict[str, list[str]], tmp_path: Path) -> Path:
    """Counts of the items that the same users chose; of `i3` none."""
    tokens = [f"i{i}" for i in range(40) if i != 3]
    chosen = np.array([[token in own for own in sequences.values()] for token in tokens], np.float32)
    np.savez(tmp_path / "vectors.npz", item=np.array(tokens), vector=chosen)
    return tmp_path / "vectors.npz"


@pytest.fixture
def lists(sequences: dict[str, list[str]], tmp_path: Path) -> Path:
    """For each training history what follows its last item, most often first."""
    after: dict[str, Counter[str]] = {}
    for own in sequences.values():
        for one, other in pairwise(own):
            after.setdefault(one, Counter())[other] += 1
    histories = [own[:n] for own in sequences.values() for n in range(1, len(own))]
    ranked = [[item for item, _ in after[h[-1]].most_common(15)] for h in histories]
    pd.DataFrame({"history": histories, "items": ranked}).to_parquet(tmp_path / "lists.parquet")
    return tmp_path / "lists.parquet"


def imported(**options: Any) -> list[str]:
    return fast(f"ckd.teachers={json.dumps([{'name': 'imported', **options}])}", *METRICS)


def test_vectors_teach_a_student(ckd: Ckd, tiny: Path, vectors: Path) -> None:
    """The way of the documentation, from the file to the table; the second run reads no file."""
    typed = ["distill", "SASRec", "-d", tiny, *imported(items=str(vectors))]
    done = ckd(*typed)
    assert done.status == 0, done.err
    told = f"{vectors} knows 39 of 40 items of 'tiny' (97.5 %)"
    assert told in done.err
    teacher = next(line.split() for line in done.out.splitlines() if line.startswith("teacher"))
    assert teacher[1] == "imported"
    assert float(teacher[2]) > 0.3  # by chance 0.25
    again = ckd(*typed)
    assert again.status == 0, again.err
    assert "imported: reused from" in again.err
    assert told in again.err


@pytest.mark.parametrize("model", ["SASRec", "BPR"])
def test_lists_teach_a_student(ckd: Ckd, tiny: Path, lists: Path, model: str) -> None:
    """Lists of training histories have nothing to say of the test rows, so that the teacher has no metrics."""
    done = ckd("distill", model, "-d", tiny, *imported(topk=str(lists), outside="mask"), "--json")
    assert done.status == 0, done.err
    result = json.loads(done.out)
    assert result["ckd"]["teachers"]["imported"]["test_result"] is None
    assert result["test_result"]["recall@10"] >= 0
    assert "histories of 'tiny'" in done.err


def test_changed_content_is_another_teacher(ckd: Ckd, tiny: Path, vectors: Path) -> None:
    """A file that is written anew under its old name was answered for by the old one."""
    typed = ["distill", "BPR", "-d", tiny, *imported(items=str(vectors))]
    assert ckd(*typed).status == 0
    with np.load(vectors) as old:
        item, vector = old["item"][:-4], old["vector"][:-4]
    np.savez(vectors, item=item, vector=vector)
    done = ckd(*typed)
    assert "knows 35 of 40 items" in done.err
    assert "reused" not in done.err


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("gone.npz", None, "'items' of teacher 'imported': .*gone.npz' does not exist"),
        ("x.pkl", b"\x80\x04.", r"pickles \(.pkl, .df\) can run anything"),
        ("x.npz", b"PK", "x.npz cannot be read as plain numbers and text"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(
    ckd: Ckd, tiny: Path, tmp_path: Path, name: str, data: bytes | None, message: str
) -> None:
    """A traceback tells a user nothing."""
    if data is not None:
        (tmp_path / name).write_bytes(data)
    done = ckd("distill", "BPR", "-d", tiny, *imported(items=str(tmp_path / name)))
    assert done.status == 2
    last = done.err.strip().splitlines()[-1]
    assert last.startswith("ckd: error: ")
    assert re.search(message, last)


def test_foreign_numbers_match_nothing(ckd: Ckd, tiny: Path, tmp_path: Path) -> None:
    """Students would be taught nothing for hours."""
    np.savez(tmp_path / "x.npz", item=np.array(["0", "1"]), vector=np.eye(2))
    done = ckd("distill", "BPR", "-d", tiny, *imported(items=str(tmp_path / "x.npz")))
    assert done.status == 2
    assert "knows none of the 40 items of 'tiny': the file has item '0', item '1', the data item 'i" in done.err


def test_the_example_of_the_documentation_runs(ckd: Ckd, tiny: Path) -> None:
    """An example that fails is the first thing that a reader sees of this teacher."""
    code = re.search(
        r"```python\n(import numpy as np\nimport pandas .*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL
    )
    assert code is not None
    made = (
        code[1]
        .replace("dataset/office/office.inter", str(tiny / "tiny.inter"))
        .replace("TruncatedSVD(64", "TruncatedSVD(8")
    )
    exec(compile(made, "example", "exec"), {})
    done = ckd("distill", "BPR", "-d", tiny, *imported(items="vectors.npz", normalize=True))
    assert done.status == 0, done.err
    assert "vectors.npz knows 40 of 40 items of 'tiny' (100.0 %)" in done.err
