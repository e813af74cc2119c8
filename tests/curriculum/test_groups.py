from __future__ import annotations

import numpy as np
import pytest

from ckd_plugins.curriculum import CurriculumSampler
from ckd_plugins.curriculum.groups import quotas, shares
from ckd_plugins.errors import ConfigError, DataError

SIZES = (800, 160, 40)
GROUPS = np.repeat(np.arange(3), SIZES)
DIFFICULTY = np.random.default_rng(5).random(len(GROUPS)) + (GROUPS == 2)  # the smallest domain is the hardest


def sampler(competence: float = 1.0, **options) -> CurriculumSampler:
    return CurriculumSampler(DIFFICULTY, lambda p: competence, epochs=1, seed=3, groups=GROUPS, **options)


def drawn(made: CurriculumSampler, epoch: int = 0) -> list[int]:
    made.set_epoch(epoch)
    return list(made)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 5.0])
def test_shares_are_the_published_ones(temperature):
    """n^(1/T), not n^T and not a softmax of the sizes."""
    expected = [n ** (1 / temperature) for n in SIZES]
    np.testing.assert_allclose(shares(SIZES, temperature), np.array(expected) / sum(expected), rtol=1e-12)
    assert shares([3, 0], temperature).tolist() == [1.0, 0.0]


def test_quotas_are_whole_and_add_up():
    """A pass of another length would change what an epoch is."""
    assert quotas(np.array([0.5, 0.26, 0.24]), 10).tolist() == [5, 3, 2]
    for total in (1, 7, 1000):
        assert quotas(shares(SIZES, 3.0), total).sum() == total


@pytest.mark.parametrize("temperature", [2.0, 5.0])
def test_a_temperature_levels_the_domains(temperature):
    """Each domain's rows must come as often as its share says, and each row as often as its neighbours."""
    rows = np.array(drawn(sampler(temperature=temperature)))
    assert len(rows) == sum(SIZES)
    np.testing.assert_array_equal(np.bincount(GROUPS[rows]), quotas(shares(SIZES, temperature), sum(SIZES)))
    times = np.bincount(rows, minlength=len(GROUPS))
    for group in range(3):
        own = times[group == GROUPS]
        assert own.max() - own.min() <= 1


def test_which_rows_of_a_large_domain_are_left_out_changes_with_the_epoch():
    """The same rows left out in every epoch would be lost; one epoch asked twice is one epoch."""
    made = sampler(temperature=5.0)
    first, second = drawn(made, 0), drawn(made, 1)
    assert set(first) != set(second)
    assert drawn(made, 0) == first


def test_temperature_one_is_the_pass_without_groups():
    """Merged data without the setting must train as they did."""
    plain = CurriculumSampler(DIFFICULTY, lambda p: 0.4, epochs=1, seed=3)
    assert drawn(sampler(0.4)) == drawn(plain)


def test_competence_across_domains_leaves_a_hard_domain_out_and_within_does_not():
    """That is the difference between the two settings."""
    across, within = np.array(drawn(sampler(0.5))), np.array(drawn(sampler(0.5, within=True)))
    assert np.bincount(GROUPS[across], minlength=3)[2] == 0
    assert np.bincount(GROUPS[within]).tolist() == [400, 80, 20]
    for group in range(3):
        of_group = np.flatnonzero(group == GROUPS)
        easiest = of_group[np.argsort(DIFFICULTY[of_group])][: SIZES[group] // 2]
        assert set(within[GROUPS[within] == group]) == set(easiest)


def test_competence_and_temperature_go_together():
    """A domain without an eligible row has no share; the others take it, as far as they are eligible."""
    rows = np.array(drawn(sampler(0.5, temperature=5.0)))
    assert len(rows) == 500
    eligible = np.bincount(GROUPS[np.array(drawn(sampler(0.5)))], minlength=3)
    weight = [n * size ** (1 / 5) / size for n, size in zip(eligible, SIZES, strict=True)]
    np.testing.assert_array_equal(np.bincount(GROUPS[rows], minlength=3), quotas(np.array(weight) / sum(weight), 500))
    within = np.array(drawn(sampler(0.5, temperature=5.0, within=True)))
    np.testing.assert_array_equal(np.bincount(GROUPS[within]), quotas(shares(SIZES, 5.0), 500))


@pytest.mark.parametrize("temperature", [1.0, 1.0001, 5.0])
def test_two_easy_rows_do_not_stand_for_a_domain(temperature):
    """They came 150 times each in a pass, as soon as the temperature was not exactly 1."""
    groups = np.repeat([0, 1], 1000)
    difficulty = np.where(groups == 1, 10.0, 0.0) + np.random.default_rng(0).random(2000)
    difficulty[[1000, 1001]] = 0.0
    made = CurriculumSampler(difficulty, lambda p: 0.3, epochs=1, seed=3, groups=groups, temperature=temperature)
    assert np.bincount(drawn(made)).max() == 1


def test_ranks_share_a_pass_of_domains_too():
    """Distributed, the ranks together must be the one pass."""
    ranks = [drawn(sampler(temperature=5.0, rank=r, world_size=2)) for r in range(2)]
    alone = drawn(sampler(temperature=5.0))
    assert sorted(ranks[0] + ranks[1]) == sorted(alone)


def test_bad_groups_are_refused():
    """Groups of other rows, or a temperature of 0, would draw nonsense."""
    with pytest.raises(DataError, match="2 groups for 3 rows"):
        CurriculumSampler(np.zeros(3), lambda p: 1.0, epochs=1, groups=[0, 1])
    with pytest.raises(ConfigError, match="temperature must be above 0"):
        CurriculumSampler(np.zeros(3), lambda p: 1.0, epochs=1, groups=[0, 1, 0], temperature=0)
