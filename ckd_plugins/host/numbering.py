"""RecBole's numbers of users and items, decided instead of found."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from ckd_plugins.host.compat import prepare
from ckd_plugins.host.speed.swap import swapped

__all__ = ["numbered"]


@contextlib.contextmanager
def numbered(counts: Mapping[str, int]) -> Iterator[None]:
    """While a dataset is loaded, give the token ``"0"`` of a field the id 1, ``"1"`` the id 2, and so on.

    RecBole numbers tokens in the order in which it meets them, so that the same users and items have other ids in
    files that are sorted otherwise. Here it meets a column of all tokens first. Weights that go by ids then mean the
    same users and items as in the dataset that they were trained on, if the tokens are that dataset's ids less 1.

    Args:
        counts: how many tokens a field has.
    """
    prepare()
    import pandas as pd
    from recbole.data.dataset import Dataset
    from recbole.utils import FeatureType

    stock = Dataset._get_remap_list

    def remap_list(dataset: Any, fields: Any) -> list[Any]:
        listed = [name for name in fields if name in counts]
        first = [pd.DataFrame({name: [str(token) for token in range(counts[name])]}) for name in listed]
        columns = [(frame, name, FeatureType.TOKEN) for frame, name in zip(first, listed, strict=True)]
        return columns + list(stock(dataset, fields))

    with swapped(Dataset, "_get_remap_list", remap_list):
        yield
