"""The recurrent encoder of GRU4Rec."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

from ckd_plugins.teachers.nets.dropout import Dropout

__all__ = ["GRUEncoder"]


class GRUEncoder(nn.Module):
    """Gated recurrent units and a linear layer back to the items' size (Hidasi et al., ICLR 2016; Tan et al., 2016).

    Args:
        n_layers: number of recurrent layers.
        hidden_size: size ``d`` of what goes in and comes out.
        inner_size: size of the recurrent state.
        dropout: between recurrent layers and before the linear one.
    """

    def __init__(self, n_layers: int, hidden_size: int, inner_size: int, dropout: float) -> None:
        super().__init__()
        self.gru = nn.GRU(hidden_size, inner_size, n_layers, batch_first=True, dropout=dropout if n_layers > 1 else 0.0)
        self.dropout = Dropout(dropout)
        self.dense = nn.Linear(inner_size, hidden_size)
        for name, parameter in self.gru.named_parameters():
            if name.startswith("weight"):
                nn.init.xavier_normal_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """Return the state after every prefix, ``[B, L, d] -> [B, L, d]``."""
        return cast(Tensor, self.dense(self.dropout(self.gru(x)[0])))
