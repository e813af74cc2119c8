from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from ckd_plugins.domains import Domain, Instances
from ckd_plugins.errors import DataError, TeacherError
from ckd_plugins.teachers import Imported

D = 4


def vector(token: str) -> np.ndarray:
    """A vector that anybody can make again."""
    return np.random.default_rng([*token.encode()]).standard_normal(D).astype(np.float32)


@pytest.fixture
def items(domain: Domain, tmp_path: Path) -> str:
    """Vectors of all items but the first five, and of one stranger."""
    tokens = [*domain.items[:4:-1], "nobody"]
    np.savez(tmp_path / "items.npz", item=np.array(tokens), vector=np.array([vector(t) for t in tokens]))
    return str(tmp_path / "items.npz")


def ready(domain: Domain, **options: Any) -> Imported:
    teacher = Imported(**{"calibrate": False, **options})
    teacher.finetune(domain)
    return teacher


def parquet(path: Path, **columns: Any) -> str:
    pd.DataFrame(columns).to_parquet(path)
    return str(path)


@pytest.mark.parametrize("decay", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("normalize", [False, True])
def test_a_history_is_the_mean_of_its_known_items(domain: Domain, items: str, decay: float, normalize: bool) -> None:
    """Against a loop in float64: unknown items must count neither as zeros nor as places."""
    teacher, rows = ready(domain, items=items, decay=decay, normalize=normalize, max_length=3), domain.train_instances()

    def scaled(v: np.ndarray) -> np.ndarray:
        return v / np.linalg.norm(v) if normalize else v

    known = set(domain.items[5:])
    found, keys = teacher.encode(rows), teacher.keys(rows)
    for row in range(len(rows)):
        tokens = [t for t in (domain.items[i] for i in rows.history(row)[-3:]) if t in known]
        assert (keys[row] != 0) == bool(tokens)
        mean = np.zeros(D)
        if tokens:
            weights = np.array([decay ** (len(tokens) - 1 - j) for j in range(len(tokens))])
            parts = np.array([scaled(vector(t).astype(float)) for t in tokens])
            mean = scaled((weights[:, None] * parts).sum(0) / weights.sum())
        np.testing.assert_allclose(found[row], mean, atol=1e-5)
    assert (keys == 0).any()
    assert not found[keys == 0].any()


def test_unknown_items_are_not_guessed(domain: Domain, items: str) -> None:
    """An item without a vector must not count as one that scores 0."""
    teacher = ready(domain, items=items)
    assert list(teacher.known_items(domain)) == [i >= 5 for i in range(domain.n_items)]
    factors = teacher.item_factors(domain)
    assert not factors[:5].any()
    np.testing.assert_array_equal(factors[5:], [vector(t) for t in domain.items[5:]])
    assert "55 of 60 items" in teacher.coverage[0]
    assert "item 'nobody'" in teacher.coverage[0]


def test_another_numbering_of_the_items_changes_nothing(domain: Domain, items: str, tmp_path: Path) -> None:
    """Students number items as RecBole does, not as the teacher's domain."""
    rows = domain.train_instances()
    order = np.random.default_rng(0).permutation(domain.n_items)
    place = np.argsort(order)
    tokens = tuple(domain.items[i] for i in order)
    other = replace(rows, items=tokens, flat=place[rows.flat], target=place[rows.target])
    teacher = ready(domain, items=items)
    np.testing.assert_array_equal(teacher.keys(other), teacher.keys(rows))
    np.testing.assert_allclose(teacher.encode(other), teacher.encode(rows), rtol=1e-6)
    lists = ready(domain, topk=parquet(tmp_path / "l.parquet", user=["u1"], items=[list(domain.items[:3])]))
    of_u1 = np.flatnonzero(rows.user == domain.users.index("u1"))[:1]
    np.testing.assert_array_equal(lists.scores(other, of_u1), lists.scores(rows, of_u1)[:, order])
    assert np.isfinite(lists.scores(other, of_u1)).sum() == 3


@pytest.mark.parametrize("kind", ["user", "history", "target", "length"])
def test_rows_have_the_vectors_of_the_file(domain: Domain, items: str, kind: str, tmp_path: Path) -> None:
    """A row that gets another row's vector is taught another user's taste; every other row is left out."""
    rows = domain.train_instances(4)
    some = np.arange(0, len(rows), 2)
    if kind == "user":
        some = np.array([np.flatnonzero(rows.user == u)[0] for u in np.unique(rows.user)[::2]])
    user = [domain.users[u] for u in rows.user[some]]
    columns: dict[str, Any] = {"user": user}
    if kind == "history":
        columns = {"history": [[domain.items[i] for i in rows.history(r)] for r in some]}
    elif kind == "target":
        columns["target"] = [domain.items[i] for i in rows.target[some]]
    elif kind == "length":
        columns["length"] = domain.train_instances(99).lengths[some]
    given = np.random.default_rng(1).standard_normal((len(some), D)).astype(np.float32)
    path = parquet(tmp_path / "rows.parquet", **columns, vector=list(given))
    teacher = ready(domain, items=items, rows=path, max_length=4)
    keys, vectors = teacher.keys(rows), teacher.encode(rows)
    first = {int(keys[r]): given[j] for j, r in reversed([*enumerate(some)])}
    for row in range(len(rows)):
        np.testing.assert_array_equal(vectors[row], first[int(keys[row])] if keys[row] else np.zeros(D))
    assert (keys[some] != 0).all()
    assert (keys == 0).any()


def test_lists_are_those_of_the_file(domain: Domain, tmp_path: Path) -> None:
    """Ids, order and scores, with -1 where a list is shorter and nothing where there is none."""
    lists = [["walks-0-1", "stranger", "walks-2-2"], ["walks-5-5"]]
    path = parquet(tmp_path / "l.parquet", user=["u3", "u7"], items=lists, scores=[[1.0, 5.0, 2.0], [0.5]])
    teacher, rows = ready(domain, topk=path), domain.train_instances()
    assert (teacher.form, teacher.k) == ("topk", 2)
    row = [int(np.flatnonzero(rows.user == domain.users.index(u))[0]) for u in ("u3", "u7", "u8")]
    ids, scores = teacher.lists(rows, row)
    at = domain.items.index
    assert ids.tolist() == [[at("walks-2-2"), at("walks-0-1")], [at("walks-5-5"), -1], [-1, -1]]
    assert scores.tolist() == [[2.0, 1.0], [0.5, 0.0], [0.0, 0.0]]
    assert (teacher.keys(rows)[row] != 0).tolist() == [True, True, False]
    table = teacher.scores(rows, row)
    assert table[0, at("walks-2-2")] == 2.0
    assert np.isfinite(table).sum() == 3


def test_files_as_dllm2rec_writes_them(domain: Domain, tmp_path: Path) -> None:
    """Ranked numbers and distances as text, a row a training instance, item vectors as a tensor."""
    rows = domain.train_instances(10)
    rng = np.random.default_rng(0)
    ranked = np.array([rng.permutation(domain.n_items)[:5] for _ in range(len(rows))])
    np.savetxt(tmp_path / "myrank_train.txt", ranked)
    np.savetxt(tmp_path / "confidence_train.txt", np.sort(rng.random(ranked.shape), axis=1))
    (tmp_path / "items.txt").write_text("\n".join(domain.items))
    histories = [[domain.items[i] for i in rows.history(r)] for r in range(len(rows))]
    (tmp_path / "rows.json").write_text(json.dumps(histories))
    teacher = ready(
        domain,
        topk=str(tmp_path / "myrank_train.txt"),
        topk_scores=str(tmp_path / "confidence_train.txt"),
        distances=True,
        item_tokens=str(tmp_path / "items.txt"),
        row_tokens=str(tmp_path / "rows.json"),
        max_length=10,
    )
    _, first = np.unique(rows.keys(10), return_index=True)
    np.testing.assert_array_equal(teacher.lists(rows, first)[0], ranked[first])
    assert (np.diff(teacher.lists(rows, first)[1], axis=1) < 0).all()


def test_the_unit_of_the_scores_is_found(domain: Domain, items: str, tmp_path: Path) -> None:
    """Vectors ten times as long would make a softmax a hundred times as sharp."""
    with np.load(items) as found:
        np.savez(tmp_path / "long.npz", item=found["item"], vector=10 * found["vector"])
    rows = domain.valid_instances()
    one, ten = (ready(domain, items=i, calibrate=True) for i in (items, str(tmp_path / "long.npz")))
    scores = [t.encode(rows) @ t.item_factors(domain).T for t in (one, ten)]
    np.testing.assert_allclose(scores[0], scores[1], rtol=1e-3, atol=1e-3)
    assert ten._unit == pytest.approx(100 * one._unit, rel=1e-3)


def test_test_targets_are_not_looked_at(domain: Domain, items: str) -> None:
    """A teacher that was tuned on them would flatter its students."""
    blind = replace(domain, test=np.full(domain.n_users, -1))
    assert ready(blind, items=items, calibrate=True).digest == ready(domain, items=items, calibrate=True).digest


@pytest.mark.parametrize("what", ["mean", "rows", "lists"])
def test_it_comes_back_from_disk_without_its_files(domain: Domain, items: str, what: str, tmp_path: Path) -> None:
    """The cache must answer after the files are gone, bit for bit, and say again what it does not know."""
    users = list(domain.users[::2])
    options = {
        "mean": {"items": items, "decay": 0.7},
        "rows": {
            "items": items,
            "rows": parquet(tmp_path / "r.parquet", user=users, vector=[vector(u) for u in users]),
        },
        "lists": {"topk": parquet(tmp_path / "l.parquet", user=users, items=[list(domain.items[:7])] * len(users))},
    }[what]
    teacher, rows = ready(domain, **options, calibrate=True, temperature=2.0), domain.train_instances()
    teacher.save(tmp_path / "kept")
    for path in tmp_path.glob("*.*"):
        path.unlink()
    again = Imported.load(tmp_path / "kept")
    assert (again.digest, again.temperature, again.form, again.k) == (teacher.digest, 2.0, teacher.form, teacher.k)
    assert again.coverage == teacher.coverage
    assert teacher.parameters > 0
    np.testing.assert_array_equal(again.keys(rows), teacher.keys(rows))
    ask = (lambda t: t.lists(rows)) if what == "lists" else (lambda t: (t.encode(rows), t.item_factors(domain)))
    for mine, its in zip(ask(again), ask(teacher), strict=True):
        np.testing.assert_array_equal(mine, its)


def test_where_the_files_lie_does_not_count_and_what_is_in_them_does(
    domain: Domain, items: str, tmp_path: Path
) -> None:
    """A copy of a file is no other teacher."""
    (tmp_path / "copy.npz").write_bytes(Path(items).read_bytes())
    digest = ready(domain, items=items).digest
    assert ready(domain, items=str(tmp_path / "copy.npz")).digest == digest
    np.savez(tmp_path / "copy.npz", item=np.array(domain.items), vector=np.ones((domain.n_items, D)))
    assert ready(domain, items=str(tmp_path / "copy.npz")).digest != digest


def test_coverage_is_logged_on_reuse_too(
    domain: Domain, items: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The second run of a study would not say that half of the catalogue is missing."""
    ready(domain, items=items).save(tmp_path / "kept")
    caplog.set_level(logging.INFO, "ckd_plugins")
    caplog.clear()
    Imported.load(tmp_path / "kept")
    assert "knows 55 of 60 items" in caplog.text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "needs vectors in the option items, or lists in topk, and not both"),
        ({"items": "i", "topk": "t"}, "not both"),
        ({"topk": "t", "rows": "r"}, "rows belongs to items"),
        ({"items": "i", "topk_scores": "s"}, "topk_scores belongs to topk"),
        ({"items": "i", "decay": 2.0}, "decay is 2.0"),
        ({"items": "i", "k": 0}, "k is 0; it must be positive"),
    ],
)
def test_options_that_contradict(domain: Domain, options: dict[str, Any], message: str) -> None:
    """A file that is given and not read is a result that nobody can explain."""
    with pytest.raises(TeacherError, match=message):
        ready(domain, **options)


def test_vectors_of_two_models(domain: Domain, items: str, tmp_path: Path) -> None:
    """They have no product."""
    path = parquet(tmp_path / "r.parquet", user=["u1"], vector=[[1.0, 2.0]])
    with pytest.raises(DataError, match=r"vectors of 2 numbers, and of 4 in .*items\.npz"):
        ready(domain, items=items, rows=path)


def test_each_form_refuses_the_others_questions(domain: Domain, items: str, tmp_path: Path) -> None:
    """Zeros for an answer would be taught."""
    rows = domain.train_instances()
    with pytest.raises(TeacherError, match="not been fine-tuned"):
        Imported(items=items).keys(rows)
    with pytest.raises(TeacherError, match="has vectors; ask for encode"):
        ready(domain, items=items).lists(rows)
    lists = ready(domain, topk=parquet(tmp_path / "l.parquet", user=["u1"], items=[list(domain.items[:3])]))
    with pytest.raises(TeacherError, match="has lists and no vectors; ask for lists"):
        lists.encode(rows)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    """A damaged cache must be made again, not end the run."""
    with pytest.raises(TeacherError, match="holds no saved teacher"):
        Imported.load(tmp_path)


def test_rows_without_a_history_have_no_answer(domain: Domain, tmp_path: Path) -> None:
    """General recommenders have such rows, and nothing is known of them."""
    lists = ready(domain, topk=parquet(tmp_path / "l.parquet", user=["u1"], items=[list(domain.items[:3])]))
    user = [domain.users.index("u1")] * 2
    rows = Instances(domain.items, domain.sequence, [0, 0], [0, 1], [0, 0], domain.users, user)
    assert (lists.keys(rows) != 0).tolist() == [False, True]
