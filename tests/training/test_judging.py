"""A teacher's metrics against a reference that was written by hand and shares no code with RecBole."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.errors import TeacherError
from ckd_plugins.registry import Origin
from ckd_plugins.training import judging
from ckd_plugins.training.judging import judge_in_slices, judge_teacher
from ckd_plugins.training.teaching import Taught

Prepare = Callable[..., Any]


def vectors(tokens: Any) -> np.ndarray:
    found = [np.random.default_rng(int(h)).standard_normal(16) for h in token_hashes(list(tokens))]
    return np.array(found, np.float32).reshape(len(found), 16)


def taste(history: np.ndarray) -> np.ndarray:
    """What somebody likes who chose items of these vectors: the newest one most."""
    weights = 0.5 ** np.arange(len(history))[::-1]
    return (history * weights[:, None]).sum(0).astype(np.float32)


def encode(instances: Any) -> np.ndarray:
    table = vectors(instances.items)
    return np.stack([taste(table[instances.history(row)]) for row in range(len(instances))])


def keys(instances: Any) -> np.ndarray:
    return instances.keys(50)


TEACHER = SimpleNamespace(
    encode=encode,
    item_factors=lambda domain: vectors(domain.items),
    keys=keys,
    known_items=lambda domain: np.ones(domain.n_items, bool),
)


def reference(shop: Path, *, masked: bool, left_out: int = 0) -> dict[str, float]:
    """Recall@10 and NDCG@10 of the last item after all others, in float64, straight from the file.

    ``left_out``: of everybody's newest items, as if they had not happened.
    """
    rows = [line.split("\t") for line in (shop / "shop.inter").read_text().splitlines()[1:]]
    sequences: dict[str, list[str]] = {}
    for user, item, _ in sorted(rows, key=lambda row: (row[0], float(row[2]))):
        sequences.setdefault(user, []).append(item)
    catalogue = sorted({item for _, item, _ in rows})
    index = {item: i for i, item in enumerate(catalogue)}
    table = vectors(catalogue).astype(np.float64)
    ranks = []
    for sequence in sequences.values():
        *known, target = sequence[: len(sequence) - left_out]
        scores = table @ taste(table[[index[i] for i in known]].astype(np.float32)).astype(np.float64)
        if masked:
            for item in set(known) - {target}:
                scores[index[item]] = -math.inf
        ranks.append(int((scores > scores[index[target]]).sum()))
    hits = [rank for rank in ranks if rank < 10]
    return {
        "recall@10": len(hits) / len(ranks),
        "ndcg@10": sum(1 / math.log2(rank + 2) for rank in hits) / len(ranks),
    }


@pytest.mark.parametrize(("model", "masked"), [("BPR", True), ("SASRec", False)])
def test_validation_is_ranked_before_the_validation_target(
    prepare: Prepare, shop: Path, model: str, masked: bool
) -> None:
    """With the history of a test row the target would be in the history."""
    run = prepare(model)
    found = judge_teacher(TEACHER, run.material, run.splits, run.host, "valid")
    assert found == pytest.approx(reference(shop, masked=masked, left_out=1), abs=5.1e-5)


@pytest.mark.parametrize(("model", "masked"), [("BPR", True), ("MultiVAE", True), ("SASRec", False)])
def test_metrics_are_those_of_the_reference(prepare: Prepare, shop: Path, model: str, masked: bool) -> None:
    """A teacher that is judged in another way than its student cannot be compared with it.

    RecBole leaves out what a user has seen for general models and ranks everything for sequential ones.
    """
    run = prepare(model)
    found = judge_teacher(TEACHER, run.material, run.splits, run.host)
    # RecBole rounds to four places.
    assert found == pytest.approx(reference(shop, masked=masked), abs=5.1e-5)


def test_the_two_ways_differ_here(shop: Path) -> None:
    """Otherwise the test above would show nothing about masking."""
    seen, unseen = reference(shop, masked=False), reference(shop, masked=True)
    assert abs(seen["ndcg@10"] - unseen["ndcg@10"]) > 0.005


def test_a_user_that_no_teacher_knows_is_ranked_by_nobodys_taste(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row -1 is the last user's: strangers would get somebody else's scores."""
    run, seen = prepare("BPR"), []
    monkeypatch.setattr(judging, "evaluate_scores", lambda config, splits, scores, split, recorder: seen.append(scores))
    run.material.user_row[5] = -1
    judge_teacher(TEACHER, run.material, run.splits, run.host)
    found = seen[0](np.array([5, 6]))
    assert torch.isneginf(found[0]).all()
    assert torch.isneginf(found[1]).tolist() == [True, *[False] * (found.shape[1] - 1)]


