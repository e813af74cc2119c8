"""LightGCN by torch-geometric's convolution over a compressed adjacency matrix."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor
from torch_geometric.nn import LGConv

from ckd_plugins.host.abstract import LightGCN
from ckd_plugins.host.speed.products import Bags

__all__ = ["LightGCNPyG"]


class LightGCNPyG(LightGCN):  # type: ignore[misc]
    """RecBole's LightGCN with torch-geometric's ``LGConv`` over a sparse CSR matrix.

    Parameters, loss and inference are LightGCN's, name by name: ``LightGCN.load_state_dict`` takes its weights. The
    normalised adjacency matrix is symmetric, which its backward pass makes use of: the gradient of a product with it
    is a product with itself, so that it is never transposed.

    Source: He et al., LightGCN, SIGIR 2020, equations 3 and 4.
    """

    def __init__(self, config: object, dataset: object) -> None:
        super().__init__(config, dataset)
        self.convolution = _Convolution(normalize=False)  # it has no parameters; the matrix is normalised

    def __deepcopy__(self, memo: dict[int, Any]) -> LightGCNPyG:
        """Copy all but the matrix, which torch cannot copy and nothing changes; RecBole counts FLOPs on a copy."""
        memo[id(self.norm_adj_matrix)] = self.norm_adj_matrix
        twin = type(self).__new__(type(self))
        memo[id(self)] = twin
        twin.__dict__.update(copy.deepcopy(vars(self), memo))
        return twin

    def get_norm_adj_mat(self) -> Tensor:
        """The normalised adjacency matrix of users and items as a sparse CSR tensor ``[U + I, U + I]``."""
        train = sp.csr_matrix(self.interaction_matrix, dtype=np.float32)
        train.data[:] = 1.0  # a pair that was seen twice is one edge
        adjacency = sp.bmat([[None, train], [train.T, None]], format="csr")
        scale = sp.diags_array((np.diff(adjacency.indptr) + 1e-7) ** -0.5)
        normalised = sp.csr_matrix(scale @ adjacency @ scale, dtype=np.float32)
        normalised.sort_indices()
        return torch.sparse_csr_tensor(
            torch.from_numpy(normalised.indptr.astype(np.int32)),  # half as wide, twice as fast
            torch.from_numpy(normalised.indices.astype(np.int32)),
            torch.from_numpy(normalised.data),
            size=normalised.shape,
        )

    def forward(self) -> tuple[Tensor, Tensor]:
        """Embeddings of all users ``[U, d]`` and all items ``[I, d]``, the mean of the layers."""
        layer = total = self.get_ego_embeddings()
        for _ in range(self.n_layers):
            layer = _Symmetric.apply(  # type: ignore[no-untyped-call]
                layer, self.norm_adj_matrix, self.convolution
            )
            total = total + layer
        users, items = torch.split(total / (self.n_layers + 1), [self.n_users, self.n_items])
        return users, items


class _Convolution(LGConv):  # type: ignore[misc]
    """``LGConv`` whose product is an embedding bag on the CPU; its gradient is :class:`_Symmetric`'s."""

    def message_and_aggregate(self, edge_index: Tensor, x: Tensor) -> Tensor:
        if x.device.type != "cpu":
            product: Tensor = super().message_and_aggregate(edge_index, x)
            return product
        return Bags(edge_index.crow_indices()[:-1], edge_index.col_indices(), edge_index.values()).times(x)


class _Symmetric(torch.autograd.Function):
    """A convolution over a symmetric matrix: its own backward pass."""

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor, matrix: Tensor, convolution: LGConv) -> Tensor:
        ctx.matrix, ctx.convolution = matrix, convolution  # type: ignore[attr-defined]
        output: Tensor = convolution(x, matrix)
        return output

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return ctx.convolution(gradients[0], ctx.matrix), None, None  # type: ignore[attr-defined]
