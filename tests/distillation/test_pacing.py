"""Teachers that join one after the other."""

from __future__ import annotations

import math

import pytest
import torch

from ckd_plugins.distillation import Objective
from ckd_plugins.distillation.candidates import Full, InBatch, Popular, TeachersTop, Uniform
from ckd_plugins.distillation.integrators import ConfidenceConsistency
from ckd_plugins.distillation.losses import KLDivergence
from ckd_plugins.distillation.pacing import TeacherPace, divergences
from ckd_plugins.distillation.reading import Reading, read_teachers

NAMES = ["a", "b", "c"]
N_ROWS, N_ITEMS = 6, 9


@pytest.mark.parametrize(
    ("competence", "expected"),
    [
        (lambda epoch: 1 / 3 + epoch / 3, [1, 2, 3, 3]),
        (lambda epoch: 0.01, [1, 1, 1, 1]),
        (lambda epoch: 2 / 3, [2, 2, 2, 2]),
        (lambda epoch: 1.0, [3, 3, 3, 3]),
    ],
)
def test_places_follow_the_competence(competence, expected):
    """Rounding: 2/3 of 3 teachers is 2, and a third teacher too early is the whole point missed."""
    pace, found = TeacherPace(NAMES, competence, "listed"), []
    for epoch in range(4):
        pace.set_epoch(epoch)
        found.append(pace.places)
    assert found == expected


def test_the_nearest_joins_and_stays():
    """A teacher that is dropped when the student has moved past it would take its knowledge away again."""
    pace = TeacherPace(NAMES, lambda epoch: (epoch + 1) / 3, "divergence")
    seen = []
    for epoch, distance in enumerate(([3.0, 1.0, 2.0], [0.5, 9.0, 0.7], [0.0, 0.0, 0.0])):
        pace.set_epoch(epoch)
        assert pace.free
        pace.admit(lambda d=distance: torch.tensor(d))
        assert not pace.free
        seen.append(list(pace.joined))
    assert seen == [["b"], ["b", "a"], ["b", "a", "c"]]
    assert pace.active == [True, True, True]


def test_whoever_knows_none_of_the_rows_waits():
    """Its divergence is that of no row: it would come first with 0 and have nothing to say."""
    pace = TeacherPace(NAMES, lambda epoch: 0.5, "divergence")
    pace.admit(lambda: torch.tensor([math.inf, math.inf, 4.0]))
    assert (pace.joined, pace.free) == (["c"], True)
    pace.admit(lambda: torch.tensor([1.0, math.inf, 4.0]))
    assert (pace.joined, pace.free) == (["c", "a"], False)


def test_nothing_is_measured_where_nothing_is_chosen():
    """Asking every teacher costs a batch; by the list, or with room for all, the answer is known."""

    def measure():
        raise AssertionError

    listed = TeacherPace(NAMES, lambda epoch: 0.5, "listed")
    listed.admit(measure)
    assert listed.joined == ["a", "b"]
    everybody = TeacherPace(NAMES, lambda epoch: 1.0, "divergence")
    everybody.admit(measure)
    assert everybody.joined == NAMES
    everybody.admit(measure)


def test_divergences_are_the_equations(reference):
    """Over known rows and known candidates, in float64 with loops: a mean over all rows would favour who knows few."""
    draw = torch.Generator().manual_seed(3)
    logits = 2 * torch.randn(3, 5, 6, generator=draw, dtype=torch.float64)
    student = torch.randn(5, 6, generator=draw, dtype=torch.float64)
    known = torch.tensor([[1, 1, 1, 1, 1], [1, 0, 0, 1, 0], [0, 0, 0, 0, 0]]).bool()
    mask = torch.rand(3, 5, 6, generator=draw) > 0.3
    mask[..., 0] = True
    target = torch.zeros(5, dtype=torch.long)
    for allowed in (None, mask):
        found = divergences(Reading(logits, known, target, allowed, None), student)
        for k in range(2):
            rows = [b for b in range(5) if known[k, b]]
            total = 0.0
            for b in rows:
                open_to = None if allowed is None else allowed[k, b].tolist()
                p = reference.softmax(logits[k, b].tolist(), open_to)
                q = reference.softmax(student[b].tolist(), open_to)
                total += reference.kl(p, q)
            assert float(found[k]) == pytest.approx(total / len(rows), rel=1e-9)
        assert found[2] == math.inf


