"""The probe lets no wrong reader through, and leaves the model as it was."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from ckd_plugins.students.readers.embeddings import FactorTables
from ckd_plugins.students.readers.logits import LossLogits
from ckd_plugins.students.readers.pointwise import ExpandedRows
from ckd_plugins.students.readers.replay import Replay
from ckd_plugins.students.readers.second_pass import SecondPass
from ckd_plugins.students.readers.sequence import SequenceOutput

WRONG = [
    ("CORE", {}, "no norm, no temperature", lambda m, p: SequenceOutput(m, "item_embedding")),
    ("SINE", {"loss_type": "NLL"}, "log-softmax, not scores", lambda m, p: LossLogits(m, p.catalogue)),
    ("SimpleX", {}, "no history, no norm", lambda m, p: FactorTables(m, "user_emb", "item_emb")),
    ("BERT4Rec", {}, "masked positions, not the next", lambda m, p: Replay(m)),
    ("DMF", {}, "probabilities, not scores", lambda m, p: ExpandedRows(m, p.catalogue, "predict")),
    ("FM", {}, "probabilities, not scores", lambda m, p: ExpandedRows(m, p.catalogue, "predict")),
    ("CKE", {}, "no entity embedding", lambda m, p: FactorTables(m, "user_embedding", "item_embedding")),
]


@pytest.mark.parametrize(("name", "settings", "fault", "make"), WRONG, ids=[w[0] for w in WRONG])
def test_wrong_reader_is_rejected(case, name, settings, fault, make):
    """Guards against a model that ranks by something else than what a plausible reader gives: each row says what."""
    case = case(name, **settings)
    probe = case.probe()
    verdict = probe.accepts(make(case.model, probe))
    assert not verdict
    assert "differ" in verdict.reason


def test_a_bias_that_is_still_zero_is_not_overlooked(case):
    """Guards against accepting a reader without an item bias because biases start at 0."""

    class NoBias(SecondPass):
        def scores(self, interaction, positions, candidates):
            return super().scores(interaction, positions, candidates) - self.model.output_bias[candidates]

    case = case("BERT4Rec")
    assert bool((case.model.output_bias == 0).all())
    assert not case.probe().accepts(NoBias(case.model))


def test_detached_scores_are_rejected(case):
    """Guards against a reader whose scores are right but teach nothing."""

    class Detached(SecondPass):
        def scores(self, interaction, positions, candidates):
            return super().scores(interaction, positions, candidates).detach()

    case = case("BPR")
    assert "no gradient" in case.probe().accepts(Detached(case.model)).reason


@pytest.mark.parametrize("name", ["SASRec", "LightGCN", "DMF", "NFM", "MultiVAE", "SGL", "DiffRec"])
def test_probe_leaves_no_trace(case, name):
    """Guards against a probe that shifts the random numbers, the counters or the statistics of the run after it."""
    case = case(name)
    model, batch = case.model, case.batch()
    if name == "LightGCN":
        with torch.no_grad():
            model.full_sort_predict(batch)  # a filled cache must survive, too
    model.train()
    plain = {m: dict(vars(m)) for m in model.modules()}
    tensors = {
        (i, n): v.clone()
        for i, m in enumerate(model.modules())
        for n, v in (*vars(m).items(), *m._buffers.items(), *m._parameters.items())
        if isinstance(v, torch.Tensor) and v.layout == torch.strided
    }
    rng = torch.random.get_rng_state(), np.random.get_state()[1].copy(), random.getstate()

    probe = case.probe()
    for reader in (SecondPass(model), Replay(model), ExpandedRows(model, probe.catalogue)):
        probe.accepts(reader)

    assert torch.equal(torch.random.get_rng_state(), rng[0])
    assert random.getstate() == rng[2]
    for i, module in enumerate(model.modules()):
        assert vars(module).keys() == plain[module].keys()
        assert all(vars(module)[k] is v for k, v in plain[module].items())
        for n, v in (*vars(module).items(), *module._buffers.items(), *module._parameters.items()):
            if (i, n) in tensors:
                assert torch.equal(v, tensors[i, n]), n
    assert all(p.grad is None for p in model.parameters())
