"""RecBole's own graph models without the cost of COO products: their fixed matrices multiply by embedding bags.

The model stays as it is: attributes that hold a sparse COO tensor get one that is the same tensor for all that is ever
asked of it, and for ``torch.sparse.mm`` and ``torch.mm`` takes the short way. Neither is a parameter or a buffer:
checkpoints have nothing of it. A model that makes itself another matrix in training (KGAT's attention each epoch, SGL's
subgraphs, dropped edges) makes a plain one and multiplies by it as before.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from ckd_plugins.errors import CkdError
from ckd_plugins.host.models import REFUSALS
from ckd_plugins.host.randomness import random_states_kept
from ckd_plugins.host.speed.check import loss_and_gradients, unchanged
from ckd_plugins.host.speed.means import mean_by_sum, means_taken, stock_mean
from ckd_plugins.host.speed.products import Factor, multiply

__all__ = ["sparse_products"]

_ROWS = 64


class _Quick(Tensor):
    """A COO matrix whose products on the CPU are embedding bags; everything else is COO's, and comes back plain."""

    ckd_plain: Tensor
    ckd_factor: Factor | None

    @classmethod
    def __torch_function__(
        cls, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.sparse.mm, torch.mm) and not kwargs and len(args) == 2 and isinstance(args[0], _Quick):
            matrix, dense = args
            if _fits(matrix, dense):
                if matrix.ckd_factor is None:
                    matrix.ckd_factor = Factor(matrix.ckd_plain)
                return multiply(matrix.ckd_factor, dense)
        with torch._C.DisableTorchFunctionSubclass():
            return func(*args, **(kwargs or {}))

    def __deepcopy__(self, memo: dict[int, Any]) -> _Quick:
        """The same: nothing changes it, and the model that is copied may be large."""
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Pickled as the plain tensor, so that it is read where this package is not."""
        return self.ckd_plain.__reduce_ex__(protocol)  # type: ignore[no-untyped-call]


def _quick(matrix: Tensor) -> _Quick:
    made: _Quick = Tensor._make_subclass(_Quick, matrix)  # type: ignore[assignment]  # as_subclass wants a storage
    made.ckd_plain = matrix
    made.ckd_factor = None  # made at the first product: NGCF has an identity matrix that it never multiplies by
    return made


def _fits(matrix: Tensor, dense: Any) -> bool:
    return (
        type(dense) in (Tensor, torch.nn.Parameter)
        and dense.layout is torch.strided
        and dense.device.type == "cpu"
        and dense.dim() == 2
        and dense.dtype == matrix.dtype  # mixed precision has another product
        and dense.shape[0] == matrix.shape[1]
    )


def sparse_products(model: Any, loader: Any) -> bool:
    """Let a RecBole model multiply by its fixed sparse matrices as embedding bags, where that changes nothing.

    Whether it changes nothing is found out on the model's own loss: on a small batch, in evaluation mode, loss and
    gradients must agree with those of COO. On CUDA nothing is replaced. Random states are kept.
    The layers' mean is taken by a sum on the way (:mod:`ckd_plugins.host.speed.means`).

    Args:
        model: RecBole's instance; attributes of it and of its modules are replaced.
        loader: its train loader.

    Returns:
        Whether it applies.
    """
    if not any(True for _ in _places(model)):
        return False
    with random_states_kept(), _evaluating(model):
        found = list(_places(model))  # SGL has new ones now
        quick = {id(matrix): _quick(matrix) for _, _, matrix in found}
        try:
            batch = _batch(model, loader)
            stock = loss_and_gradients(model, lambda: copy.copy(batch))
            for holder, key, matrix in found:
                holder[key] = quick[id(matrix)]
            mean_by_sum(model)
            with means_taken() as means:
                ours = loss_and_gradients(model, lambda: copy.copy(batch))
        except (CkdError, *REFUSALS):
            agrees = False  # its loss cannot be computed outside of its trainer
        else:
            agrees = unchanged(stock, ours)
        if not agrees or not means:
            stock_mean(model)
        for holder, key, matrix in found:
            if not agrees or quick[id(matrix)].ckd_factor is None:
                holder[key] = matrix
        return agrees and any(matrix.ckd_factor is not None for matrix in quick.values())


def _places(model: Any) -> Iterator[tuple[Any, Any, Tensor]]:
    """Where a model keeps sparse matrices: ``holder[key] is matrix``. GCMC's encoder has a list of them."""
    for module in model.modules():
        for name, value in list(vars(module).items()):
            if isinstance(value, list):
                yield from ((value, i, one) for i, one in enumerate(value) if _replaceable(one))
            elif _replaceable(value):
                yield vars(module), name, value


def _replaceable(value: Any) -> bool:
    return (
        type(value) is Tensor
        and value.layout is torch.sparse_coo
        and value.device.type == "cpu"
        and value.dim() == 2
        and value.sparse_dim() == 2
        and value.is_floating_point()
        and not value.requires_grad
    )


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Evaluation mode, after a ``train()``: SGL's makes the subgraphs that its loss reads."""
    was_training = model.training
    model.train()
    for module in model.modules():
        module.training = False
    try:
        yield
    finally:
        model.train(was_training)


def _batch(model: Any, loader: Any) -> Any:
    inner = getattr(loader, "general_dataloader", loader)
    if getattr(model, "user_2cluster", 0) is None:
        model.e_step()  # NCL's loss reads clusters, which its trainer makes before the first epoch
    return inner.collate_fn(list(range(min(_ROWS, inner.sample_size)))).to(model.device)
