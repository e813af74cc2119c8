"""A student trains by its own loss plus the objective, and is the plain model again when detached."""

from __future__ import annotations

import copy
import io
import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.host.speed.softmax import defer_logits
from ckd_plugins.host.trainer import build_trainer
from ckd_plugins.host.zoo import model_class
from ckd_plugins.students import UserRows, attach, choose_reader
from ckd_plugins.students.readers.embeddings import PropagatedTables
from ckd_plugins.students.readers.pointwise import ExpandedRows
from ckd_plugins.students.readers.second_pass import SecondPass

SMALL = {"n_layers": 1, "n_heads": 1, "hidden_size": 16, "inner_size": 16}
FAMILIES = ["SASRec", "BPR", "LightGCN", "DeepFM", "MultiVAE", "KTUP"]


def rows_for(case):
    """Rows by user where the batch has only users, else by the row column."""
    if "item_id" in case.batch():
        return None
    targets = torch.zeros(case.splits.dataset.user_num, dtype=torch.long)
    features = case.splits.train_dataset.inter_feat
    targets[features["user_id"]] = features["item_id"]
    return UserRows(targets)


def fit(case, model, attached) -> tuple[dict[str, torch.Tensor], dict[int, float], tuple]:
    """Train two epochs with RecBole's own trainer; return weights, losses and what the random numbers are then."""
    trainer = build_trainer(case.config, model, case.run_dir, [])
    torch.manual_seed(11)
    np.random.seed(11)
    loaders = (
        case.splits.train,
        *(getattr(case.splits.train, n, None) for n in ("general_dataloader", "kg_dataloader")),
    )
    for loader in loaders:
        if getattr(loader, "generator", None) is not None:
            loader.generator.manual_seed(11)
    with attached:
        trainer.fit(case.splits.train, case.splits.valid, verbose=False, saved=False, show_progress=False)
    state = {k: v.clone() for k, v in model.state_dict().items()}
    return state, trainer.train_loss_dict, (torch.random.get_rng_state(), np.random.random())


@pytest.mark.parametrize("name", FAMILIES)
def test_weight_zero_is_the_plain_run_bit_for_bit(case, name, push):
    """Guards against probing and attaching that change a run in which nothing is distilled."""
    case = case(name, **SMALL)
    plain = fit(case, case.model, attach(case.model, None, None))
    model = case.model = case.rebuilt()
    objective = push(weight=0.0)
    student = fit(case, model, attach(model, objective, choose_reader(model, case.probe()), rows=rows_for(case)))
    assert plain[1] == student[1]
    assert all(torch.equal(value, student[0][key]) for key, value in plain[0].items())
    assert torch.equal(plain[2][0], student[2][0])
    assert plain[2][1] == student[2][1]
    assert objective.asked == []


@pytest.mark.parametrize("name", [*FAMILIES, "BERT4Rec", "NFM"])
def test_own_loss_is_untouched_and_the_objective_reaches_the_weights(case, name, push):
    """Guards against a distilled run whose own loss, random numbers or batch statistics differ from the plain run's."""
    case = case(name)
    model, batch = case.model, case.batch()
    reader = choose_reader(model, case.probe())
    twin = copy.deepcopy(model)
    model.train()
    twin.train()
    torch.manual_seed(7)
    plain = twin.calculate_loss(copy.deepcopy(batch))
    after_plain = torch.random.get_rng_state()
    objective = push()
    with attach(model, objective, reader, rows=rows_for(case)) as handle:
        torch.manual_seed(7)
        total = model.calculate_loss(batch)
        terms = handle.pop_terms()
        assert torch.equal(torch.random.get_rng_state(), after_plain)
    assert isinstance(total, tuple) == isinstance(plain, tuple)
    own = sum(float(p) for p in plain) if isinstance(plain, tuple) else float(plain)
    assert terms["own_loss"] == pytest.approx(own, rel=1e-7)
    assert terms["loss"] == pytest.approx(own + terms["push"], rel=1e-6)
    assert terms["distillation_loss"] > 0
    assert handle.terms == {}
    for (key, value), other in zip(model.state_dict().items(), twin.state_dict().values(), strict=True):
        assert torch.equal(value, other), key

    gradient = {}
    for who, loss in (("student", total), ("plain", plain)):
        (sum(loss) if isinstance(loss, tuple) else loss).backward()
        gradient[who] = [p.grad for p in (model if who == "student" else twin).parameters()]
    pairs = [(a, b) for a, b in zip(gradient["student"], gradient["plain"], strict=True) if a is not None]
    assert all(torch.isfinite(a).all() for a, _ in pairs)
    assert any(b is None or not torch.equal(a, b) for a, b in pairs)


