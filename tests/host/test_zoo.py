from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import EnvironmentProblem, PluginError, UnknownNameError
from ckd_plugins.host.compat import prepare as prepare_host
from ckd_plugins.host.zoo import model_class, model_names, register_student, registered_students


def test_all_94_models_are_named() -> None:
    """The list behind did-you-mean must be RecBole's whole zoo, found without importing it."""
    names = model_names()
    assert len(names) == 94
    assert {"SASRec", "LightGCN", "DeepFM", "KGAT", "XGBoost"} <= set(names)


def test_unknown_model_names_the_nearest() -> None:
    """RecBole's own message names nothing."""
    with pytest.raises(UnknownNameError, match=r"unknown model 'SASReck'; did you mean 'SASRec'\?"):
        model_class("SASReck")


def test_a_model_name_in_the_wrong_case_is_an_unknown_name() -> None:
    """RecBole looks modules up in lower case and then fails with an AttributeError."""
    with pytest.raises(UnknownNameError, match="did you mean 'SASRec'"):
        model_class("sasrec")


def test_a_model_without_its_library_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """An ImportError from deep inside RecBole does not tell which model wanted what."""
    import sys

    monkeypatch.setitem(sys.modules, "lightgbm", None)
    monkeypatch.delitem(sys.modules, "recbole.model.exlib_recommender.lightgbm", raising=False)
    monkeypatch.delitem(sys.modules, "recbole.model.exlib_recommender", raising=False)
    with pytest.raises(EnvironmentProblem, match=r"model LightGBM cannot be imported: .*lightgbm"):
        model_class("LightGBM")


def make_class(name: str) -> type:
    prepare_host()
    from recbole.model.general_recommender.bpr import BPR

    return type(name, (BPR,), {})


def test_a_registered_student_is_found_by_recbole() -> None:
    """RecBole finds models only inside its own package."""
    cls = make_class("HostTestRec")
    register_student("HostTestRec", cls)
    register_student("HostTestRec", cls)
    assert model_class("HostTestRec") is cls
    assert "HostTestRec" in registered_students()


def test_a_dataset_of_recboles_is_not_replaced() -> None:
    """A student named Sequential would have every sequential model in the process trained on its dataset."""
    import recbole.data.dataset as datasets

    stock = datasets.SequentialDataset
    with pytest.raises(PluginError, match="RecBole has a SequentialDataset"):
        register_student("Sequential", make_class("Sequential"), type("Other", (stock,), {}))
    assert datasets.SequentialDataset is stock


def test_recboles_own_names_are_taken() -> None:
    """A plugin must not replace SASRec for everybody in the process."""
    with pytest.raises(PluginError, match="RecBole has a model of that name"):
        register_student("SASRec", make_class("SASRec"))


def test_a_class_of_another_name_is_refused() -> None:
    """RecBole looks the class up by the model's name and would not find it."""
    with pytest.raises(PluginError, match="finds models by class name"):
        register_student("Mine", make_class("Other"))


def test_a_class_without_recboles_interface_is_refused() -> None:
    """It would fail in the middle of a run."""
    with pytest.raises(PluginError, match="has no RecBole model type"):
        register_student("Plain", type("Plain", (torch.nn.Module,), {}))
