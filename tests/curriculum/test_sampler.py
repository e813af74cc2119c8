from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from ckd_plugins.curriculum import CurriculumSampler
from ckd_plugins.curriculum.schedules import Linear
from ckd_plugins.errors import ConfigError, DataError


@st.composite
def settings_of(draw):
    rows = draw(st.integers(4, 120))
    levels = draw(st.integers(1, 8))  # few levels: many ties
    difficulty = draw(st.lists(st.integers(0, levels), min_size=rows, max_size=rows))
    bucketed = draw(st.booleans())
    return {
        "difficulty": difficulty,
        "schedule": Linear(start=draw(st.floats(0.01, 1.0)), until=draw(st.floats(0.1, 1.0))),
        "epochs": draw(st.integers(1, 6)),
        "seed": draw(st.integers(0, 5)),
        "min_share": draw(st.sampled_from([0.0, 0.01, 0.5])),
        "lengths": draw(st.lists(st.integers(1, 9), min_size=rows, max_size=rows)) if bucketed else None,
        "batch_size": draw(st.integers(1, 9)),
        "bucket_batches": draw(st.integers(1, 4)),
    }


def ranks(options, world, epoch):
    samplers = [CurriculumSampler(**options, rank=r, world_size=world) for r in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return samplers


@given(settings_of(), st.integers(1, 4), st.integers(0, 5))
def test_every_rank_gets_its_own_rows_and_as_many_as_promised(options, world, epoch):
    """Guards against rows doubled between processes, ranks of unequal length (a hang), and a wrong len()."""
    parts = [list(s) for s in ranks(options, world, epoch)]
    assert [len(p) for p in parts] == [len(s) for s in ranks(options, world, epoch)]
    assert len({len(p) for p in parts}) == 1
    drawn = [row for part in parts for row in part]
    assert len(set(drawn)) == len(drawn)


@given(settings_of(), st.integers(0, 5))
def test_the_easiest_rows_are_drawn_and_exactly_as_many_as_the_competence_says(options, epoch):
    """Guards against ties that make the share of rows jump, and against a hard row before an easier one."""
    (sampler,) = ranks(options, 1, epoch)
    drawn = set(sampler)
    difficulty = options["difficulty"]
    competence = max(options["schedule"](min(epoch / options["epochs"], 1.0)), options["min_share"])
    assert len(drawn) == len(sampler) == sampler.eligible == max(1, math.ceil(competence * len(difficulty) - 1e-9))
    left = set(range(len(difficulty))) - drawn
    if left:
        assert max(difficulty[r] for r in drawn) <= min(difficulty[r] for r in left)


@given(settings_of())
def test_at_full_competence_every_row_is_drawn_exactly_once(options):
    """Guards against a curriculum whose end is not plain training."""
    (sampler,) = ranks(options, 1, options["epochs"])
    assert sampler.competence == 1
    assert sorted(sampler) == list(range(len(options["difficulty"])))


@given(settings_of())
def test_rows_once_eligible_stay_so(options):
    """Guards against ties broken anew each epoch: rows would come and go."""
    (sampler,) = ranks(options, 1, 0)
    before = set(sampler)
    for epoch in range(1, options["epochs"] + 1):
        sampler.set_epoch(epoch)
        now = set(sampler)
        assert before <= now
        before = now


@given(settings_of(), st.integers(0, 5))
def test_the_order_depends_on_seed_and_epoch_alone(options, epoch):
    """Guards against RecBole's second pass within an epoch, and a resume, moving all that follows."""
    (one,), (other,) = ranks(options, 1, epoch), ranks(options, 1, 0)
    first = list(one)
    assert list(one) == first
    list(other)
    other.set_epoch(epoch)
    assert list(other) == first


@settings(max_examples=40)
@given(settings_of(), st.integers(1, 3), st.integers(0, 4), st.floats(0, 1))
def test_an_interrupted_pass_goes_on_where_it_was(options, world, epoch, share):
    """Drawn from the start again, the first rows of an epoch would be learnt twice, or the others never."""
    for one, other in zip(ranks(options, world, epoch), ranks(options, world, 0), strict=True):
        whole = list(one)
        iterator, drawn = iter(one), int(share * len(whole))
        first = [next(iterator) for _ in range(drawn)]
        state = json.loads(json.dumps(one.state_dict()))
        other.load_state_dict(state)
        other.set_epoch(epoch)  # as a trainer does that begins the epoch again
        assert first + list(other) == whole
        assert list(other) == whole
        other.set_epoch(epoch + 1)
        one.set_epoch(epoch + 1)
        assert list(other) == list(one)


def test_difficulties_may_change_from_epoch_to_epoch():
    """Rows that the student has learnt since must come, and in the first epoch nobody has learnt anything."""
    asked = []

    def refresh():
        asked.append(True)
        return -np.arange(10.0)

    sampler = CurriculumSampler(np.arange(10.0), lambda p: 0.3, epochs=2, refresh=refresh)
    assert sorted(sampler) == [0, 1, 2]
    sampler.set_epoch(0)
    assert not asked
    sampler.set_epoch(1)
    assert sorted(sampler) == [7, 8, 9]
    sampler.set_epoch(1)
    assert asked == [True]


def test_no_difficulty_is_asked_for_once_all_rows_are_in():
    """Its costs went on to the end of training, for an order that no longer mattered."""
    asked = []

    def refresh():
        asked.append(True)
        return np.arange(10.0)

    sampler = CurriculumSampler(np.arange(10.0), lambda p: 0.4 + 0.6 * p, epochs=2, refresh=refresh)
    for epoch in range(4):
        sampler.set_epoch(epoch)
    assert len(asked) == 1


def test_epochs_and_seeds_differ():
    """Guards against the same order every epoch."""
    orders = set()
    for seed in (0, 1):
        sampler = CurriculumSampler(np.arange(50), lambda p: 1.0, epochs=3, seed=seed)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            orders.add(tuple(sampler))
    assert len(orders) == 4


@settings(max_examples=50)
@given(settings_of(), st.integers(1, 3), st.integers(0, 5))
def test_batches_are_buckets(options, world, epoch):
    """Guards the alignment: the loader's batches, on every rank, are runs of one pool sorted by length."""
    rows = len(options["difficulty"])
    options = {**options, "lengths": np.random.default_rng(0).permutation(rows), "bucket_batches": 1000}  # one pool
    size, parts = options["batch_size"], [list(s) for s in ranks(options, world, epoch)]
    full = len(parts[0]) // size
    steps = [[r for part in parts for r in part[b * size : (b + 1) * size]] for b in range(full)]
    spans = sorted((min(options["lengths"][step]), max(options["lengths"][step])) for step in steps)
    assert all(before[1] < after[0] for before, after in pairwise(spans))


def test_buckets_come_in_random_order():
    """Guards against training from short to long within every epoch."""
    lengths = np.repeat(np.arange(20), 5)
    sampler = CurriculumSampler(
        np.zeros(100), lambda p: 1.0, epochs=1, lengths=lengths, batch_size=5, bucket_batches=20
    )
    order = lengths[list(sampler)].reshape(20, 5)
    assert (order == order[:, :1]).all()
    assert order[:, 0].tolist() != sorted(order[:, 0].tolist())


def test_a_loader_cuts_along_the_buckets_and_follows_the_length():
    """Guards the place where it is used: batch_sampler.sampler of a loader that was made with another sampler."""
    lengths = np.random.default_rng(1).integers(1, 50, size=103)
    sampler = CurriculumSampler(
        np.arange(103), Linear(start=0.5, until=1.0), epochs=2, lengths=lengths, batch_size=10, bucket_batches=10
    )
    loader = DataLoader(list(range(103)), batch_size=10, shuffle=True, collate_fn=list)
    loader.batch_sampler.sampler = sampler
    for epoch, rows in [(0, 52), (1, 78), (2, 103)]:
        sampler.set_epoch(epoch)
        batches = list(loader)
        assert len(loader) == len(batches) == math.ceil(rows / 10)
        assert sum(map(len, batches)) == rows
        spread = np.mean([np.ptp(lengths[b]) for b in batches if len(b) == 10])
        assert spread < 20  # of a range of 49; random batches of 10 spread over about 40


def test_progress_may_be_given():
    """Guards against a pace that only total epochs can set: training may stop early."""
    sampler = CurriculumSampler(np.arange(10), lambda p: p, progress=lambda epoch: 0.3 if epoch == 0 else 7.0)
    assert len(sampler) == 3
    sampler.set_epoch(1)
    assert len(sampler) == 10


def test_the_least_share_holds():
    """Guards against a first epoch of a handful of rows."""
    sampler = CurriculumSampler(np.arange(100), lambda p: 1e-9, epochs=5, min_share=0.25)
    assert len(sampler) == 25
    assert sampler.competence == 0.25


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either epochs or progress"),
        ({"epochs": 2, "progress": float}, "either epochs or progress"),
        ({"epochs": 0}, "epochs must be 1 or more"),
        ({"epochs": 1, "min_share": 2.0}, "min_share"),
        ({"epochs": 1, "rank": 2, "world_size": 2}, "rank 2 is not in a world of 2"),
        ({"epochs": 1, "lengths": [1] * 5}, "need batch_size"),
        ({"epochs": 1, "batch_size": 0}, "must be 1 or more"),
    ],
)
def test_impossible_settings_are_refused(options, message):
    """Guards against a sampler that fails, or trains on nothing, an hour later."""
    with pytest.raises(ConfigError, match=message):
        CurriculumSampler(np.arange(5), lambda p: 1.0, **options)


def test_impossible_data_are_refused():
    """Guards against NaN, which sorts rows to the end, and against ranks without rows."""
    with pytest.raises(DataError, match="NaN"):
        CurriculumSampler([0.0, float("nan")], lambda p: 1.0, epochs=1)
    with pytest.raises(DataError, match="1 rows for 2 processes"):
        CurriculumSampler([0.0], lambda p: 1.0, epochs=1, world_size=2)
    with pytest.raises(DataError, match="3 lengths for 2 rows"):
        CurriculumSampler([0.0, 1.0], lambda p: 1.0, epochs=1, lengths=[1, 2, 3], batch_size=1)
