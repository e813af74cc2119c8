from __future__ import annotations

import torch

from ckd_plugins.teachers.seeding import seeded


def test_one_seed_gives_one_sequence_and_leaves_the_hosts_alone() -> None:
    """A teacher that moved the host's random numbers would change the student beside it."""
    torch.manual_seed(3)
    state = torch.get_rng_state()
    drawn = []
    for seed in (1, 1, 2):
        with seeded(seed, "cpu") as rng:
            drawn.append((rng.random(), float(torch.rand(()))))
        assert torch.equal(torch.get_rng_state(), state)
    assert drawn[0] == drawn[1] != drawn[2]
