from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.host.restoring import restore


class Neighbours(torch.nn.Module):
    """A model as RecBole's without gradients are: a dummy weight, and matrices that its class names."""

    def __init__(self) -> None:
        super().__init__()
        self.dummy = torch.nn.Parameter(torch.zeros(1))
        self.w, self.rows, self.computed = scipy.sparse.eye(3, format="csr"), torch.zeros(3, 2), None
        self.other_parameter_name = ["w", "rows", "computed"]


GOOD: dict[str, Any] = {
    "w": scipy.sparse.csc_matrix(np.full((3, 3), 2.0)),
    "rows": torch.ones(3, 2),
    "computed": torch.ones(4),
}


def test_what_the_class_names_is_taken_over_and_nothing_else() -> None:
    """An attribute from a file could stand where a method is looked for."""
    model = Neighbours()
    restore(model, {"dummy": torch.ones(1)}, {**GOOD, "forward": "a string", "training": None})
    assert model.dummy.item() == 1
    assert model.w[0, 1] == 2
    assert model.rows.sum() == 6
    assert len(model.computed) == 4
    assert callable(model.forward)
    assert model.training is True


@pytest.mark.parametrize(
    ("weights", "others", "message"),
    [
        ({"dummy": torch.ones(2)}, GOOD, r"'dummy' is \(2,\) in the file and \(1,\) on these data"),
        ({}, GOOD, "'dummy' is missing in the file"),
        ({"dummy": torch.ones(1), "more": torch.ones(1)}, GOOD, r"'more' is \(1,\) in the file and unknown"),
        (None, {}, "'w' is nothing in the file and a sparse matrix"),
        (None, {**GOOD, "w": scipy.sparse.eye(4, format="csr")}, r"'w' is \(4, 4\) in the file and \(3, 3\)"),
        (None, {**GOOD, "w": "three"}, "'w' is a str in the file and a sparse matrix"),
        (
            None,
            {**GOOD, "rows": scipy.sparse.eye(3, format="csr")},
            "'rows' is a sparse matrix in the file and a tensor",
        ),
        (None, {**GOOD, "rows": torch.ones(2, 3)}, r"'rows' is \(2, 3\) in the file and \(3, 2\)"),
    ],
)
def test_what_does_not_fit_is_named(weights: Any, others: dict[str, Any], message: str) -> None:
    """Torch's own message has as many lines as there are weights; a matrix of another size fails at the first score."""
    with pytest.raises(StudentError, match=message) as caught:
        restore(Neighbours(), {"dummy": torch.ones(1)} if weights is None else weights, others)
    assert "\n" not in str(caught.value)


def test_what_is_computed_later_may_be_missing() -> None:
    """LightGCN saved before its first validation has no embeddings beside its weights."""
    model = Neighbours()
    restore(model, {"dummy": torch.ones(1)}, {**GOOD, "computed": None})
    assert model.computed is None


def test_without_others_the_model_keeps_its_own() -> None:
    """A teacher of this package's is made anew from its weights alone."""
    model = Neighbours()
    restore(model, {"dummy": torch.ones(1)})
    assert model.w[0, 0] == 1
    assert model.computed is None
