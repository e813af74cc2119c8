"""The reader that a model gets reads the scores that the model ranks by."""

from __future__ import annotations

import pytest
import torch

from ckd_plugins.errors import StudentError
from ckd_plugins.students import choose_reader
from ckd_plugins.students.families import full_sort_is_own
from ckd_plugins.students.readers.pointwise import ExpandedRows

# model, settings, expected reader, passes, whether the model ranks by a sigmoid of its scores
CASES = [
    ("SASRec", {"loss_type": "CE"}, "loss logits", 1, False),
    ("SASRec", {"loss_type": "BPR"}, "sequence output", 1, False),
    ("GRU4Rec", {}, "loss logits", 1, False),
    ("CORE", {}, "loss logits", 1, False),
    ("SINE", {"loss_type": "NLL"}, "sequence output", 1, False),
    ("HGN", {"loss_type": "BPR"}, "sequence output", 1, False),
    ("NPE", {"loss_type": "BPR"}, "replayed forward", 1, False),
    ("TransRec", {}, "replayed forward", 1, False),
    ("BERT4Rec", {}, "second pass", 2, False),
    ("BPR", {}, "embedding tables", 1, False),
    ("LightGCN", {}, "propagated embeddings", 1, False),
    ("NGCF", {}, "propagated embeddings", 1, False),
    ("SGL", {}, "propagated embeddings", 1, False),
    ("SimpleX", {}, "second pass", 2, False),
    ("NeuMF", {}, "expanded rows", 1, True),
    ("DMF", {}, "expanded rows", 1, True),
    ("FISM", {}, "expanded rows", 1, False),
    ("FM", {}, "expanded rows", 1, True),
    ("DeepFM", {}, "expanded rows", 1, True),
    ("xDeepFM", {}, "expanded rows", 1, True),
    ("DCNV2", {}, "expanded rows", 1, True),
    ("MultiVAE", {}, "replayed forward", 1, False),
    ("CDAE", {}, "replayed forward", 1, True),
    ("RecVAE", {}, "replayed forward", 1, False),
    ("DiffRec", {}, "second pass", 2, False),
    ("CKE", {}, "expanded rows", 1, False),
    ("KTUP", {}, "expanded rows", 1, False),
]


def ranking(case, batch, rows: int) -> torch.Tensor:
    """The model's own predictions ``[rows, n_items]``, computed as RecBole's trainer does, not by a reader."""
    model, dataset = case.model, case.splits.dataset
    for name in [n for n in vars(model) if n.startswith("restore_") or n == "i_embedding"]:
        setattr(model, name, None)
    part = batch[torch.arange(rows)]
    torch.manual_seed(3)
    with torch.no_grad():
        if full_sort_is_own(model):
            return model.full_sort_predict(part).view(rows, -1)[:, : dataset.item_num]
        wide = part.repeat_interleave(dataset.item_num)
        wide.update(dataset.get_item_feature().repeat(rows))
        return model.predict(wide).view(rows, -1)


@pytest.mark.parametrize(("name", "settings", "reader_name", "passes", "sigmoid"), CASES, ids=lambda v: str(v)[:24])
def test_reader_gives_what_the_model_ranks_by(case, name, settings, reader_name, passes, sigmoid):
    """Guards against distilling into scores that are not the student's ranking, or that carry no gradient."""
    case = case(name, **settings)
    reader = choose_reader(case.model, case.probe())
    assert (reader.name, reader.passes) == (reader_name, passes)

    model, batch = case.model, case.batch()
    with torch.no_grad():  # away from the start, where biases are 0 and all scores are alike
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)))
    model.train()
    model.eval()
    rows, candidates = (
        6,
        torch.tensor([[1, 5, 9, 30], [2, 4, 8, 16], [7, 7, 3, 1], [1, 2, 3, 4], [9, 8, 7, 6], [5] * 4]),
    )
    arguments = {"encoder_flag": False} if name == "RecVAE" else {}
    with reader.watch():
        model.calculate_loss(batch, **arguments)
    full = ranking(case, batch, rows)
    torch.manual_seed(3)
    own = reader.scores(batch, slice(0, rows), candidates)
    torch.manual_seed(3)
    shared = reader.scores(batch, torch.arange(rows), candidates[0])
    for scores, expected in ((own, full.gather(1, candidates)), (shared, full[:, candidates[0]])):
        if sigmoid:
            scores = torch.sigmoid(scores)
        # KTUP draws noise for every row it is asked about, so that another number of rows is another draw.
        if name != "KTUP":
            torch.testing.assert_close(scores, expected, rtol=1e-5, atol=1e-5 * float(full.abs().max()))
    trained = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(own.sum(), trained, allow_unused=True)
    found = [g for g in gradients if g is not None]
    assert found
    assert all(torch.isfinite(g).all() for g in found)
    assert any(g.abs().max() > 0 for g in found)


def test_only_expanded_rows_ask_for_few_candidates(case):
    """Guards against thousands of candidates a row for a model that scores each of them from scratch."""
    assert ExpandedRows.max_candidates is not None
    model = case("BPR")
    assert choose_reader(model.model, model.probe()).max_candidates is None


@pytest.mark.parametrize(("name", "reason"), [("ItemKNN", "closed form"), ("NCEPLRec", "reaches no parameter")])
def test_models_without_gradients_are_refused(case, name, reason):
    """Guards against a distilled run of a model that nothing can be taught to."""
    case = case(name)
    with pytest.raises(StudentError, match=reason):
        choose_reader(case.model, case.probe())
