from __future__ import annotations

import pytest

from ckd_plugins.host.needs import Needs, needs

CASES = [
    ("SASRec", Needs()),
    ("KGAT", Needs(files=("kg", "link"))),
    ("KSR", Needs(files=("kg", "link", "ent", "rel"))),
    ("SASRecF", Needs(item_features=True)),
    ("NCL", Needs(packages=("faiss-cpu",))),
    ("XGBoost", Needs(packages=("xgboost-cpu",))),
    ("SASRecPlus", Needs()),
]


@pytest.mark.parametrize(("name", "expected"), CASES)
def test_what_a_model_needs_beside_interactions(name: str, expected: Needs) -> None:
    """A table that does not say why a model fails on somebody's data."""
    found = needs(name)
    assert (found.files, found.item_features, found.packages) == (
        expected.files,
        expected.item_features,
        expected.packages,
    )


def test_words_are_what_a_user_has_to_bring() -> None:
    """A table cell that nobody can act on."""
    words = Needs(files=("kg", "link"), item_features=True, packages=("faiss-cpu",)).words()
    assert words == (".kg .link", "item features", "faiss-cpu")