def test_where_nothing_is_ranked_there_is_no_result(prepare: Prepare) -> None:
    """AUC on labels asks for scores that a ranking teacher was never trained to give."""
    run = prepare(
        "BPR",
        eval_args={"split": {"LS": "valid_and_test"}, "order": "TO", "mode": "uni20", "group_by": "user"},
    )
    assert judge_teacher(TEACHER, run.material, run.splits, run.host) is None


def test_what_a_teacher_does_not_know_it_does_not_rank(prepare: Prepare, monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector of zeros scores 0, which is above half of the catalogue."""
    run, seen = prepare("BPR"), []
    monkeypatch.setattr(judging, "evaluate_scores", lambda config, splits, scores, split, recorder: seen.append(scores))
    strange = int(run.material.user_row[6])
    partly = SimpleNamespace(
        encode=encode,
        item_factors=TEACHER.item_factors,
        keys=lambda instances: np.where(np.arange(len(instances)) == strange, 0, keys(instances)),
        known_items=lambda domain: np.arange(domain.n_items) != 3,
    )
    judge_teacher(partly, run.material, run.splits, run.host)
    found = seen[0](np.array([5, 6]))
    assert torch.isneginf(found[0]).nonzero().flatten().tolist() == [0, 4]
    assert torch.isneginf(found[1]).all()


def test_a_teacher_without_an_answer_is_not_judged(prepare: Prepare) -> None:
    """Imported lists of training histories say nothing of the test rows: their metrics would be chance."""
    run, nothing = prepare("BPR"), lambda instances: np.zeros(len(instances), np.uint64)
    silent = SimpleNamespace(encode=encode, item_factors=TEACHER.item_factors, keys=nothing)
    assert judge_teacher(silent, run.material, run.splits, run.host) is None


class Lists:
    """The same teacher, asked for scores and not for vectors."""

    form, k, keys = "topk", 10, staticmethod(keys)

    def scores(self, instances: Any, rows: Any) -> np.ndarray:
        return encode(instances.take(rows)) @ vectors(instances.items).T


@pytest.mark.parametrize("model", ["BPR", "SASRec"])
def test_lists_are_judged_like_vectors(prepare: Prepare, shop: Path, model: str) -> None:
    """Two teachers in one table must have been ranked in one way."""
    run = prepare(model)
    found = judge_teacher(Lists(), run.material, run.splits, run.host)
    assert found == pytest.approx(reference(shop, masked=model == "BPR"), abs=5.1e-5)


@pytest.mark.parametrize(
    "settings", [{"topk": [20], "valid_metric": "NDCG@20"}, {"metrics": ["GAUC"], "valid_metric": "GAUC"}]
)
def test_metrics_that_look_beyond_the_lists_are_not_made_up(prepare: Prepare, settings: dict[str, Any]) -> None:
    """What a list does not hold would count as ranked last."""
    run = prepare("BPR", **settings)
    assert judge_teacher(Lists(), run.material, run.splits, run.host) is None


def failing(prepare: Prepare, origin: Origin, encode: Callable[[Any], np.ndarray]) -> Callable[[], Any]:
    run = prepare("SASRec")
    teacher = SimpleNamespace(**{**vars(TEACHER), "encode": encode})
    taught = Taught("mine", teacher, None, Path(), Path(), "", origin=origin)  # type: ignore[arg-type]
    return lambda: judge_in_slices(taught, run.material, run.splits, run.host)


def raises(instances: Any) -> np.ndarray:
    raise KeyError("brand")


def test_a_plugins_teacher_that_fails_is_told_and_has_no_metrics(
    prepare: Prepare, caplog: pytest.LogCaptureFixture
) -> None:
    """It took the finished student's numbers with it."""
    found = failing(prepare, Origin("mine", "ckd-mine", "0.1"), raises)()
    assert found == (None, {})
    assert caplog.messages == [
        "teacher 'mine' of plugin 'mine' (ckd-mine 0.1) fails on the test rows, and gets no metrics of them: "
        "KeyError: 'brand'"
    ]


def test_a_built_in_teachers_defect_is_raised_as_it_is(prepare: Prepare) -> None:
    """A metric that is missing for a defect of ours would be found by nobody."""
    with pytest.raises(KeyError, match="brand"):
        failing(prepare, Origin("ckd_plugins.teachers.builtin", builtin=True), raises)()


def test_vectors_without_numbers_are_not_ranked(prepare: Prepare) -> None:
    """NaN sorts above every score: such a teacher would have hit what it knows nothing of."""
    nowhere = failing(prepare, Origin("ours", builtin=True), lambda instances: encode(instances) * np.float32(np.nan))
    with pytest.raises(TeacherError, match="encode gives vectors with NaN or infinite values"):
        nowhere()
