"""What RecBole's KGIN and MCCLK import from ``torch_scatter``, by torch's own scatter operations.

``torch_scatter`` has no wheels on PyPI, and its source builds against one torch and one compiler.
"""

from __future__ import annotations

from types import ModuleType

import torch
from torch import Tensor

__all__ = ["module", "scatter_mean", "scatter_softmax"]


def scatter_mean(
    src: Tensor, index: Tensor, dim: int = -1, out: Tensor | None = None, dim_size: int | None = None
) -> Tensor:
    """Mean of the values that share an index; 0 where none has it.

    Args:
        src: ``[..., E, ...]`` values.
        index: ``LongTensor`` of ``src``'s shape, or ``[E]`` along ``dim``.
        dim: the dimension that is grouped.
        out: not supported, as RecBole never gives it.
        dim_size: number of groups; by default the largest index plus one.

    Returns:
        ``src``'s shape with ``dim_size`` in place of ``E``.

    Raises:
        NotImplementedError: ``out`` is given.
    """
    if out is not None:
        raise NotImplementedError("this scatter_mean, which stands in for torch_scatter's, takes no 'out'")
    index, shape = _groups(src, index, dim, dim_size)
    return src.new_zeros(shape).scatter_reduce(dim, index, src, reduce="mean", include_self=False)


def scatter_softmax(src: Tensor, index: Tensor, dim: int = -1, dim_size: int | None = None) -> Tensor:
    """Softmax within the values that share an index; arguments as for :func:`scatter_mean`.

    Returns:
        ``src``'s shape.
    """
    index, shape = _groups(src, index, dim, dim_size)
    # The maximum only shifts: no gradient runs through it.
    highest = src.new_full(shape, -torch.inf).scatter_reduce(dim, index, src.detach(), reduce="amax")
    exponential = (src - highest.gather(dim, index)).exp()
    total = src.new_zeros(shape).scatter_add(dim, index, exponential)
    return exponential / total.gather(dim, index)


def _groups(src: Tensor, index: Tensor, dim: int, dim_size: int | None) -> tuple[Tensor, list[int]]:
    dim = dim % src.dim()
    if index.dim() == 1 and src.dim() > 1:
        index = index.view([-1 if d == dim else 1 for d in range(src.dim())])
    index = index.expand_as(src)
    groups = dim_size if dim_size is not None else (int(index.max()) + 1 if index.numel() else 0)
    return index, [groups if d == dim else size for d, size in enumerate(src.shape)]


def module() -> ModuleType:
    """A module object that ``from torch_scatter import ...`` finds these functions in."""
    made = ModuleType("torch_scatter", "ckd_plugins' stand-in for torch_scatter")
    made.scatter_mean, made.scatter_softmax = scatter_mean, scatter_softmax  # type: ignore[attr-defined]
    return made
