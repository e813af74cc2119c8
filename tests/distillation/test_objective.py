from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from ckd_plugins.distillation import Candidates, Objective
from ckd_plugins.distillation.candidates import Full, InBatch, Popular, TeachersTop, Uniform
from ckd_plugins.distillation.integrators import (
    Best,
    ConfidenceConsistency,
    Entropy,
    FixedIntegrator,
    Learned,
    UniformIntegrator,
)
from ckd_plugins.distillation.losses import (
    JensenShannon,
    KLDivergence,
    ListMLE,
    Loss,
    Pairwise,
    ReverseKL,
    SoftCrossEntropy,
    StandardizedMSE,
)
from ckd_plugins.distillation.reading import read_teachers
from ckd_plugins.errors import ConfigError, StudentError
from ckd_plugins.signals import DenseSignal

N_ROWS, N_ITEMS = 20, 15
MEASURES = ("weight", "confidence", "consistency")
LOSSES = [KLDivergence, ReverseKL, JensenShannon, StandardizedMSE, SoftCrossEntropy, ListMLE, Pairwise]


@pytest.fixture
def signals(table_signal):
    """Three teachers of which two lack rows, and two lack items; rows 3 and 4 are known to none."""
    generator = torch.Generator().manual_seed(0)
    result = []
    for k, temperature in enumerate([0.5, 1.0, 2.0]):
        rows = torch.rand(N_ROWS, generator=generator) > 0.3 * k
        items = torch.rand(N_ITEMS, generator=generator) > 0.2 * k
        rows[3:5] = False
        table = 2 * torch.randn(N_ROWS, N_ITEMS, generator=generator, dtype=torch.float64)
        result.append(table_signal(f"teacher{k}", table, temperature=temperature, rows=rows, items=items))
    return result


