"""A model's family is told by what it is, and models without gradients are named as such."""

from __future__ import annotations

import pytest

from ckd_plugins.errors import StudentError
from ckd_plugins.students import Probe, family
from ckd_plugins.students.families import loss_arguments, loss_method, refusal


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("SASRec", "sequential"),
        ("BPR", "general"),
        ("SimpleX", "general"),
        ("LightGCN", "graph"),
        ("GCMC", "graph"),
        ("MultiVAE", "autoencoder"),
        ("FM", "feature_interaction"),
        ("CKE", "knowledge"),
    ],
)
def test_family(case, name, expected):
    """Guards against probing readers of another family, slowly or in a wrong order."""
    model = case(name).model
    assert family(model) == expected
    assert refusal(model) is None


def test_tree_models_are_refused_before_anything_is_probed():
    """Guards against an attribute error where a reason is due: RecBole's tree models are no torch modules."""

    class Kind:
        name = "DECISIONTREE"

    class XGBoost:
        type = Kind()

    with pytest.raises(StudentError, match=r"XGBoost cannot be a student: a decision tree"):
        Probe(XGBoost(), None, {}, 10)


def test_special_losses_are_known(case):
    """Guards against wrapping a method that MKR's trainer never calls, and calling RecVAE's loss without its flag."""
    assert loss_method(case("MKR").model) == "calculate_rs_loss"
    assert loss_arguments(case("RecVAE").model) == {"encoder_flag": False}
    assert loss_arguments(case("BPR").model) == {}
