"""What kind of model a RecBole instance is, told by what it declares and has, never by its name."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ckd_plugins.errors import StudentError
from ckd_plugins.host.ranking import full_sort_is_own

if TYPE_CHECKING:
    from ckd_plugins.specs import Family

__all__ = [
    "family",
    "full_sort_is_own",
    "loss_arguments",
    "loss_method",
    "make_ready",
    "refusal",
    "require_student",
    "scores_pairs",
    "trains_ranking",
]

_PAIR_PARAMETERS = {"item", "next_item", "next_items", "item_indices", "t", "interaction"}


def kind(model: Any) -> str:
    """RecBole's model type in capitals (``"SEQUENTIAL"``), or ``""`` for a model without one."""
    return str(getattr(getattr(model, "type", None), "name", ""))


def family(model: Any) -> Family:
    """Family of a model instance, which decides the readers that are probed and their order."""
    declared = kind(model)
    if declared == "CONTEXT":
        return "feature_interaction"
    if declared == "SEQUENTIAL":
        return "sequential"
    if declared == "KNOWLEDGE":
        return "knowledge"
    if hasattr(model, "get_rating_matrix"):
        return "autoencoder"
    return "graph" if _propagates(model) else "general"


def _propagates(model: nn.Module) -> bool:
    """Whether the model holds a sparse adjacency matrix, which is what makes a recommender a graph model here."""
    values = (value for module in model.modules() for value in (*vars(module).values(), *module._buffers.values()))
    return any(isinstance(value, torch.Tensor) and value.layout != torch.strided for value in values)


def refusal(model: Any) -> str | None:
    """Why a model cannot be a student, or ``None``.

    Only models trained by gradients can be: RecBole's closed-form, counting, random and tree models have a
    ``calculate_loss`` that reaches no parameter.
    """
    declared = kind(model)
    if declared == "DECISIONTREE":
        return "a decision tree is not trained by gradients"
    if declared == "TRADITIONAL":
        return "it is fitted in closed form or by counting, not by gradients"
    if not isinstance(model, nn.Module):
        return "it is no torch module"
    if not any(p.requires_grad for p in model.parameters()):
        return "it has no trainable parameters"
    return None


def require_student(model: Any) -> None:
    """Refuse a model that cannot be a student.

    Raises:
        StudentError: with the reason that :func:`refusal` gives.
    """
    reason = refusal(model)
    if reason is not None:
        raise StudentError(f"{type(model).__name__} cannot be a student: {reason}; it can be a teacher")


def loss_method(model: Any) -> str:
    """Name of the method that computes the recommendation loss; MKR's trainer calls ``calculate_rs_loss``."""
    return "calculate_rs_loss" if hasattr(model, "calculate_rs_loss") else "calculate_loss"


def loss_arguments(model: Any) -> dict[str, Any]:
    """Arguments beyond the batch without which the loss cannot be called (RecVAE's ``encoder_flag``)."""
    parameters = list(inspect.signature(getattr(type(model), loss_method(model))).parameters.values())[2:]
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: False for p in parameters if p.default is inspect.Parameter.empty and p.kind in named}


def make_ready(model: Any) -> None:
    """Do what a model's trainer does before an epoch and its loss cannot do without: NCL's loss reads its clusters."""
    if getattr(model, "user_2cluster", 0) is None:
        model.e_step()


def trains_ranking(model: Any) -> bool:
    """Whether the loss in the model's present stage trains its ranking.

    S3Rec's pre-training and RaCT's critic pre-training do not: they run through the same ``calculate_loss``.
    """
    return getattr(model, "train_stage", None) not in ("pretrain", "critic_pretrain")


def scores_pairs(model: Any) -> bool:
    """Whether ``forward`` takes the item to be scored, so that only candidates need go through it."""
    return bool(_PAIR_PARAMETERS & set(inspect.signature(type(model).forward).parameters))
