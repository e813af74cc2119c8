from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.host import compat
from ckd_plugins.host.requirements import Requirement
from ckd_plugins.host.zoo import model_class


def test_ray_is_never_imported() -> None:
    """recbole.quick_start drags in ray 2.6.3, which runs on no current stack."""
    code = (
        "import sys; from ckd_plugins.host.zoo import model_class; model_class('SASRec');"
        "print('ray' in sys.modules, 'recbole.quick_start' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_anomaly_mode_stays_as_the_user_had_it() -> None:
    """RecBole's SINE turns autograd anomaly detection on for the whole process: a third of an epoch."""
    code = (
        "import torch; from ckd_plugins.host.zoo import model_class; model_class('SASRec');"
        "print(torch.is_anomaly_enabled()); torch.autograd.set_detect_anomaly(True); model_class('GRU4Rec');"
        "print(torch.is_anomaly_enabled())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True"]


def test_prepare_may_be_called_again() -> None:
    """A second application must not stack shims."""
    compat.prepare()
    from scipy.sparse import dok_matrix

    before = dok_matrix._update
    compat.prepare()
    assert dok_matrix._update is before


def test_numpy_keeps_its_own_scalars() -> None:
    """RecBole's stock method overwrites np.bool and others for everybody; the shim only adds missing names."""
    before = np.bool
    model_class("BPR")
    assert np.bool is before
    assert np.float is np.float64


def test_dok_update_fills_a_matrix() -> None:
    """Without it LightGCN's adjacency matrix cannot be built on scipy >= 1.13."""
    from scipy.sparse import dok_matrix

    compat.prepare()
    matrix = dok_matrix((2, 2), dtype=np.float32)
    matrix._update({(0, 1): 1.0})
    assert matrix.toarray().tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_a_wrong_version_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pandas 3 corrupts features silently, so it must be refused before anything runs."""
    need = Requirement("pandas", ">=99", "pandas silently corrupts RecBole's features")
    monkeypatch.setattr(compat, "REQUIREMENTS", (need,))
    with pytest.raises(
        EnvironmentProblem, match=r"pandas .*needed is >=99: pandas silently.*ckd doctor --fix"
    ) as caught:
        compat.check_versions()
    assert "\n" not in str(caught.value)


def test_command_line_and_devices_are_hidden_and_given_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """RecBole reads --learning_rate=9 off any process's command line and overwrites CUDA_VISIBLE_DEVICES."""
    monkeypatch.setattr(sys, "argv", ["pytest", "--learning_rate=9"])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with compat.clean_environment():
        assert sys.argv == ["pytest"]
        os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    assert sys.argv == ["pytest", "--learning_rate=9"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "3"
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    with compat.clean_environment():
        os.environ["CUDA_VISIBLE_DEVICES"] = "0"
    assert "CUDA_VISIBLE_DEVICES" not in os.environ


def test_anomaly_mode_kept_restores_after_an_error() -> None:
    """An import that fails half way must not leave the mode on."""

    def fail() -> None:
        with compat.anomaly_mode_kept():
            torch.autograd.set_detect_anomaly(True)
            raise ValueError

    with pytest.raises(ValueError, match=""):
        fail()
    assert not torch.is_anomaly_enabled()
