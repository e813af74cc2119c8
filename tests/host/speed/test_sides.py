from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.host.ranking import rank_by_pairs
from ckd_plugins.host.speed.sides import Sides

SETTINGS = {
    "user_inter_num_interval": "[1,inf)",
    "embedding_size": 4,
    "mlp_hidden_size": [8, 6],
    "numerical_features": ["vector", "price"],
    "load_col": {
        "inter": ["user_id", "item_id", "timestamp"],
        "item": ["item_id", "title", "colour", "vector", "price"],
        "user": ["user_id", "age"],
    },
}
MODELS = ["AFM", "AutoInt", "DCN", "DCNV2", "DeepFM", "EulerNet", "FFM", "FiGNN", "FM", "FNN", "FwFM"]
MODELS += ["KD_DAGFM", "NFM", "PNN", "WideDeep", "xDeepFM"]


@pytest.fixture
def parts(prepare: Callable[..., Any], toys: Path) -> Callable[..., Any]:
    """``parts(model)``: a model in evaluation mode and double precision, five users, all items."""

    def make(name: str = "DeepFM", **settings: Any) -> tuple[Any, Any, Any]:
        torch.manual_seed(0)
        run = prepare(name, toys, **{**SETTINGS, **settings})
        dataset = run.splits.train._dataset
        for feature in (dataset.get_item_feature(), dataset.get_user_feature()):
            for column, values in feature.interaction.items():
                if values.is_floating_point():
                    feature.interaction[column] = values.double()
        return run.model.eval().double(), dataset.get_user_feature()[torch.arange(1, 6)], dataset.get_item_feature()

    return make


def stock(model: Any, rows: Any, items: Any) -> Tensor:
    """RecBole's scores of all pairs ``[R, I]``."""
    with torch.no_grad():
        scores = []
        for row in range(len(rows)):
            own = {
                name: column[row].expand(len(items), *column[row].shape) for name, column in rows.interaction.items()
            }
            scores.append(model.predict(type(rows)({**own, **items.interaction})).view(-1))
    return torch.stack(scores)


@pytest.mark.parametrize("name", MODELS)
def test_scores_are_stocks(parts: Callable[..., Any], name: str) -> None:
    """A field on the wrong side, or a column of the first layer, gives scores that look like any others."""
    # RecBole's FwFM fails on a list of numbers.
    model, rows, items = parts(name, **({"numerical_features": ["price"]} if name == "FwFM" else {}))
    assert Sides(model, rows, items, 50).found
    with torch.no_grad():
        scores = rank_by_pairs(model, rows, items, 50)
    torch.testing.assert_close(scores, stock(model, rows, items), rtol=1e-9, atol=1e-12)
    assert scores.std() > 0, "equal scores show nothing"


