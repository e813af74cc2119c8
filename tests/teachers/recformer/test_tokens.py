from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.teachers.recformer.backbone import Backbone
from ckd_plugins.teachers.recformer.tokens import BEGIN, KEY, PAD, VALUE, ItemTokens, tokenise

ITEMS = [
    (("title", "red shoes"), ("brand", "acmecorp"), ("categories", "wool hat"), ("text", "blue")),
    (),
    (("movie_title", "blue blue blue blue blue blue"),),
]


@pytest.fixture(scope="module")
def words(bert: str) -> Backbone:
    return Backbone(bert)


def spelled(words: Backbone, ids: object) -> str:
    return " ".join(words.tokenizer.convert_ids_to_tokens([int(i) for i in ids]))


def part(tokens: ItemTokens, item: int) -> slice:
    return slice(int(tokens.offsets[item]), int(tokens.offsets[item + 1]))


def test_an_item_is_its_names_and_values_without_marks(words: Backbone) -> None:
    """The published model has seen title, brand and category in this order, and nothing between them."""
    tokens = tokenise(ITEMS, words.tokenizer)
    first = part(tokens, 0)
    assert spelled(words, tokens.ids[first]) == "title red shoe ##s brand acme ##corp category wool hat"
    assert tokens.kinds[first].tolist() == [KEY, *[VALUE] * 3, KEY, *[VALUE] * 2, KEY, *[VALUE] * 2]
    assert tokens.heads[first].tolist() == [True, True, True, False, True, True, False, True, True, True]
    assert tokens.lengths.tolist() == [10, 0, 7]


def test_each_attribute_is_cut_by_itself_and_its_name_counts(words: Backbone) -> None:
    """A long title must not push out the brand."""
    tokens = tokenise(ITEMS, words.tokenizer, attributes=2, longest=3)
    assert spelled(words, tokens.ids[part(tokens, 0)]) == "title red shoe brand acme ##corp"
    assert spelled(words, tokens.ids[part(tokens, 2)]) == "title blue blue"


def test_tokenised_once_whatever_the_number_of_items_with_one_value(words: Backbone) -> None:
    """Brands and names of columns repeat by the thousand."""
    seen: list[str] = []

    class Counting:
        is_fast = True

        def __call__(self, texts: list[str], **options: object) -> object:
            seen.extend(texts)
            return words.tokenizer(texts, **options)

    tokenise([(("brand", "acmecorp"),)] * 50, Counting())
    assert sorted(seen) == ["acmecorp", "brand"]


def by_hand(tokens: ItemTokens, items: list[int], begin: int, longest: int) -> list[tuple[int, int, int]]:
    """(id, kind, item position) of each token, by loops."""
    sequence = [(begin, BEGIN, 0)]
    for position, item in enumerate(items, start=1):
        for at in range(int(tokens.offsets[item]), int(tokens.offsets[item + 1])):
            sequence.append((int(tokens.ids[at]), int(tokens.kinds[at]), position))
    return sequence[:longest]


@pytest.mark.parametrize(("longest", "multiple"), [(64, 1), (14, 1), (14, 8), (3, 8), (1, 1)])
def test_sequences_are_those_of_a_loop(words: Backbone, longest: int, multiple: int) -> None:
    """Ids, kinds and item positions that slip against each other still train, and mean nothing."""
    tokens = tokenise([i for i in ITEMS if i], words.tokenizer)
    rows = [[0, 1, 0], [1], [1, 0], [0]]
    padded = np.array([[i + 1 for i in row] + [0] * (3 - len(row)) for row in rows])
    batch = tokens.assemble(padded, begin=1, pad=0, longest=longest, multiple=multiple)
    width = max(len(by_hand(tokens, row, 1, longest)) for row in rows)
    assert batch.ids.shape[1] == -(-width // multiple) * multiple
    for b, row in enumerate(rows):
        wanted = by_hand(tokens, row, 1, longest)
        wanted += [(0, PAD, 0)] * (batch.ids.shape[1] - len(wanted))
        assert (
            list(zip(batch.ids[b].tolist(), batch.kinds[b].tolist(), batch.positions[b].tolist(), strict=True))
            == wanted
        )
        assert batch.real[b].tolist() == [kind != PAD for _, kind, _ in wanted]


def test_the_newest_items_survive_the_cut(words: Backbone) -> None:
    """A cut at the wrong end would keep what a user chose first and drop what was chosen last."""
    tokens = tokenise([i for i in ITEMS if i], words.tokenizer)
    newest_first = np.array([[2, 1, 1]])
    batch = tokens.assemble(newest_first, begin=1, pad=0, longest=10)
    assert spelled(words, batch.ids[0, 1:8]) == "title blue blue blue blue blue blue"
    assert batch.positions[0].tolist() == [0, *[1] * 7, 2, 2]


def test_joined_and_stored_catalogues_are_the_same(words: Backbone) -> None:
    """Offsets that are not shifted would give one domain another's words."""
    one, two = tokenise(ITEMS, words.tokenizer), tokenise(ITEMS[::-1], words.tokenizer)
    joined = ItemTokens.join([one, two])
    whole = tokenise([*ITEMS, *ITEMS[::-1]], words.tokenizer)
    for tokens in (joined, ItemTokens.from_tensors(whole.tensors())):
        for name, values in vars(whole).items():
            np.testing.assert_array_equal(getattr(tokens, name), values)
            assert getattr(tokens, name).dtype == values.dtype
    assert all(isinstance(t, torch.Tensor) for t in whole.tensors().values())
