"""What holds for every teacher that reads texts."""

from __future__ import annotations

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins.domains import Domain, Instances, TextEncoder
from ckd_plugins.errors import DataError, TeacherError
from ckd_plugins.teachers import Epoch, TextTeacher, UniM2Rec, UniSRec, VQRec
from ckd_plugins.teachers.ranking import ndcg, target_ranks

SMALL: dict[str, Any] = {
    "hidden_size": 16,
    "n_layers": 1,
    "inner_size": 16,
    "dropout": 0.1,
    "batch_size": 128,
    "learning_rate": 5e-3,
    "finetune_epochs": 2,
    "pretrain_epochs": 1,
}
KINDS = {
    "unim2rec": (UniM2Rec, {"n_experts": 2, "attention_dropout": 0.1}),
    "unisrec": (UniSRec, {"n_experts": 2, "attention_dropout": 0.1}),
    "unisrec-inductive": (UniSRec, {"n_experts": 2, "transductive": False}),
    "vqrec": (VQRec, {"digits": 4, "code_size": 16, "sequence_encoder": "transformer"}),
    "vqrec-gru": (VQRec, {"digits": 4, "code_size": 16, "sequence_encoder": "gru"}),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(kind: str, words: TextEncoder, **options: Any) -> TextTeacher:
    cls, own = KINDS[kind]
    return cls(encoder=words, **{**SMALL, **own, **local(kind), **options})


PICTURES: dict[str, Any] = {}


def local(kind: str) -> dict[str, Any]:
    """Options that are paths; a loaded teacher needs them to learn more."""
    return PICTURES if kind == "unim2rec" else {}


@pytest.fixture(scope="session", autouse=True)
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> None:
    from .conftest import pictures, walks

    domains = [walks(name) for name in ("walks", "one", "two", "three")]
    PICTURES["images"] = str(pictures(tmp_path_factory.mktemp("images") / "v.npz", *domains, share=0.7))


@pytest.fixture(scope="session")
def fitted(domain: Domain, words: TextEncoder, _pictures: None) -> dict[str, TextTeacher]:
    teachers = {kind: make(kind, words, finetune_epochs=30, patience=30) for kind in KINDS}
    for teacher in teachers.values():
        teacher.finetune(domain)
    return teachers


def score(teacher: TextTeacher, domain: Domain) -> float:
    instances = domain.test_instances()
    return ndcg(target_ranks(teacher.encode(instances), teacher.item_factors(domain), instances.target))


def test_learns_what_popularity_cannot(kind: str, fitted: dict[str, TextTeacher], domain: Domain) -> None:
    """A teacher that is wired wrongly may still fall to a low loss; the chain shows only in the next item."""
    popularity = domain.popularity.astype(np.float32)[:, None]
    test = domain.test_instances()
    base = ndcg(target_ranks(np.ones((len(test), 1), np.float32), popularity, test.target))
    assert score(fitted[kind], domain) > 4 * base


def test_one_pass_a_user_equals_one_pass_a_row(kind: str, fitted: dict[str, TextTeacher], domain: Domain) -> None:
    """Rows that share a pass must get what they would get alone, also when histories are longer than the cap."""
    teacher = fitted[kind]
    for cap in (50, 3):
        instances = domain.train_instances(cap)
        together = teacher.encode(instances)
        rows = np.random.default_rng(0).permutation(len(instances))[:40]
        alone = np.concatenate([teacher.encode(instances, [r]) for r in rows])
        np.testing.assert_allclose(together[rows], alone, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_any_numbering_and_unknown_items(kind: str, fitted: dict[str, TextTeacher], domain: Domain) -> None:
    """Students number items in their own way and know items that the teacher does not."""
    teacher, instances = fitted[kind], domain.valid_instances()
    rng = np.random.default_rng(0)
    order = rng.permutation(domain.n_items)
    place = np.argsort(order) + 1
    items = ("new", *(domain.items[i] for i in order))
    other = Instances(items, place[instances.flat], instances.start, instances.stop, place[instances.target])
    np.testing.assert_allclose(teacher.encode(other), teacher.encode(instances), atol=1e-6)
    first = instances.history(0)
    mixed = np.concatenate([[0], place[first[:1]], [0], place[first[1:]]])
    padded = Instances(items, mixed, [0, 0, 0], [len(mixed), 1, 0], [1, 1, 1])
    encoded = teacher.encode(padded)
    np.testing.assert_allclose(encoded[0], teacher.encode(instances, [0])[0], atol=1e-6)
    assert not encoded[1:].any()


def test_saved_and_loaded_gives_the_same_factors(
    kind: str, fitted: dict[str, TextTeacher], domain: Domain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loaded teacher must need neither the language model nor the network, and answer bit for bit."""
    teacher = fitted[kind]
    teacher.save(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]

    def refuse(*_: object) -> None:
        raise AssertionError("tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    loaded = type(teacher).load(tmp_path)
    np.testing.assert_array_equal(loaded.item_factors(domain), teacher.item_factors(domain))
    instances = domain.test_instances()
    np.testing.assert_array_equal(loaded.encode(instances), teacher.encode(instances))
    assert loaded.digest == teacher.digest
    assert (loaded.domain, loaded.temperature, loaded.max_length) == (domain.name, 0.07, 50)


def test_one_seed_is_one_teacher_and_leaves_torch_alone(kind: str, words: TextEncoder, domain: Domain) -> None:
    """Without it no result can be repeated; and the host's own random numbers must not move."""
    digests = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed + len(digests))
        before = torch.get_rng_state()
        teacher = make(kind, words, seed=seed, finetune_epochs=1)
        teacher.pretrain([domain])
        teacher.finetune(domain)
        assert torch.equal(before, torch.get_rng_state())
        weights = {k: v for k, v in teacher._weights().items() if k not in ("plm_embedding.weight",)}
        digests.append([v.numpy().tobytes() for _, v in sorted(weights.items())])
    assert digests[0] == digests[1] != digests[2]


def test_frozen_parameters_do_not_move_and_the_others_do(kind: str, words: TextEncoder, domain: Domain) -> None:
    """Fine-tuning of a pre-trained encoder is to keep it; one that was not pre-trained must be trained."""
    teacher = make(kind, words)
    teacher.pretrain([domain])
    start = {k: v.clone() for k, v in teacher._weights().items()}
    teacher.finetune(domain)
    end = teacher._weights()
    kept = ("position_embedding.", "trm_encoder.", "gru_encoder.", "rotation", "centroids", "fusion.no_content")
    for name, value in start.items():
        assert torch.equal(value, end[name]) == name.startswith(kept), name
    scratch = make(kind, words)
    scratch.finetune(domain)
    fresh = {k: v.clone() for k, v in scratch._weights().items() if k.startswith(kept[:3])}
    scratch.finetune_epochs = 0
    scratch.finetune(domain)
    assert all(not torch.equal(v, scratch._weights()[k]) for k, v in fresh.items() if not k.endswith("key.bias"))
    scratch.freeze_encoder, scratch.finetune_epochs = True, 1
    unmoved = {k: v.clone() for k, v in scratch._weights().items() if k.startswith(kept[:3])}
    scratch.finetune(domain)
    assert all(torch.equal(v, scratch._weights()[k]) for k, v in unmoved.items())


def test_pretraining_carries_over_domains_and_reports(kind: str, words: TextEncoder, tmp_path: Path) -> None:
    """What was learned elsewhere must be there at the start of fine-tuning, also after a save and a load."""
    from .conftest import walks

    epochs: list[Epoch] = []
    teacher = make(kind, words, pretrain_epochs=4, finetune_epochs=0)
    teacher.pretrain([walks("one", 120, 1), walks("two", 120, 2)], progress=epochs.append)
    assert [(e.stage, e.number, e.of, e.valid) for e in epochs] == [("pretrain", n, 4, None) for n in (1, 2, 3, 4)]
    assert epochs[-1].loss < epochs[0].loss
    assert teacher.pretrained_on == ("one", "two")
    teacher.save(tmp_path)
    loaded = type(teacher).load(tmp_path, encoder=words, **local(kind))
    target = walks("three", 60, 3)
    for each in (teacher, loaded):
        each.finetune(target)
    np.testing.assert_array_equal(teacher.item_factors(target), loaded.item_factors(target))
    scratch = make(kind, words, finetune_epochs=0)
    scratch.finetune(target)
    assert score(teacher, target) > score(scratch, target)


def test_the_published_rows_give_a_teacher_too(words: TextEncoder, domain: Domain) -> None:
    """The switch must change how rows are batched, not what is learned from them."""
    teacher = make("unisrec", words, finetune_epochs=30, patience=30, all_positions=False)
    history = teacher.finetune(domain)
    assert history.valid is not None
    assert history.valid > 0.4


def test_test_targets_are_never_read(kind: str, words: TextEncoder, domain: Domain) -> None:
    """A teacher that has seen the test items makes every student's result worthless."""
    blind = replace(domain, test=np.full_like(domain.test, -1))
    factors = []
    for each in (domain, blind):
        teacher = make(kind, words, finetune_epochs=1)
        teacher.pretrain([each])
        teacher.finetune(each)
        factors.append(teacher.item_factors(domain))
    np.testing.assert_array_equal(*factors)


def test_a_domain_without_validation_targets_holds_its_own_out(words: TextEncoder, domain: Domain) -> None:
    """Early stopping needs targets that were not trained on."""
    history = make("unisrec", words).finetune(replace(domain, valid=np.full_like(domain.valid, -1)))
    assert history.valid is not None


def test_questions_before_fine_tuning_and_about_other_items(kind: str, words: TextEncoder, domain: Domain) -> None:
    """One line that says what to do."""
    from .conftest import walks

    teacher = make(kind, words, finetune_epochs=0)
    for ask in (lambda: teacher.encode(domain.test_instances()), lambda: teacher.item_factors(domain)):
        with pytest.raises(TeacherError, match=r"call finetune\(domain\)"):
            ask()
    teacher.finetune(domain)
    with pytest.raises(TeacherError, match="'other-0-0'"):
        teacher.item_factors(walks("other"))


def test_data_that_nothing_can_be_learned_from(kind: str, words: TextEncoder, domain: Domain) -> None:
    """Caught before minutes of training."""
    teacher = make(kind, words)
    with pytest.raises(DataError, match="no domains"):
        teacher.pretrain([])
    single = Domain.from_interactions("single", ["u", "v"], ["a", "b"], texts={"a": "x", "b": "y"})
    for learn in (lambda: teacher.finetune(single), lambda: teacher.pretrain([single])):
        with pytest.raises(DataError, match="single: no user"):
            learn()
    new = tuple(f"new {token}" for token in domain.items)  # of which there are no images either
    with pytest.raises(DataError, match="no item has a text"):
        teacher.finetune(replace(domain, items=new, text=(None,) * domain.n_items))