def test_distilling_changes_what_is_learnt(case, push):
    """Guards against an objective that is computed and then dropped."""
    case = case("LightGCN", learning_rate=0.02, train_batch_size=128)
    reader = choose_reader(case.model, case.probe())
    objective = push()
    handle = attach(case.model, objective, reader)
    fit(case, case.model, handle)
    assert 0 < handle.pop_terms()["push"] < 3
    first, last = (
        float(-torch.log_softmax(s, dim=1)[:, 0].mean()) for s in (objective.scores[0], objective.scores[-1])
    )
    assert last < first - 0.1
    assert handle.terms == {}


@pytest.mark.parametrize("name", ["SASRec", "LightGCN", "DMF"])
def test_detached_model_is_plain_and_its_checkpoint_loads_in_plain_recbole(case, name, push):
    """Guards against traces of this package in a model or in its checkpoint."""
    case = case(name)
    model = case.model
    reader = choose_reader(model, case.probe())
    before, hooks = dict(vars(model)), [dict(m._forward_pre_hooks) for m in model.modules()]
    handle = attach(model, push(), reader)
    assert handle.attached
    model.train()
    model.calculate_loss(case.batch())
    saved = io.BytesIO()
    torch.save({"state_dict": model.state_dict(), "other_parameter": model.other_parameter()}, saved)
    handle.detach()
    handle.detach()
    assert not handle.attached
    assert vars(model) == before
    assert [dict(m._forward_pre_hooks) for m in model.modules()] == hooks
    assert b"ckd_plugins" not in saved.getvalue()

    saved.seek(0)
    stock = model_class(name)(case.config, case.splits.train_dataset)
    loaded = torch.load(saved, weights_only=False)
    stock.load_state_dict(loaded["state_dict"])
    stock.load_other_parameter(loaded["other_parameter"])
    batch = case.batch()
    model.eval()
    stock.eval()
    with torch.no_grad():
        assert torch.equal(stock.full_sort_predict(batch), model.full_sort_predict(batch))


def test_copies_of_a_student_are_plain_models(case, push):
    """Guards against pickling an objective with its signals, or a copy that trains the original."""
    case = case("BPR")
    model = case.model
    objective = push()
    objective.handle_to_a_file = (i for i in ())  # cannot be pickled or copied
    attach(model, objective, choose_reader(model, case.probe()))
    batch = case.batch()
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        twin.calculate_loss(batch).backward()
        assert twin.user_embedding.weight.grad is not None
    assert objective.asked == []
    assert model.user_embedding.weight.grad is None


