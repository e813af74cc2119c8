"""A softmax loss over the catalogue whose logits never exist as a whole.

Stock sequential models compute ``cross_entropy(matmul(output, items.T), target)``: a matrix of rows times items, its
log-softmax and the gradient of both, read and written several times: 70 MB each for 1,024 rows and 17,000 items. Here
the product waits until the loss asks for it and is then worked through in chunks of rows that stay in the processor's
caches (:mod:`ckd_plugins.host.speed.cross_entropy`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map

from ckd_plugins.host.speed.cross_entropy import linear_cross_entropy

__all__ = ["Logits", "defer_logits", "defers"]


class Logits(Tensor):
    """``x @ table.T`` of ``x [B, d]`` and ``table [n, d]``, computed when somebody needs it.

    A loss does not, nor who asks for some rows, or for some columns of them.
    """

    _x: Tensor
    _table: Tensor
    _whole: Tensor | None

    @classmethod
    def of(cls, x: Tensor, table: Tensor) -> Logits:
        """Defer a product."""
        made: Logits = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, (len(x), len(table)), dtype=x.dtype, device=x.device
        )
        made._x, made._table, made._whole = x, table, None
        return made

    def whole(self) -> Tensor:
        """``[B, n]``, as the model would have computed it."""
        if self._whole is None:
            self._whole = torch.matmul(self._x, self._table.transpose(0, 1))
        return self._whole

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _SHAPES:
            with torch._C.DisableTorchFunctionSubclass():
                return func(*args, **kwargs)
        short = _SHORT.get(func)
        if short is not None and isinstance(args[0], Logits):
            found = short(*args, **kwargs)
            if found is not None:
                return found
        args, kwargs = tree_map(lambda v: v.whole() if isinstance(v, Logits) else v, (args, kwargs))
        return func(*args, **kwargs)

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        raise RuntimeError(f"{func} reached logits that do not exist yet; set ckd.speed.softmax to false")


_SHAPES = {
    Tensor.size,
    Tensor.dim,
    Tensor.numel,
    Tensor.__len__,
    Tensor.shape.__get__,  # type: ignore[attr-defined]
    Tensor.ndim.__get__,  # type: ignore[attr-defined]
    Tensor.dtype.__get__,  # type: ignore[attr-defined]
    Tensor.device.__get__,  # type: ignore[attr-defined]
}


def _cross_entropy(logits: Logits, target: Any, *others: Any, **options: Any) -> Tensor | None:
    plain = {"weight": None, "size_average": None, "reduce": None, "reduction": "mean", "label_smoothing": 0.0}
    if others or any(options.get(name, value) != value for name, value in plain.items()):
        return None
    if not isinstance(target, Tensor) or target.dtype != torch.long or target.dim() != 1:
        return None
    if not len(target) or int(target.min()) < 0:  # rows to be ignored
        return None
    return linear_cross_entropy(logits._x, logits._table, target)


def _getitem(logits: Logits, index: Any) -> Tensor | None:
    if isinstance(index, slice) or (isinstance(index, Tensor) and index.dim() == 1):
        return Logits.of(logits._x[index], logits._table)
    if isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None):
        columns = index[1]
        if isinstance(columns, Tensor) and columns.dim() == 1 and columns.dtype == torch.long:
            return logits._x @ F.embedding(columns, logits._table).T
    return None


def _gather(logits: Logits, dim: int, index: Tensor, **options: Any) -> Tensor | None:
    if dim not in (1, -1) or options:
        return None
    return torch.einsum("bd,bcd->bc", logits._x[: len(index)], F.embedding(index, logits._table))


_SHORT: dict[Any, Callable[..., Tensor | None]] = {
    F.cross_entropy: _cross_entropy,
    Tensor.__getitem__: _getitem,
    Tensor.gather: _gather,
}


class _Deferring(TorchFunctionMode):
    """Turns ``matmul(x, table.T)`` with one of the model's item tables into :class:`Logits`."""

    def __init__(self, n_items: int) -> None:
        super().__init__()
        self._n_items = n_items
        self.met = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.matmul and len(args) == 2 and not kwargs:
            x, transposed = args
            table = transposed._base if transposed.dim() == 2 and transposed._is_view() else None
            if (
                type(table) is torch.nn.Parameter
                and table.shape == (self._n_items, x.shape[-1])
                and transposed.shape == table.shape[::-1]
                and transposed.stride() == table.stride()[::-1]
                and x.dim() == 2
                and x.dtype == table.dtype
                and x.requires_grad
                and not torch.is_autocast_enabled(x.device.type)
            ):
                self.met = True
                return Logits.of(x, table)
        return func(*args, **(kwargs or {}))


class _DeferredLoss:
    """A model's own loss, with its product over the catalogue deferred. Copied with its model it stays the copy's."""

    def __init__(self, model: Any, n_items: int) -> None:
        self._own: Callable[..., Any] = model.calculate_loss
        self._n_items = n_items
        self.met = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with _Deferring(self._n_items) as mode:
            found = self._own(*args, **kwargs)
        self.met = self.met or mode.met
        return found


def defer_logits(model: Any, n_items: int) -> Callable[[], None] | None:
    """Let an instance's own softmax loss be computed in chunks.

    On processors only: on a GPU the chunks would be launched one after another for nothing but memory.

    Returns:
        A function that undoes it; ``None`` where the model has no softmax loss, or not on a processor.
    """
    losses = any(isinstance(module, torch.nn.CrossEntropyLoss) for module in model.modules())
    if not losses or any(p.device.type != "cpu" for p in model.parameters()):
        return None
    vars(model)["calculate_loss"] = _DeferredLoss(model, n_items)
    return lambda: vars(model).pop("calculate_loss")


def defers(model: Any) -> bool:
    """Whether an instance's loss has met a product that it could defer."""
    loss = vars(model).get("calculate_loss")
    return isinstance(loss, _DeferredLoss) and loss.met