@pytest.fixture
def made(table_signal):
    """``made(pace)``: an objective over three teachers, flat, middling and sure, and what it is called with."""
    draw = torch.Generator().manual_seed(0)
    base = torch.randn(N_ROWS, N_ITEMS, generator=draw, dtype=torch.float64)
    signals = [
        table_signal(name, sure * base.roll(k, 1))
        for k, (name, sure) in enumerate(zip(NAMES, (5, 0.1, 2), strict=True))
    ]
    targets = torch.randint(1, N_ITEMS, (N_ROWS,), generator=draw)

    def make(pace=None, only=None, chunk_rows=None):
        source = Full()
        source.bind(N_ITEMS, torch.ones(N_ITEMS))
        chosen = [s for s in signals if only is None or s.name in only]
        return Objective(
            chosen, source, ConfidenceConsistency(), KLDivergence(), pace=pace, chunk_rows=chunk_rows
        ), targets

    return make


def ask(objective, targets):
    student = torch.zeros(N_ROWS, N_ITEMS, dtype=torch.float64, requires_grad=True)
    found = objective(torch.arange(N_ROWS), targets, lambda chosen: student[:, chosen.items])
    return found, torch.autograd.grad(found.loss, student)[0]


@pytest.mark.parametrize("chunk_rows", [None, 2])
def test_a_student_that_knows_nothing_begins_with_the_least_sure(made, chunk_rows):
    """The objective with a pace must be, at every stage, the objective of the teachers that are in, to the bit."""
    pace = TeacherPace(NAMES, lambda epoch: (epoch + 1) / 3, "divergence")
    objective, targets = made(pace, chunk_rows=chunk_rows)
    for epoch, only in enumerate((["b"], ["b", "c"], ["a", "b", "c"])):
        objective.set_epoch(epoch)
        found, gradient = ask(objective, targets)
        wanted, expected = ask(*made(only=only, chunk_rows=chunk_rows))
        assert sorted(pace.joined) == only
        torch.testing.assert_close(found.loss, wanted.loss)
        torch.testing.assert_close(gradient, expected)
        assert objective.settings() == {"schedule/teachers": epoch + 1}
        for name in NAMES:
            assert float(found.terms[f"known/{name}"]) == (name in only)
            weight = float(found.terms[f"weight/{name}"])
            assert (
                weight == pytest.approx(float(wanted.terms[f"weight/{name}"])) if name in only else math.isnan(weight)
            )


@pytest.mark.parametrize("lacking", [False, True])
@pytest.mark.parametrize(
    "source",
    [Full(), InBatch(), InBatch(limit=3), Uniform(n=4), Popular(n=4), TeachersTop(n=2)],
    ids=["full", "in_batch", "limit", "uniform", "popular", "teachers_top"],
)
def test_any_candidates_go_with_teachers_that_wait(table_signal, source, lacking):
    """Wherever some candidate was not for all rows or teachers, the first batch with somebody waiting crashed."""
    draw, items = torch.Generator().manual_seed(1), torch.ones(N_ITEMS, dtype=torch.bool)
    items[2] = not lacking
    signals = [table_signal(n, torch.randn(N_ROWS, N_ITEMS, generator=draw), items=items) for n in NAMES]
    source.bind(N_ITEMS, torch.ones(N_ITEMS))
    pace = TeacherPace(NAMES, lambda epoch: (epoch + 1) / 3, "divergence")
    objective = Objective(signals, source, ConfidenceConsistency(), KLDivergence(), pace=pace)
    student = torch.randn(N_ROWS, N_ITEMS, generator=draw)
    for epoch in range(3):
        objective.set_epoch(epoch)
        rows, targets = torch.arange(N_ROWS), torch.tensor([1, 3, 5, 4, 5, 8])

        def read(chosen, rows=rows):
            return student[rows[:, None], chosen.items.expand(len(rows), -1)]

        assert float(objective(rows, targets, read).loss) > 0
        assert len(pace.joined) == epoch + 1


def test_who_is_not_listened_to_is_not_asked(made):
    """Reading a teacher that counts for nothing is most of what a batch costs."""
    pace = TeacherPace(NAMES, lambda epoch: 0.1, "listed")
    objective, targets = made(pace)
    ask(objective, targets)
    assert [bool(signal.asked) for signal in objective.signals] == [True, False, False]


def test_an_inactive_teacher_restricts_no_candidates(table_signal):
    """The items that it lacks would be hidden from the others, and from the student."""
    lacks = torch.ones(N_ITEMS, dtype=torch.bool)
    lacks[3] = False
    table = torch.randn(N_ROWS, N_ITEMS, generator=torch.Generator().manual_seed(0))
    signals = [table_signal("a", table), table_signal("b", table, items=lacks)]
    source = Full()
    source.bind(N_ITEMS, torch.ones(N_ITEMS))
    chosen = source.choose(torch.arange(N_ROWS), torch.ones(N_ROWS, dtype=torch.long))
    both = read_teachers(signals, torch.arange(N_ROWS), chosen, torch.float32)
    one = read_teachers(signals, torch.arange(N_ROWS), chosen, torch.float32, [True, False])
    assert both.mask is not None
    assert one.mask is None
    assert one.known.tolist() == [[True] * N_ROWS, [False] * N_ROWS]
