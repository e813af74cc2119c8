"""RecBole model instances."""

from __future__ import annotations

from typing import Any

from ckd_plugins.errors import StudentError
from ckd_plugins.host.compat import anomaly_mode_kept, clean_environment
from ckd_plugins.host.data import Splits
from ckd_plugins.host.upstream import mend

__all__ = ["REFUSALS", "build_model", "parameter_count", "reason"]

REFUSALS = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What RecBole and torch raise where a setting has a wrong type or value; they check few."""


def reason(error: Exception) -> str:
    """An error's first line with its kind; torch's own go on for several lines, and ``assert`` says nothing."""
    first = str(error).strip().partition("\n")[0]
    return f"{first} ({type(error).__name__})" if first else type(error).__name__


def build_model(config: Any, splits: Splits) -> Any:
    """Make the stock model instance of a config, with the random states that ``run_recbole`` has at this point.

    Raises:
        StudentError: the model's own constructor fails; its reason follows.
    """
    from recbole.utils import get_model, init_seed

    init_seed(config["seed"] + config["local_rank"], config["reproducibility"])
    name = config["model"]
    with clean_environment(), anomaly_mode_kept():
        cls = mend(get_model(name))
        try:
            model = cls(config, splits.train_dataset)
        except REFUSALS as error:
            raise StudentError(f"{name} cannot be built on {config['dataset']}: {reason(error)}") from error
    model = model.to(config["device"])
    _draw_as_flop_count(config, splits)
    return model


def _draw_as_flop_count(config: Any, splits: Splits) -> None:
    """Advance ``random`` as ``run_recbole``'s count of FLOPs does: it masks one sequence by the config's transform.

    BERT4Rec's masks come from there, so that without it the same seed gives other metrics than stock RecBole.
    """
    if config["transform"] is None:
        return
    import torch
    from recbole.data.transform import construct_transform

    one = splits.dataset[torch.tensor([1])].to(config["device"])
    construct_transform(config)(splits.dataset, one)


def parameter_count(model: Any) -> int:
    """Number of trained values of a model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
