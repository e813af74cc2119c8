"""The best k of long rows, without looking at all of them."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.host.speed.best import best_columns


@pytest.mark.parametrize("n", [40, 409, 1031, 9000])
@pytest.mark.parametrize("k", [1, 7, 50])
def test_the_same_columns_as_torch(n: int, k: int) -> None:
    """A row's last scores, which fill no group, or a second round, would be forgotten."""
    scores = torch.randn(33, n, generator=torch.Generator().manual_seed(n + k))
    scores[0] = torch.arange(n)  # the best stand at the end
    scores[1] = -torch.arange(n)
    k = min(k, n)
    torch.testing.assert_close(best_columns(scores, k), scores.topk(k, dim=1).indices, rtol=0, atol=0)


@pytest.mark.parametrize("case", ["few values", "all equal", "masked", "nan", "equal at the end of the list"])
def test_equal_scores_and_what_is_no_number_are_torchs(case: str) -> None:
    """Among equal scores another item would be recommended than stock RecBole recommends."""
    scores = torch.randn(20, 3000, generator=torch.Generator().manual_seed(1))
    if case == "few values":
        scores = (scores * 2).round()
    elif case == "all equal":
        scores[:] = 1.0
    elif case == "masked":
        scores[:, 6:] = -torch.inf
    elif case == "nan":
        scores[::2, 17] = torch.nan
    else:
        value, column = scores.topk(11, dim=1)
        scores.scatter_(1, column[:, 10:], value[:, 9:10])
    torch.testing.assert_close(best_columns(scores, 10), scores.topk(10, dim=1).indices, rtol=0, atol=0)