@pytest.mark.parametrize("name", ["LightGCN", "DMF"])
def test_stale_cache_is_not_read_and_not_left_behind(case, name):
    """Guards against scores from before the last optimiser step: both models keep embeddings from evaluation."""
    case = case(name)
    model, batch = case.model, case.batch()
    reader = choose_reader(model, case.probe())
    assert isinstance(reader, PropagatedTables if name == "LightGCN" else ExpandedRows)
    shift = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=shift))
    for reads in (reader, SecondPass(model, "sigmoid" if name == "DMF" else "identity")):
        model.eval()
        with torch.no_grad():
            stale = model.full_sort_predict(batch).view(len(batch), -1)[:4, 1:6].clone()
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=shift))
        with reads.watch():
            model.calculate_loss(batch)
        scores = reads.scores(batch, slice(0, 4), torch.arange(1, 6))
        scores.sum().backward()
        with torch.no_grad():
            fresh = case.rebuilt()
            fresh.load_state_dict(model.state_dict())
            fresh.eval()
            expected = fresh.full_sort_predict(batch).view(len(batch), -1)[:4, 1:6]
        predicted = torch.sigmoid(scores) if name == "DMF" else scores
        torch.testing.assert_close(predicted, expected)
        assert not torch.allclose(predicted, stale)
    # Evaluation right after a distilled step ranks by the weights of now.
    with torch.no_grad():
        assert torch.equal(model.full_sort_predict(batch), fresh.full_sort_predict(batch))


def test_the_wrapper_passes_arguments_on_and_counts_by_user(case, push):
    """Guards against RecVAE, whose trainer calls the loss with encoder_flag and whose batches hold only users."""
    case = case("RecVAE")
    objective = push()
    targets = torch.zeros(case.splits.dataset.user_num, dtype=torch.long)
    targets[2::2] = 3
    reader = choose_reader(case.model, case.probe())
    with attach(case.model, objective, reader, rows=UserRows(targets)):
        loss = case.model.calculate_loss(case.batch(), encoder_flag=True)
    assert loss.dim() == 0
    (rows, asked), *_ = objective.asked
    assert bool((rows % 2 == 0).all())
    assert bool((asked == 3).all())


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("NeuMF", {}),
        (
            "BPR",
            {"train_neg_sample_args": {"distribution": "uniform", "sample_num": 3, "alpha": 1.0, "dynamic": False}},
        ),
        ("SimpleX", {}),
        ("SASRec", {}),
    ],
)
def test_each_positive_is_distilled_once_and_no_negative(case, name, settings, push):
    """Guards against negatives that carry their positive's row id, and positives repeated for their negatives."""
    case = case(name, **settings)
    objective = push()
    batch = case.batch()
    with attach(case.model, objective, choose_reader(case.model, case.probe())):
        case.model.calculate_loss(batch)
    rows, targets = objective.asked[0]
    assert len(rows) == len(torch.unique(rows)) == len(torch.unique(batch["ckd_row"]))
    assert torch.equal(targets, case.splits.train_dataset.inter_feat["item_id"][rows])


def test_low_ratings_are_negatives_too(case, push):
    """Guards against teaching a click model that a user likes what they rated low."""
    case = case("FM", threshold={"rating": 4})
    objective = push()
    batch = case.batch()
    with attach(case.model, objective, choose_reader(case.model, case.probe())):
        case.model.calculate_loss(batch)
    liked = batch["label"] > 0
    assert 0 < int(liked.sum()) < len(batch)
    assert torch.equal(objective.asked[0][0], batch["ckd_row"][liked])
    assert torch.equal(objective.asked[0][1], batch["item_id"][liked])


def test_batches_without_known_rows_give_the_own_loss(case, push):
    """Guards against a crash, or a made-up signal, where the batch has no row ids."""
    case = case("BPR")
    objective = push()
    batch = case.batch()
    with attach(case.model, objective, choose_reader(case.model, case.probe())):
        batch["ckd_row"] = torch.full_like(batch["ckd_row"], -1)
        unknown = case.model.calculate_loss(batch)
        del batch["ckd_row"]
        absent = case.model.calculate_loss(batch)
    assert torch.equal(unknown, case.model.calculate_loss(batch))
    assert torch.equal(absent, unknown)
    assert objective.asked == []


