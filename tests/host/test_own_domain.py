from __future__ import annotations

import numpy as np
import pytest
import torch

from ckd_plugins.errors import DataError
from ckd_plugins.host.own_domain import check_domains, keep_own_domain

OF = torch.tensor([-1, 0, 1, 0, 1, 2])  # padding, then five items of three domains


def test_other_domains_cannot_be_ranked():
    """One item of another domain left in would change the rank of every held-out one."""
    scores = torch.arange(12.0).reshape(2, 6)
    keep_own_domain(scores, torch.tensor([0, 1]), torch.tensor([3, 2]), OF)
    assert torch.isfinite(scores).tolist() == [
        [False, True, False, True, False, False],
        [False, False, True, False, True, False],
    ]
    assert scores[0, 3] == 3.0
    assert scores[1, 4] == 10.0


def test_a_row_with_targets_in_two_domains_keeps_both():
    """A held-out item that is masked could never be found."""
    scores = torch.zeros(1, 6)
    keep_own_domain(scores, torch.tensor([0, 0]), torch.tensor([1, 5]), OF)
    assert torch.isfinite(scores).tolist() == [[False, True, False, True, False, True]]


def test_a_domain_smaller_than_the_list_is_refused():
    """Its list would be filled with what is ruled out, some of it by chance the target."""
    check_domains({"topk": [1]}, np.array([-1, 0, 0, 1, 1]), ("tea", "lamps"))
    with pytest.raises(DataError, match="domain 'lamps': topk asks for 2 of its 2 items"):
        check_domains({"topk": [1, 2]}, np.array([-1, 0, 0, 0, 1, 1]), ("tea", "lamps"))
