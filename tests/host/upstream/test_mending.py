"""Each upstream defect: what stock RecBole does, and what it does when mended. docs/recbole.md has the links."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.models import build_model
from ckd_plugins.host.needs import needs
from ckd_plugins.host.settings import build_config
from ckd_plugins.host.upstream import MENDED, mend
from ckd_plugins.host.upstream.mending import visible_as
from ckd_plugins.host.zoo import model_class
from ckd_plugins.training.sample import sample_dataset, sample_settings


def make(name: str, folder: Path, **settings: Any) -> tuple[Any, Splits, Any]:
    wanted = needs(name)
    given = {**sample_settings(name, wanted), **settings}
    config = build_config(name, sample_dataset(folder, wanted), given, folder)
    splits = load_splits(config)
    return build_model(config, splits), splits, config


@pytest.mark.parametrize("name", ["SASRecCPR", "GRU4RecCPR"])
def test_cpr_models_predict(name: str, tmp_path: Path) -> None:
    """Stock ``predict`` is ``assert False``: no sampled evaluation, and no run_recbole, which counts FLOPs by it."""
    model, splits, _ = make(name, tmp_path)
    batch = next(iter(splits.valid))[0]
    batch.update(type(batch)({"item_id": torch.full((len(batch),), 3)}))
    with torch.no_grad():
        torch.testing.assert_close(model.eval().predict(batch), model.full_sort_predict(batch)[:, 3])


def test_ncl_clusters_on_the_cpu_and_never_more_than_there_are(tmp_path: Path, capfd: Any) -> None:
    """Stock k-means asks for a GPU, and for 1,000 clusters of 65 users."""
    model, _, _ = make("NCL", tmp_path, num_clusters=1000)
    model.e_step()
    assert len(model.user_centroids) == model.n_users
    assert len(model.item_centroids) == model.n_items
    assert model.user_2cluster.shape == (model.n_users,)
    norms = model.user_centroids.norm(dim=1)
    torch.testing.assert_close(norms, torch.ones_like(norms))
    assert "WARNING" not in capfd.readouterr().err


def test_ncl_without_faiss_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ImportError from the middle of the first epoch."""
    model, _, _ = make("NCL", tmp_path)
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(EnvironmentProblem, match=r"pip install 'ckd-plugins\[faiss\]'"):
        model.e_step()


@pytest.mark.parametrize("name", ["KGIN", "MCCLK"])
def test_scatter_models_run_without_torch_scatter(name: str, tmp_path: Path) -> None:
    """The import is inside ``forward``: the model is built, and the first batch fails."""
    model, _, _ = make(name, tmp_path)
    before = sys.modules.get("torch_scatter")
    users, items = model.forward()[:2]
    assert bool(torch.isfinite(users).all())
    assert bool(torch.isfinite(items).all())
    assert sys.modules.get("torch_scatter") is before, "others would take the stand-in for the whole library"


def test_kgat_is_built_without_dgl_and_attends_anew(tmp_path: Path) -> None:
    """The matrix is made by dgl, and each epoch makes it anew from the attention."""
    model, _, _ = make("KGAT", tmp_path)
    assert "dgl" not in sys.modules
    before = model.A_in.to_dense().clone()
    model.update_attentive_A()
    after = model.A_in.to_dense()
    assert before.shape == (model.n_users + model.n_entities,) * 2
    assert torch.equal(before > 0, after > 0), "attention weighs edges, it makes and loses none"
    rows = after.sum(dim=1)
    torch.testing.assert_close(rows[rows > 0], torch.ones(int((rows > 0).sum())), rtol=1e-4, atol=1e-4)


def test_ksrs_vectors_have_single_precision(tmp_path: Path) -> None:
    """A product of double and single precision fails in the first batch."""
    model, _, _ = make("KSR", tmp_path)
    assert model.relation_Matrix.dtype is torch.float32


def test_ract_logs_where_its_weights_are_without_a_traceback(tmp_path: Path, capsys: Any) -> None:
    """``logger.info("...", path)`` prints a traceback of the logging module on every start."""
    from recbole.model.general_recommender.ract import RaCT

    model, splits, config = make("RaCT", tmp_path, train_stage="actor_pretrain")
    torch.save({"state_dict": model.state_dict()}, tmp_path / "actor.pth")
    config["train_stage"], config["pre_model_path"] = "critic_pretrain", str(tmp_path / "actor.pth")
    logging.getLogger().addHandler(logging.StreamHandler())
    try:
        mend(RaCT)(config, splits.train_dataset)
    finally:
        logging.getLogger().handlers.pop()
    assert "Traceback" not in capsys.readouterr().err
    assert logging.raiseExceptions


def test_a_class_is_mended_once_and_others_never() -> None:
    """Mended twice, a constructor is wrapped twice; and a stranger's class of the same name is not RecBole's."""
    cls = model_class("SASRecCPR")
    first = vars(mend(cls))["predict"]
    assert vars(mend(cls))["predict"] is first
    own = type("SASRecCPR", (), {"predict": None})
    assert vars(mend(own))["predict"] is None
    assert set(MENDED) >= {"KGAT", "KGIN", "MCCLK", "NCL", "KSR", "RaCT"}


def test_a_module_is_visible_for_a_while_only() -> None:
    """A stand-in left in ``sys.modules`` breaks whoever imports the real library afterwards."""
    stand_in = ModuleType("ckd_no_such_module")
    with visible_as("ckd_no_such_module", stand_in):
        import ckd_no_such_module

        assert ckd_no_such_module is stand_in
    assert "ckd_no_such_module" not in sys.modules
    with visible_as("numpy", stand_in):
        assert sys.modules["numpy"] is stand_in
    assert sys.modules["numpy"] is np
