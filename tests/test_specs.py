from __future__ import annotations

import pytest

from ckd_plugins import LossSpec, StudentSpec


def test_a_student_may_name_a_model_of_recboles() -> None:
    """A record that only gives other defaults would have to bring a class."""
    spec = StudentSpec(name="TinySASRec", factory="SASRec")
    assert spec.recbole_model == "SASRec"
    assert StudentSpec(name="Mine", factory="package.module:Mine").recbole_model is None
    assert StudentSpec(name="Mine", factory=int).recbole_model is None


def test_other_records_may_not() -> None:
    """For a loss, a bare word is a typo."""
    with pytest.raises(ValueError, match=r"LossSpec 'tv': reference 'TotalVariation' must read"):
        LossSpec(name="tv", factory="TotalVariation")


def test_a_dataset_needs_a_class_of_its_own() -> None:
    """RecBole looks a dataset up by the class's name: for one of its own models the record's would be ignored."""
    with pytest.raises(ValueError, match="a dataset needs a model class of its own"):
        StudentSpec(name="Alias", factory="GRU4Rec", dataset="package.module:Dataset")
