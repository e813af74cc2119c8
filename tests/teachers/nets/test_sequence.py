from __future__ import annotations

import pytest
import torch
from torch import Tensor

from ckd_plugins.teachers.nets.sequence import SequenceModel, Shape, frozen_embedding


class Table(SequenceModel):
    """Items have a vector each and nothing else."""

    per_item = ("table.",)

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.table = torch.nn.Embedding(5, shape.hidden_size)
        self.initialise()

    @property
    def inputs(self) -> Tensor:
        return torch.arange(5)

    def item_vectors(self, inputs: Tensor, *, identified: bool = False) -> Tensor:
        return self.table(inputs)


def build(encoder: str, *, projection: bool = True) -> Table:
    return Table(Shape(encoder, 8, 1, 2, 6, 4, 0.5, 0.5, projection))


@pytest.mark.parametrize("encoder", ["transformer", "gru"])
def test_what_is_kept_and_what_carries_over(encoder: str) -> None:
    """The wrong list would freeze the adaptor, or carry one catalogue's items into another's."""
    model = build(encoder)
    kept = {name for name, p in model.named_parameters() if any(p is q for q in model.encoder_parameters())}
    assert {name.split(".")[0] for name in kept} == (
        {"position_embedding", "trm_encoder"} if encoder == "transformer" else {"gru_encoder"}
    )
    carried = model.transferable()
    assert set(model.state_dict()) - set(carried) == {"table.weight"}
    assert all(carried[k].data_ptr() != v.data_ptr() for k, v in model.state_dict().items() if k in carried)


def test_the_published_encoder_has_no_projection() -> None:
    """A layer more would keep published weights from loading."""
    assert not any("projection" in name for name in build("transformer", projection=False).state_dict())
    assert not any("projection" in name for name in build("gru").state_dict())
    assert "projection.weight" in build("transformer").state_dict()


@pytest.mark.parametrize("encoder", ["transformer", "gru"])
def test_positions_and_padding(encoder: str) -> None:
    """Order must count, and what stands right of a state must not."""
    model = build(encoder).eval()
    x = model.catalogue()[torch.tensor([[1, 2, 3], [2, 1, 3]])]
    states = model.states(x)
    assert not torch.allclose(states[0, 2], states[1, 2])
    torch.testing.assert_close(model.states(x[:, :2]), states[:, :2])


def test_frozen_embedding_is_never_trained() -> None:
    """Text vectors belong to the language model."""
    embedding = frozen_embedding(torch.ones(3, 2, dtype=torch.float64))
    assert embedding.weight.dtype == torch.float32
    assert not embedding.weight.requires_grad
