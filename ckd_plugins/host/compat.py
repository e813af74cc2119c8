"""What RecBole 1.2.1 needs to run on today's numpy, scipy and torch.

Each shim is scoped to the RecBole class that needs it, does nothing where the installed library still has what
RecBole asks for, and may be applied any number of times. ``recbole.quick_start`` is never imported: it pulls in
ray 2.6.3, which neither exists for Python 3.12 nor runs with numpy 2.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from ckd_plugins.errors import EnvironmentProblem
from ckd_plugins.host.requirements import REQUIREMENTS, check_requirement

__all__ = ["anomaly_mode_kept", "check_versions", "clean_environment", "prepare"]

_prepared = False


def check_versions() -> None:
    """Refuse versions with which RecBole gives wrong results or none.

    Raises:
        EnvironmentProblem: a package is missing or of another version. pandas 3 is the worst case: the chained
            ``fillna(inplace=True)`` of RecBole's ``dataset.py`` does nothing there, and features of the padding row
            become ``-9223372036854775808`` without a word.
    """
    for need in REQUIREMENTS:
        check = check_requirement(need)
        if check.status == "error":
            raise EnvironmentProblem(f"{check.name} {check.detail}: {check.remedy}; run 'ckd doctor --fix'")


def prepare() -> None:
    """Check the versions and apply the shims; call it before anything of RecBole is used."""
    global _prepared
    if _prepared:
        return
    check_versions()
    with anomaly_mode_kept():
        _alias_numpy_types()
        _restore_dok_update()
        _ask_for_registered_defaults()
    _prepared = True


def _alias_numpy_types() -> None:
    """Let ``Config`` set up numpy 1's scalar names, as it does on import of numpy < 2, from names that still exist.

    RecBole's own method reads ``np.float_``, ``np.complex_`` and ``np.unicode_``, which numpy 2 removed.
    """
    import numpy as np

    config_class = importlib.import_module("recbole.config.configurator").Config

    def compatibility_settings(self: Any) -> None:
        aliases: dict[str, type] = {
            "float": np.float64,
            "complex": np.complex128,
            "object": np.object_,
            "unicode": np.str_,
            "int": np.int_,
            "long": np.int_,
            "bool": np.bool_,
            "str": np.str_,
        }
        for name, scalar in aliases.items():
            if name not in np.__dict__:
                setattr(np, name, scalar)

    config_class.compatibility_settings = compatibility_settings
    # Interactions are also built where no Config was made before (a worker process, a notebook).
    compatibility_settings(None)


def _restore_dok_update() -> None:
    """Scipy 1.13 removed ``dok_matrix._update``, with which LightGCN and kin fill their adjacency matrix."""
    from scipy.sparse import dok_matrix

    if not hasattr(dok_matrix, "_update"):
        dok_matrix._update = lambda self, data: self._dict.update(data)


def _ask_for_registered_defaults() -> None:
    """Let ``Config`` add a registered student's defaults to what it reads from RecBole's own files."""
    from ckd_plugins.host.zoo import registered_defaults  # which imports this module

    config_class = importlib.import_module("recbole.config.configurator").Config
    stock = config_class._load_internal_config_dict

    def load(self: Any, model: str, model_class: Any, dataset: str) -> None:
        stock(self, model, model_class, dataset)
        self.internal_config_dict.update(registered_defaults(model))

    config_class._load_internal_config_dict = load


@contextlib.contextmanager
def anomaly_mode_kept() -> Iterator[None]:
    """Undo what importing RecBole's SINE does to the process: autograd anomaly detection switched on for good.

    ``recbole/model/sequential_recommender/sine.py`` calls ``set_detect_anomaly(True)`` at import, and ``get_model``
    imports it with every sequential model; it costs a quarter to a third of an epoch.
    """
    import torch

    before, check_nan = torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
    try:
        yield
    finally:
        torch.autograd.set_detect_anomaly(before, check_nan)


@contextlib.contextmanager
def clean_environment() -> Iterator[None]:
    """Hide from RecBole what belongs to somebody else: the command line, and the choice of visible devices.

    ``Config`` reads ``sys.argv`` as settings whoever owns the process (a ``--learning_rate=9`` meant for pytest
    counts), and overwrites ``CUDA_VISIBLE_DEVICES``.
    """
    argv, visible = sys.argv, os.environ.get("CUDA_VISIBLE_DEVICES")
    sys.argv = argv[:1] or ["ckd"]
    try:
        yield
    finally:
        sys.argv = argv
        if visible is None:
            os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        else:
            os.environ["CUDA_VISIBLE_DEVICES"] = visible
