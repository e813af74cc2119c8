from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from ckd_plugins.host.ranking import rank_by_pairs
from ckd_plugins.host.speed.lists import ItemLists

LISTS = {
    "user_inter_num_interval": "[1,inf)",
    "embedding_size": 4,
    "mlp_hidden_size": [8],
    "numerical_features": ["vector"],
    "load_col": {
        "inter": ["user_id", "item_id", "timestamp"],
        "item": ["item_id", "title", "categories", "colour", "vector"],
        "user": ["user_id", "age"],
    },
}
INDEX = torch.tensor([3, 0, 3, 20, 7, 3])


@pytest.fixture
def pairs(prepare: Callable[..., Any], toys: Path) -> Callable[..., Any]:
    """``pairs(model)``: a model in evaluation mode, all items, and six pairs of users and items."""

    def make(name: str = "DeepFM") -> tuple[Any, Any, Any]:
        torch.manual_seed(0)
        run = prepare(name, toys, **LISTS)
        dataset = run.splits.train._dataset
        items = dataset.get_item_feature()
        users = dataset.get_user_feature()[torch.arange(1, 1 + len(INDEX))]
        batch = type(items)({**users.interaction, **items[INDEX].interaction})
        return run.model.eval().double(), items, batch

    return make


def rows_embedded(model: Any) -> list[int]:
    """Collects how many lists each call of an embedding of words gets."""
    seen: list[int] = []
    for table in (model, model.first_order_linear):
        table.token_seq_embedding_table[0].register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    return seen


def gradients(model: Any, batch: Any, lists: Any) -> list[Tensor]:
    with lists:
        scores = model.forward(batch)
    found = torch.autograd.grad((scores * torch.arange(1.0, 7.0)).sum(), list(model.parameters()), allow_unused=True)
    return [scores, *(torch.zeros(()) if one is None else one for one in found)]


@pytest.mark.parametrize("name", ["DeepFM", "FM", "NFM", "WideDeep", "DSSM", "FFM"])
def test_scores_and_gradients_are_stocks(pairs: Callable[..., Any], name: str) -> None:
    """An item's words get the gradients of all of its pairs, or learn from one of them."""
    model, items, batch = pairs(name)
    expected = gradients(model, batch, nullcontext())
    found = gradients(model, batch, ItemLists(model, items).of(batch, INDEX))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-9)
    assert expected[0].std() > 0, "equal scores show nothing"


def test_a_list_is_embedded_once_an_item(pairs: Callable[..., Any]) -> None:
    """Every pair's words take gigabytes where titles are long: that is what this is for."""
    model, items, batch = pairs()
    distinct, index = INDEX.unique(return_inverse=True)
    lists = ItemLists(model, items[distinct])
    seen = rows_embedded(model)
    for _ in range(3):
        with torch.no_grad(), lists.of(batch, index):
            model.forward(batch)
    assert seen == [4, 4]
    assert not {"embed_token_seq_fields", "embed_float_seq_fields"} & {*vars(model), *vars(model.first_order_linear)}
    gradients(model, batch, nullcontext())
    assert seen == [4, 4, 6, 6], "after the block RecBole's own must run"


@pytest.mark.parametrize(("chunk", "parts"), [(50, [21]), (8, [8, 8, 5])])
def test_a_ranking_embeds_the_catalogue_once(pairs: Callable[..., Any], chunk: int, parts: list[int]) -> None:
    """A part of the catalogue embedded with each chunk of pairs is what it was before; all of it may not fit memory."""
    model, items, batch = pairs("DSSM")
    seen = rows_embedded(model)
    with torch.no_grad():
        rank_by_pairs(model, batch, items, chunk)
    tried = len(seen) - seen[::-1].index(64)
    assert seen[tried:] == parts, "after it was found that DSSM keeps its two sides apart"


def test_lists_of_other_rows_are_embedded(pairs: Callable[..., Any]) -> None:
    """A model that embeds its users' lists by the same method, or a copy, must not get the items'."""
    model, items, batch = pairs()
    other = items[INDEX.flip(0)]
    expected = model.embed_token_seq_fields([other["title"], other["categories"]])
    with ItemLists(model, items).of(batch, INDEX):
        found = model.embed_token_seq_fields([other["title"], other["categories"]])
    torch.testing.assert_close(found, expected)


def test_a_models_own_way_is_left_alone(pairs: Callable[..., Any]) -> None:
    """A stranger's model may embed lists with their neighbours in mind."""
    model, items, batch = pairs()

    class Own(type(model)):  # type: ignore[misc]
        def embed_token_seq_fields(self, fields: Any, mode: str = "mean") -> Tensor:
            found: Tensor = super().embed_token_seq_fields(fields, mode)
            return found + len(fields[0])

    model.__class__ = Own
    expected = model.forward(batch)
    with ItemLists(model, items).of(batch, INDEX):
        torch.testing.assert_close(model.forward(batch), expected)


def test_lists_that_are_not_all_the_items_are_embedded(pairs: Callable[..., Any]) -> None:
    """The method embeds all lists at once: with one of the user's among them it cannot be looked up."""
    model, items, batch = pairs()
    without = type(items)({name: items[name] for name in items.interaction if name != "title"})
    expected = model.forward(batch)
    seen = rows_embedded(model)
    with ItemLists(model, without).of(batch, INDEX):
        torch.testing.assert_close(model.forward(batch), expected)
    assert seen == [6, 6]