@pytest.fixture
def student():
    table = torch.randn(N_ROWS, N_ITEMS, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return table.requires_grad_()


ROWS = torch.tensor([0, 3, 7, 1, 12, 19, 4, 8, 9])
TARGETS = torch.tensor([2, 5, 5, 14, 1, 7, 2, 9, 11])


def reader(student, rows=ROWS):
    def read(chosen):
        items = chosen.items if chosen.items.ndim == 2 else chosen.items.expand(len(rows), -1)
        return student[rows[:, None], items]

    return read


def build(signals, source=None, **options):
    source = source or InBatch()
    source.bind(N_ITEMS, torch.ones(N_ITEMS))
    integrator, loss = options.pop("integrator", ConfidenceConsistency()), options.pop("loss", KLDivergence())
    return Objective(signals, source, integrator, loss, **options)


def gradient(loss, student):
    (result,) = torch.autograd.grad(loss, student)
    return result


def test_the_whole_method_follows_the_equations(signals, student, reference):
    """Guards the path as a whole: masks, temperatures, weights, gate and mean, each right, must also meet rightly."""
    gamma, weight, tau = 0.3, 2.5, 2.0
    output = build(signals, integrator=ConfidenceConsistency(gamma=gamma), loss=KLDivergence(tau=tau), weight=weight)(
        ROWS, TARGETS, reader(student)
    )

    items = sorted(set(TARGETS.tolist()))
    column = [items.index(t) for t in TARGETS.tolist()]
    logits = [[[float(s.table[r, i]) / s.temperature for i in items] for r in ROWS] for s in signals]
    known = [[bool(s.rows[r]) for r in ROWS] for s in signals]
    mask = [[[bool(s.items[i]) for i in items] for _ in ROWS] for s in signals]
    p, confidence, consistency = reference.opinions(logits, known, column, mask)
    score = confidence * consistency
    weights, gate = reference.weights(score, known, gamma), reference.gate(score, known)
    total = 0.0
    for b, row in enumerate(ROWS):
        if not any(known[k][b] for k in range(3)):
            continue
        allowed = [any(known[k][b] and mask[k][b][j] for k in range(3)) for j in range(len(items))]
        q = reference.softmax([float(student[row, i].detach()) / tau for i in items], allowed)
        mixture = sum(weights[k, b] * p[k][b] for k in range(3))
        total += gate[b] * tau**2 * reference.kl(mixture, q)
    assert output.loss.item() == pytest.approx(weight * total / len(ROWS), rel=1e-12)
    np.testing.assert_allclose(float(output.terms["distillation"]), total / len(ROWS), rtol=1e-12)


def test_rows_that_nobody_knows_are_not_moved(signals, student):
    """Guards against distilling a guess: a row without history has no signal."""
    grad = gradient(build(signals)(ROWS, TARGETS, reader(student)).loss, student)
    assert (grad[3] == 0).all()
    assert (grad[4] == 0).all()
    assert (grad[0] != 0).any()


def test_a_batch_that_nobody_knows_adds_0(signals, student):
    """Guards against 0 / 0 in the gate."""
    rows, targets = torch.tensor([3, 4]), torch.tensor([1, 2])
    output = build(signals)(rows, targets, reader(student, rows))
    assert output.loss.item() == 0
    assert (gradient(output.loss, student) == 0).all()
    per_teacher = [value for name, value in output.terms.items() if name.partition("/")[0] in MEASURES]
    assert all(value.isnan() for value in per_teacher)
    assert len(per_teacher) == 9
    assert all(value.isfinite() for name, value in output.terms.items() if name.partition("/")[0] not in MEASURES)


def test_a_weight_of_0_is_a_teacher_left_out(table_signal):
    """Rows that only it knows counted in the gate's mean, and the other rows were distilled four times as much."""
    draw = torch.Generator().manual_seed(2)
    tables = [torch.randn(N_ROWS, N_ITEMS, generator=draw) for _ in range(3)]
    few = torch.arange(N_ROWS) < 3
    known = table_signal("few", tables[0], rows=few)
    other, student = table_signal("other", tables[1]), tables[2]
    alone = build([known], integrator=UniformIntegrator())(ROWS, TARGETS, reader(student))
    both = build([known, other], integrator=FixedIntegrator(weights=[1, 0]))(ROWS, TARGETS, reader(student))
    torch.testing.assert_close(both.loss, alone.loss)
    assert float(alone.loss) > 0


def test_few_candidates_do_not_make_a_row_important(table_signal):
    """Among the five of a small domain any item is likely: such rows took four times their share of the gate."""
    draw = torch.Generator().manual_seed(4)
    table = torch.randn(400, 60, generator=draw)
    rows, targets = torch.arange(400), torch.arange(400) % 50 + 1
    small = targets <= 5

    class OwnDomain(InBatch):
        def choose(self, rows, targets):
            chosen = super().choose(rows, targets)
            return replace(chosen, mask=(chosen.items <= 5) == (targets <= 5)[:, None])

    source = OwnDomain()
    source.bind(60, torch.ones(60))
    reading = read_teachers([table_signal("t", table)], rows, source.choose(rows, targets), torch.float32)
    gate = ConfidenceConsistency()(reading.logits, reading.known, reading.target, reading.mask).gate
    assert 0.67 < float(gate[small].mean()) / float(gate[~small].mean()) < 1.5


def test_one_candidate_teaches_nothing():
    """A softmax over one item is sure of it: a confidence of 1, the largest gate of the batch, and a loss of 0."""
    table, mask = torch.randn(3, 5), torch.tensor([[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    chosen = Candidates(items=torch.arange(5), target=torch.zeros(3, dtype=torch.long), mask=mask)
    reading = read_teachers([DenseSignal.from_arrays(table, padding=None)], torch.arange(3), chosen, torch.float32)
    assert reading.known.tolist() == [[False, True, True]]


def test_weight_0_adds_exactly_0_and_touches_nothing(signals, student):
    """Guards the promise that such a run is bit for bit the plain run: no read, no draw, no random number."""
    source = Uniform(n=5)
    objective = build(signals, source, weight=0.0)

    def forbidden(chosen):
        raise AssertionError("the student was read")

    state, drawn = torch.get_rng_state(), source._generator.get_state()
    output = objective(ROWS, TARGETS, forbidden)
    own = torch.tensor(1.2345678)
    assert torch.equal(own + output.loss, own)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(source._generator.get_state(), drawn)
    assert signals[0].asked == []


def test_drawing_candidates_leaves_the_global_random_state(signals, student):
    """Guards against distillation that shifts the student's dropout and negative sampling."""
    state = torch.get_rng_state()
    for source in (Uniform(n=5), InBatch(limit=3), Full()):
        build(signals, source)(ROWS, TARGETS, reader(student))
    assert torch.equal(torch.get_rng_state(), state)


def test_the_weight_may_change_between_batches(signals, student):
    """Guards against a weight frozen at the start: schedules set it."""
    objective = build(signals, weight=1.0)
    plain = objective(ROWS, TARGETS, reader(student)).loss
    objective.weight = 3.0
    torch.testing.assert_close(objective(ROWS, TARGETS, reader(student)).loss, 3 * plain)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "source", [InBatch, lambda: InBatch(limit=4), lambda: Uniform(n=6), Full, lambda: TeachersTop(n=3)]
)
def test_chunks_of_rows_give_the_same_loss_gradient_and_log(signals, student, loss, source):
    """Guards against a gate normalised within a chunk, and against gradients lost where a chunk is recomputed."""

    def work(chunk_rows):
        output = build(signals, source(), loss=loss(), chunk_rows=chunk_rows)(ROWS, TARGETS, reader(student))
        return output, gradient(output.loss, student)

    whole, whole_gradient = work(None)
    for chunk_rows in (1, 4):
        output, grad = work(chunk_rows)
        torch.testing.assert_close(output.loss, whole.loss)
        torch.testing.assert_close(grad, whole_gradient, atol=1e-12, rtol=1e-9)
        assert output.terms.keys() == whole.terms.keys()
        for name, value in whole.terms.items():
            torch.testing.assert_close(output.terms[name], value)


def test_the_full_catalogue_never_holds_all_teachers(table_signal, student, monkeypatch):
    """Guards the memory: teachers x rows x items at once is what chunks are there to avoid."""
    monkeypatch.setattr("ckd_plugins.distillation.reading._ELEMENTS", 3 * 2 * (N_ITEMS - 1))
    signals = [table_signal(f"t{k}", torch.randn(N_ROWS, N_ITEMS)) for k in range(3)]
    build(signals, Full())(ROWS, TARGETS, reader(student))
    for signal in signals:
        assert signal.asked == [2, 2, 2, 2, 1]


def test_each_teacher_is_asked_once_a_batch(signals, student):
    """Guards the speed: a signal's read is a gather from a memory-mapped file."""
    build(signals)(ROWS, TARGETS, reader(student))
    assert [signal.asked for signal in signals] == [[len(ROWS)]] * 3


@pytest.mark.parametrize("chunk_rows", [None, 2])
def test_the_gradient_is_right(signals, student, chunk_rows):
    """Guards the derivative of everything together, in float64."""
    objective = build(signals, chunk_rows=chunk_rows)
    assert torch.autograd.gradcheck(
        lambda table: objective(ROWS, TARGETS, reader(table)).loss, (student,), fast_mode=True
    )


def test_no_gradient_reaches_the_teachers(signals, student):
    """Guards against training an online teacher to please the student."""
    for signal in signals:
        signal.table.requires_grad_()
    build(signals)(ROWS, TARGETS, reader(student)).loss.backward()
    assert all(signal.table.grad is None for signal in signals)
    assert student.grad is not None


def test_a_teacher_given_twice_changes_nothing_under_uniform_weights(signals, table_signal, student):
    """Guards against a strength of distillation that grows with the number of teachers."""
    again = [
        table_signal(f"{s.name}-again", s.table, temperature=s.temperature, rows=s.rows, items=s.items) for s in signals
    ]
    once = build(signals, integrator=UniformIntegrator())(ROWS, TARGETS, reader(student))
    twice = build(signals + again, integrator=UniformIntegrator())(ROWS, TARGETS, reader(student))
    torch.testing.assert_close(once.loss, twice.loss)


def test_the_order_of_teachers_does_not_matter(signals, student):
    """Guards against a first teacher that is treated differently."""
    forward = build(signals)(ROWS, TARGETS, reader(student))
    backward = build(signals[::-1])(ROWS, TARGETS, reader(student))
    torch.testing.assert_close(forward.loss, backward.loss)
    for name, value in forward.terms.items():
        torch.testing.assert_close(backward.terms[name], value)


def test_a_constant_added_to_a_teachers_scores_changes_nothing(signals, student):
    """Guards against distilling the origin of a teacher's scores."""
    plain = build(signals)(ROWS, TARGETS, reader(student)).loss
    signals[1].table = signals[1].table + 40
    torch.testing.assert_close(build(signals)(ROWS, TARGETS, reader(student)).loss, plain)


@pytest.mark.parametrize("loss", LOSSES)
def test_autocast_computes_in_float32(table_signal, loss):
    """Guards against a distillation loss in bfloat16 when the student trains under autocast."""
    generator = torch.Generator().manual_seed(2)
    signals = [table_signal(f"t{k}", torch.randn(N_ROWS, N_ITEMS, generator=generator)) for k in range(2)]
    users, items = (torch.randn(n, 8, generator=generator, requires_grad=True) for n in (N_ROWS, N_ITEMS))

    def read(chosen):
        return users[ROWS] @ items[chosen.items].T

    objective = build(signals, loss=loss())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert read(objective.candidates.choose(ROWS, TARGETS)).dtype == torch.bfloat16
        output = objective(ROWS, TARGETS, read)
    assert output.loss.dtype == torch.float32
    assert torch.isfinite(gradient(output.loss, users)).all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = read(objective.candidates.choose(ROWS, TARGETS)).float()
    torch.testing.assert_close(output.loss, objective(ROWS, TARGETS, lambda chosen: half).loss)


@pytest.mark.parametrize("integrator", [Entropy, Best, Learned])
def test_autocast_integrates_in_float32(table_signal, integrator):
    """Guards against measures or a gate in bfloat16: three digits cannot tell teachers apart."""
    generator = torch.Generator().manual_seed(2)
    signals = [table_signal(f"t{k}", torch.randn(N_ROWS, N_ITEMS, generator=generator)) for k in range(2)]
    scores = torch.randn(N_ROWS, N_ITEMS, generator=generator).bfloat16()
    found = []
    for enabled in (True, False):
        objective = build(signals, integrator=integrator())
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            output = objective(ROWS, TARGETS, reader(scores.clone().requires_grad_()))
        output.loss.backward()
        found.append([*output.terms.values(), *(p.grad for p in objective.parameters())])
    assert all(value.dtype == torch.float32 for value in found[0])
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=0)


def test_a_plugins_loss_may_multiply_matrices_under_autocast(signals, student):
    """Guards against autocast inside a loss that does not widen its inputs itself."""
    seen = []

    class Product(Loss):
        def forward(self, student, target, mask=None):
            product = student @ student.T
            seen.append(product.dtype)
            return {"product": product.diagonal()}

    with torch.autocast("cpu", dtype=torch.bfloat16):
        build(signals, loss=Product())(ROWS, TARGETS, reader(student.detach().float()))
        build(signals, loss=Product())(ROWS, TARGETS, reader(student.detach().bfloat16()))
    assert seen == [torch.float32, torch.float32]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("source", [InBatch, lambda: Uniform(n=6), lambda: Popular(n=6), lambda: TeachersTop(n=3)])
def test_extreme_scores_stay_finite(table_signal, loss, source):
    """Guards against one sure teacher or one diverging student that ends a run of hours with NaN."""
    generator = torch.Generator().manual_seed(4)
    signals = [
        table_signal(
            f"t{k}",
            torch.randn(N_ROWS, N_ITEMS, generator=generator).sign() * 1e4,
            temperature=0.01,
            items=torch.rand(N_ITEMS, generator=generator) > 0.4,
            rows=torch.rand(N_ROWS, generator=generator) > 0.4,
        )
        for k in range(3)
    ]
    student = (torch.randn(N_ROWS, N_ITEMS, generator=generator).sign() * 1e4).requires_grad_()
    output = build(signals, source(), loss=loss())(ROWS, TARGETS, reader(student))
    assert torch.isfinite(output.loss)
    assert torch.isfinite(gradient(output.loss, student)).all()


def test_a_learned_integrator_learns_from_the_students_loss(signals, student):
    """Guards against parameters of an integrator that never get a gradient, chunked or not."""

    class Weighted(UniformIntegrator):
        def __init__(self):
            super().__init__()
            self.logit = torch.nn.Parameter(torch.zeros(3, 1, dtype=torch.float64))

        def weigh(self, opinions):
            score = self.logit.expand(-1, opinions.known.shape[1]).masked_fill(~opinions.known, -1e9)
            weights = torch.softmax(score, 0).masked_fill(~opinions.known, 0.0)
            return weights, torch.ones_like(weights[0])

    grads = []
    for chunk_rows in (None, 3):
        integrator = Weighted()
        build(signals, integrator=integrator, chunk_rows=chunk_rows)(ROWS, TARGETS, reader(student)).loss.backward()
        grads.append(integrator.logit.grad)
    assert (grads[0] != 0).any()
    torch.testing.assert_close(grads[0], grads[1])


@pytest.mark.parametrize("chunk_rows", [None, 3])
def test_an_integrator_with_an_objective_of_its_own_is_trained_apart(signals, student, chunk_rows):
    """Guards against a gate that moves the student, that the student moves, or whose loss is counted in the run's."""

    def worked(weight, scores):
        integrator = Learned().double()
        objective = build(signals, integrator=integrator, chunk_rows=chunk_rows, weight=weight)
        integrator.double()  # bound by the objective
        output = objective(ROWS, TARGETS, reader(scores))
        gradient = torch.autograd.grad(output.loss, [scores, integrator.bias, integrator.outer])
        return output, gradient

    output, (to_student, *to_gate) = worked(2.0, student)
    plain = build(signals, integrator=UniformIntegrator(), weight=2.0)(ROWS, TARGETS, reader(student))
    torch.testing.assert_close(output.loss, plain.loss)
    torch.testing.assert_close(to_student, torch.autograd.grad(plain.loss, student)[0])
    assert all((gradient != 0).any() for gradient in to_gate)
    for same in (worked(0.1, student), worked(2.0, student.detach().flip(1).requires_grad_())):
        torch.testing.assert_close(list(same[1][1:]), to_gate)
    with torch.no_grad():
        quiet = build(signals, integrator=Learned(), chunk_rows=chunk_rows)(ROWS, TARGETS, reader(student))
    assert "integrator" not in quiet.terms
    assert output.terms["integrator"] > 0


def test_named_terms_add_up(signals, student):
    """Guards against a loss of two terms of which one is dropped."""

    class Two(Loss):
        def forward(self, student, target, mask=None):
            one = KLDivergence()(student, target, mask)["kl"]
            return {"first": one, "second": 2 * one}

    output = build(signals, loss=Two())(ROWS, TARGETS, reader(student))
    plain = build(signals)(ROWS, TARGETS, reader(student))
    torch.testing.assert_close(output.loss, 3 * plain.loss)
    torch.testing.assert_close(output.terms["distillation/second"], 2 * output.terms["distillation/first"])


def test_nothing_of_the_teachers_is_in_the_state(signals):
    """Guards against a checkpoint that carries the teachers."""
    objective = build(signals)
    assert objective.state_dict() == {}
    assert list(objective.parameters()) == []


def test_the_epoch_reaches_the_source(signals, student):
    """Guards against a resumed run that draws other candidates."""
    losses = []
    for epoch in (1, 2, 1):
        objective = build(signals, Uniform(n=4))
        objective.set_epoch(epoch)
        losses.append(objective(ROWS, TARGETS, reader(student)).loss.item())
    assert losses[0] == losses[2] != losses[1]


def test_wrong_shapes_of_the_students_scores_are_named(signals, student):
    """Guards against broadcasting a reader's mistake into a plausible loss."""
    with pytest.raises(StudentError, match=r"scores \(9, 1\) for \(9, 7\) rows x candidates"):
        build(signals)(ROWS, TARGETS, lambda chosen: torch.zeros(9, 1))


def test_impossible_settings_are_refused(signals):
    """Guards against a run that distils nothing, or upside down, without a word."""
    with pytest.raises(ConfigError, match="at least one teacher"):
        build([])
    with pytest.raises(ConfigError, match="two teachers are called 'teacher0'"):
        build([signals[0], signals[0]])
    with pytest.raises(ConfigError, match="weight must be 0 or more"):
        build(signals, weight=-1)
    with pytest.raises(ConfigError, match="chunk_rows must be 1 or more"):
        build(signals, chunk_rows=0)
    with pytest.raises(ConfigError, match="2 weights for 3 teachers"):
        build(signals, integrator=FixedIntegrator(weights=[1, 1]))