@torch.no_grad()
def test_each_side_goes_through_the_first_layer_once(parts: Callable[..., Any]) -> None:
    """Half of DeepFM's time is its first layer, for every pair."""
    model, rows, items = parts()
    given: list[tuple[str, tuple[int, ...]]] = []
    sides, first = Sides(model, rows, items, 50), model.mlp_layers.mlp_layers[1]
    assert first.out_features == 8
    pair = torch.arange(len(rows) * len(items))
    first.register_forward_hook(lambda _, into, out: given.append((type(into[0]).__name__, tuple(out.shape))))
    for _ in range(2):
        with sides.of(pair // len(items), pair % len(items)):
            model.forward(rows)
    assert given == [("_Pairs", (105, 8))] * 2
    assert len(sides._fields._made) == 3, "sums, squares and the first layer, for both times"
    assert not {"forward", "concat_embed_input_fields"} & {*vars(model), *vars(model.first_order_linear)}


@torch.no_grad()
def test_a_model_that_embeds_other_rows_is_ranked_by_its_own_way(parts: Callable[..., Any]) -> None:
    """A stranger's model may embed a changed batch with RecBole's method; its scores are what counts."""
    model, rows, items = parts()

    class Strange(type(model)):  # type: ignore[misc]
        def forward(self, interaction: Any) -> Tensor:
            changed = type(interaction)({**interaction.interaction, "item_id": interaction["item_id"].clamp(max=3)})
            return super().forward(changed)  # type: ignore[no-any-return]

    model.__class__ = Strange
    expected = stock(model, rows, items)
    torch.testing.assert_close(rank_by_pairs(model, rows, items, 50), expected, rtol=1e-9, atol=1e-12)


USES: dict[str, Callable[[Any], Any]] = {
    "product": lambda x: x * x,
    "address": lambda x: x.data_ptr(),
    "joined": lambda x: torch.cat([x, x[:, :1]], dim=1)[:, 1:],
    "turned": lambda x: x.flip(1),
    "cube": lambda x: x**3,
}


@torch.no_grad()
@pytest.mark.parametrize("use", USES)
def test_whatever_a_model_does_with_its_fields(parts: Callable[..., Any], use: str) -> None:
    """What stands for the fields must be a tensor wherever a model needs one, or stay out of it."""
    model, rows, items = parts()

    class Own(type(model)):  # type: ignore[misc]
        def forward(self, interaction: Any) -> Tensor:
            x = self.concat_embed_input_fields(interaction)
            made = USES[use](x)
            x = made if isinstance(made, Tensor) else x
            found: Tensor = self.fm(x).squeeze(-1) + self.deep_predict_layer(
                self.mlp_layers(x.view(len(x), -1))
            ).squeeze(-1)
            return found

    model.__class__ = Own
    expected = stock(model, rows, items)
    torch.testing.assert_close(rank_by_pairs(model, rows, items, 50), expected, rtol=1e-9, atol=1e-12)


@torch.no_grad()
def test_no_more_rows_are_embedded_at_a_time_than_pairs(parts: Callable[..., Any]) -> None:
    """A catalogue of long titles does not fit memory, nor do its titles for a chunk of pairs."""
    model, rows, items = parts()
    seen: list[int] = []
    model.token_seq_embedding_table[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    expected = stock(model, rows, items)
    seen.clear()
    torch.testing.assert_close(rank_by_pairs(model, rows, items, 8), expected, rtol=1e-9, atol=1e-12)
    assert seen == [5, 8, 8, 5, 64], "rows, items, and the pairs that were tried"


def test_others_are_left_alone(parts: Callable[..., Any]) -> None:
    """Dropout is of each pair: in training mode nothing can be shared."""
    model, rows, items = parts()
    assert not Sides(model.train(), rows, items, 50).found

    class Own(type(model)):  # type: ignore[misc]
        def concat_embed_input_fields(self, interaction: Any) -> Tensor:
            return super().concat_embed_input_fields(interaction) * 2  # type: ignore[no-any-return]

    model.eval().__class__ = Own
    assert not Sides(model, rows, items, 50).found


@torch.no_grad()
def test_without_sharing_the_model_scores_pairs(parts: Callable[..., Any]) -> None:
    """Whoever switches ``ckd.speed.ranking`` off wants RecBole's own operations."""
    model, rows, items = parts()
    seen: list[int] = []
    model.token_seq_embedding_table[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    scores = rank_by_pairs(model, rows, items, 50, share=False)
    assert seen == [50, 50, 5]
    torch.testing.assert_close(scores, stock(model, rows, items), rtol=1e-12, atol=1e-15)


@torch.no_grad()
def test_few_rows_share_nothing(parts: Callable[..., Any]) -> None:
    """Of a catalogue of a million items one row fits a batch: tables of all items would be made for each of them."""
    model, rows, items = parts()
    seen: list[int] = []
    model.token_seq_embedding_table[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    rank_by_pairs(model, rows[torch.arange(3)], items, 50)
    assert seen == [50, 13]
