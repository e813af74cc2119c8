"""What RecBole's KGAT asks of ``dgl``, by scipy.

RecBole calls dgl as it was before 1.0 (``preserve_nodes``, ``adjacency_matrix(scipy_fmt=...)``); later versions refuse
that (https://github.com/RUCAIBox/RecBole/issues/1758), earlier ones have no wheels for today's Pythons.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

__all__ = ["EdgeGraph", "module"]


@dataclass
class EdgeGraph:
    """A directed multigraph as two columns of node ids ``[E]``, with data ``[E, ...]`` on its edges."""

    source: Tensor
    target: Tensor
    n_nodes: int
    edata: dict[str, Tensor] = field(default_factory=dict)

    def filter_edges(self, predicate: Callable[[Any], Tensor]) -> Tensor:
        """Numbers ``[K]`` of the edges that a predicate ``(edges with .data) -> bool [E]`` holds for."""
        return predicate(_Edges(self.edata)).nonzero().squeeze(-1)

    def adjacency_matrix(self, transpose: bool = False, scipy_fmt: str = "coo") -> Any:
        """A scipy matrix ``[N, N]`` with the number of edges from row to column."""
        row, column = self.source.numpy(), self.target.numpy()
        if transpose:
            row, column = column, row
        shape = (self.n_nodes, self.n_nodes)
        return sp.coo_matrix((np.ones(len(row)), (row, column)), shape=shape).asformat(scipy_fmt)


@dataclass
class _Edges:
    data: dict[str, Tensor]


def graph(data: tuple[Tensor, Tensor]) -> EdgeGraph:
    """Make a graph of source and target ids; it has as many nodes as the largest id says."""
    source, target = (torch.as_tensor(ids).long() for ids in data)
    n_nodes = int(torch.maximum(source.max(), target.max())) + 1 if len(source) else 0
    return EdgeGraph(source, target, n_nodes)


def edge_subgraph(whole: EdgeGraph, edges: Tensor, preserve_nodes: bool = True) -> EdgeGraph:
    """The graph of some edges on the same nodes.

    Raises:
        NotImplementedError: nodes are to be numbered anew, which RecBole never asks for.
    """
    if not preserve_nodes:
        raise NotImplementedError("this edge_subgraph, which stands in for dgl's, keeps all nodes")
    data = {name: values[edges] for name, values in whole.edata.items()}
    return EdgeGraph(whole.source[edges], whole.target[edges], whole.n_nodes, data)


def module() -> ModuleType:
    """A module object that ``import dgl`` finds these functions in."""
    made = ModuleType("dgl", "ckd_plugins' stand-in for dgl")
    made.graph, made.edge_subgraph = graph, edge_subgraph  # type: ignore[attr-defined]
    return made