def test_part_of_the_rows_known_reads_just_those(case, push):
    """Guards against scores of one row given to another when some rows have no signal."""
    case = case("SASRec")
    objective = push()
    case.model.eval()
    reader = choose_reader(case.model, case.probe())
    batch = case.batch()
    batch["ckd_row"] = torch.where(torch.arange(len(batch)) % 3 == 0, batch["ckd_row"], -1)
    with attach(case.model, objective, reader):
        case.model.calculate_loss(batch)
    rows, targets = objective.asked[0]
    part = batch[torch.arange(0, len(batch), 3)]
    assert torch.equal(rows, part["ckd_row"])
    with torch.no_grad():
        full = case.model.full_sort_predict(part)
    torch.testing.assert_close(objective.scores[0][:, 0], full.gather(1, targets[:, None])[:, 0])


def test_pretraining_stage_is_left_alone(case, push):
    """Guards against an error in S3Rec's and RaCT's pre-training, whose losses do not score the row's item."""
    case = case("BPR")
    reader = choose_reader(case.model, case.probe())
    objective = push()
    case.model.train_stage = "pretrain"
    with attach(case.model, objective, reader):
        case.model.calculate_loss(case.batch())
    assert objective.asked == []


def test_attaching_wrongly_says_so(case, push):
    """Guards against two objectives on one model, a reader of another model, and students without gradients."""
    bpr, pop = case("BPR"), case("Pop")
    reader = choose_reader(bpr.model, bpr.probe())
    handle = attach(bpr.model, push(), reader)
    with pytest.raises(StudentError, match="student already"):
        attach(bpr.model, push(), reader)
    handle.detach()
    with pytest.raises(StudentError, match="not made for this BPR"):
        attach(bpr.rebuilt(), push(), reader)
    with pytest.raises(StudentError, match="can be a teacher"):
        attach(pop.model, push(), reader)


class Listed:
    """An objective that the own softmax may take along; ``agrees`` says whether it is then the one that is read."""

    weight = 1.0

    def __init__(self, agrees: bool) -> None:
        self.agrees, self.asked, self.taken_batches = agrees, 0, 0

    def listed(self, rows):
        self.asked += 1
        ids = torch.ones(len(rows), 1, dtype=torch.long)
        return SimpleNamespace(ids=ids), torch.full((len(rows), 1), 1 / len(rows))

    def taken(self, batch, loss):
        self.taken_batches += 1
        return SimpleNamespace(loss=torch.zeros(()), terms={})

    def __call__(self, rows, targets, read):
        scores = read(torch.arange(read._reader._n_items))
        loss = -torch.log_softmax(scores, dim=1)[:, 1].mean()
        return SimpleNamespace(loss=loss if self.agrees else loss + 1, terms={})


@pytest.mark.parametrize("agrees", [True, False])
def test_a_softmax_that_is_not_the_readers_is_not_shared(case, agrees):
    """A model with a second softmax of the batch's size would be distilled through the wrong scores, unseen."""
    case = case("SASRec", **SMALL)
    model, batch = case.model, case.batch()
    model.eval()
    plain = float(model.calculate_loss(batch))
    defer_logits(model, case.splits.dataset.item_num)
    objective = Listed(agrees)
    with attach(model, objective, choose_reader(model, case.probe())) as handle:
        losses = [float(model.calculate_loss(batch)) for _ in range(2)]
        terms = handle.pop_terms()
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    assert terms["own_loss"] == pytest.approx(plain, rel=1e-5)
    assert terms["distillation_loss"] == pytest.approx(losses[0] - plain, rel=1e-4)
    assert (objective.asked, objective.taken_batches) == ((2, 2) if agrees else (1, 1))


def test_where_nothing_takes_the_targets_the_scores_are_read(case):
    """Without the deferred product (a GPU, ckd.speed.softmax off) the distillation would silently be nothing."""
    case = case("SASRec", **SMALL)
    model, batch = case.model, case.batch()
    objective = Listed(True)
    with attach(model, objective, choose_reader(model, case.probe())) as handle:
        model.calculate_loss(batch)
        assert handle.pop_terms()["distillation_loss"] > 0
        model.calculate_loss(batch)
    assert (objective.asked, objective.taken_batches) == (1, 0)
