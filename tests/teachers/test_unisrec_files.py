"""The authors' files, written here as their program writes them, from a network of RecBole's layers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from recbole.config import Config
from recbole.model.layers import TransformerEncoder
from torch import Tensor, nn

from ckd_plugins.domains import Domain, TextEncoder
from ckd_plugins.errors import CheckpointError, ConfigError, DataError, TeacherError
from ckd_plugins.teachers import UniSRec
from ckd_plugins.teachers.unisrec_files import text_vectors

D, INNER, TEXT, EXPERTS, LENGTH = 20, 12, 768, 3, 7
AS_IT_IS: dict[str, Any] = {"finetune_epochs": 0, "transductive": False}


class Expert(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.bias, self.lin = nn.Parameter(torch.randn(TEXT)), nn.Linear(TEXT, D, bias=False)


class Adaptor(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.experts = nn.ModuleList(Expert() for _ in range(EXPERTS))
        self.w_gate, self.w_noise = (nn.Parameter(torch.randn(TEXT, EXPERTS) / 20) for _ in range(2))


class Source(nn.Module):
    """The published network as its program computes it: RecBole's SASRec encoder over adapted text vectors."""

    def __init__(self, heads: int = 4) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.position_embedding, self.LayerNorm = nn.Embedding(LENGTH, D), nn.LayerNorm(D, eps=1e-12)
        self.trm_encoder = TransformerEncoder(3, heads, D, INNER, 0.5, 0.5, "gelu", 1e-12)
        self.moe_adaptor = Adaptor()
        self.eval()

    def items(self, text: Tensor) -> Tensor:
        gates = (text @ self.moe_adaptor.w_gate).softmax(-1)
        return sum(gates[:, [k]] * e.lin(text - e.bias) for k, e in enumerate(self.moe_adaptor.experts))

    @torch.no_grad()
    def scores(self, text: Tensor, history: list[int]) -> np.ndarray:
        """Cosines with every item after a history, padded on the right and masked as RecBole does it."""
        vectors, newest = self.items(text), history[-LENGTH:]
        padded = torch.zeros(1, LENGTH, D)
        padded[0, : len(newest)] = vectors[newest]
        seen = (torch.arange(LENGTH) < len(newest))[None, None, None] & torch.ones(LENGTH, LENGTH).tril().bool()
        mask = torch.where(seen, 0.0, -10000.0)
        states = self.trm_encoder(self.LayerNorm(padded + self.position_embedding.weight), mask)[-1]
        return torch.cosine_similarity(states[:, len(newest) - 1], vectors).numpy()


def write(folder: Path, domain: Domain, source: Source, **more: Any) -> dict[str, str]:
    """``X.pth``, ``X.feat1CLS`` and ``X.item2index``, with rows in an order of their own; options that name them."""
    config = Config.__new__(Config)
    vars(config)["final_config_dict"] = {"n_heads": 4, "hidden_act": "gelu", "layer_norm_eps": 1e-12, **more}
    state = {"config": config, "epoch": 299, "state_dict": source.state_dict(), "optimizer": {"state": {}}}
    torch.save(state, folder / "X.pth")
    order = np.random.default_rng(1).permutation(domain.n_items + 2)  # and rows of items that the domain lacks
    rows = np.random.default_rng(2).standard_normal((len(order), TEXT)).astype(np.float32) / 2
    rows.tofile(folder / "X.feat1CLS")
    lines = [f"{token}\t{order[i]}" for i, token in enumerate((*domain.items, "gone", "lost"))]
    (folder / "X.item2index").write_text("\n".join(lines) + "\n")
    names = {"checkpoint": "X.pth", "item_vectors": "X.feat1CLS", "item_index": "X.item2index"}
    return {option: str(folder / name) for option, name in names.items()}


def texts(domain: Domain, files: dict[str, str]) -> Tensor:
    rows = np.fromfile(files["item_vectors"], np.float32).reshape(-1, TEXT)
    index = dict(line.split("\t") for line in Path(files["item_index"]).read_text().split("\n") if line)
    return torch.from_numpy(rows[[int(index[token]) for token in domain.items]])


Made = tuple[dict[str, str], Source]


@pytest.fixture
def made(domain: Domain, tmp_path: Path) -> Made:
    source = Source()
    return write(tmp_path, domain, source), source


def agrees(teacher: UniSRec, domain: Domain, source: Source, files: dict[str, str]) -> None:
    asked = domain.test_instances()
    rows = [int(np.argmax(asked.lengths)), *range(0, len(asked), 40)]
    assert asked.lengths[rows[0]] >= 6
    scores = teacher.encode(asked, rows) @ teacher.item_factors(domain).T
    content = texts(domain, files)
    wanted = np.stack([source.scores(content, asked.history(row).tolist()) for row in rows])
    np.testing.assert_allclose(scores, wanted, atol=1e-5)
    assert np.ptp(wanted, axis=1).min() > 0.3, "scores that hardly differ agree with anything"


def test_it_scores_as_the_network_that_wrote_the_files(domain: Domain, made: Made, tmp_path: Path) -> None:
    """A weight left random, rows of other items, or other sizes give scores that look like scores."""
    files, source = made
    teacher = UniSRec(**files, **AS_IT_IS)
    history = teacher.finetune(domain)
    assert not history.epochs
    agrees(teacher, domain, source, files)
    teacher.save(tmp_path / "kept")
    for name in ("X.pth", "X.feat1CLS", "X.item2index"):
        (tmp_path / name).rename(tmp_path / f"{name}.away")  # what was saved needs none of them
    back = UniSRec.load(tmp_path / "kept")
    assert back.digest == teacher.digest
    np.testing.assert_array_equal(back.item_factors(domain), teacher.item_factors(domain))


def test_sizes_are_the_files(domain: Domain, made: Made) -> None:
    """Of two answers to how large a network is the file's is right."""
    given = {"hidden_size": 64, "n_heads": 2, "max_length": 50, "n_layers": 1, "projection": True, "text_size": 0.1}
    teacher = UniSRec(**made[0], **given)
    assert (teacher.hidden_size, teacher.n_layers, teacher.n_heads, teacher.inner_size) == (D, 3, 4, INNER)
    assert (teacher.n_experts, teacher.max_length, teacher.projection, teacher.text_size) == (
        EXPERTS,
        LENGTH,
        False,
        None,
    )


def test_reading_it_draws_no_random_number(made: Made) -> None:
    """The student would begin with other weights than without this teacher."""
    before = torch.get_rng_state()
    UniSRec(**made[0])
    assert torch.equal(torch.get_rng_state(), before)


def test_heads_are_the_options_where_the_file_does_not_say(domain: Domain, tmp_path: Path) -> None:
    """Weights are the same for any number of heads, scores are not."""
    source = Source(heads=2)
    files = write(tmp_path, domain, source)
    torch.save({"state_dict": source.state_dict()}, tmp_path / "X.pth")
    teacher = UniSRec(**files, n_heads=2, **AS_IT_IS)
    teacher.finetune(domain)
    agrees(teacher, domain, source, files)


def test_numbered_tokens_are_rows(domain: Domain, made: Made) -> None:
    """The published .inter files name items by their rows; numbers of RecBole's would be other ones."""
    files, source = made
    index = dict(line.split("\t") for line in Path(files["item_index"]).read_text().split("\n") if line)
    numbered = replace(domain, items=tuple(index[token] for token in domain.items))
    teacher = UniSRec(checkpoint=files["checkpoint"], item_vectors=files["item_vectors"], **AS_IT_IS)
    teacher.finetune(numbered)
    asked = numbered.test_instances()
    wanted = source.scores(texts(domain, files), asked.history(5).tolist())
    np.testing.assert_allclose(teacher.encode(asked, [5])[0] @ teacher.item_factors(numbered).T, wanted, atol=1e-5)


@pytest.mark.parametrize("transductive", [False, True])
def test_fine_tuning_starts_from_it_and_keeps_the_encoder(domain: Domain, made: Made, transductive: bool) -> None:
    """A start that is dropped leaves a network of the right size with nothing in it."""
    files, source = made
    teacher = UniSRec(**files, finetune_epochs=1, transductive=transductive, batch_size=256)
    before = source.state_dict()
    assert len(teacher.finetune(domain).epochs) == 1
    after = teacher._finetuned().state_dict()
    for name, tensor in before.items():
        kept = name.startswith(("position_embedding", "trm_encoder"))
        moved = (after[name] - tensor).abs().max().item()
        assert (moved == 0) == kept, name
        assert moved < 0.1, name


def test_pre_training_goes_on_from_it(domain: Domain, made: Made) -> None:
    """With vectors of each domain's own."""
    files, source = made
    names = {option: {"walks": files[option]} for option in ("item_vectors", "item_index")}
    teacher = UniSRec(checkpoint=files["checkpoint"], **names, pretrain_epochs=1, learning_rate=1e-5)
    teacher.pretrain([domain])
    moved = (teacher._start["LayerNorm.bias"] - source.LayerNorm.bias).abs().max().item()
    assert 0 < moved < 1e-3
    with pytest.raises(DataError, match="no path for 'other'"):
        teacher.pretrain([domain, replace(domain, name="other")])


def test_what_began_with_it_goes_on_after_loading(domain: Domain, made: Made, tmp_path: Path) -> None:
    """The next domain would be learned from random weights, kept as they are or not."""
    files, source = made
    teacher = UniSRec(**files, finetune_epochs=1, transductive=False, batch_size=256)
    teacher.finetune(domain)
    teacher.save(tmp_path / "saved")
    del files["checkpoint"]
    loaded = UniSRec.load(tmp_path / "saved", **files)
    assert loaded.digest == teacher.digest
    for one in (teacher, loaded):
        one.finetune(domain)
        weights = one._weights()
        kept = {name: w for name, w in source.state_dict().items() if name.startswith("trm_encoder.")}
        assert kept
        assert all(torch.equal(weights[name], w) for name, w in kept.items())


def test_another_text_encoder_is_named(domain: Domain, made: Made, words: TextEncoder) -> None:
    """Vectors of another size, and in one line instead of torch's."""
    teacher = UniSRec(checkpoint=made[0]["checkpoint"], encoder=words, **AS_IT_IS)
    with pytest.raises(DataError, match=r"of size 768, and the text encoder gives 16; .* pooling cls"):
        teacher.finetune(domain)


def test_given_vectors_do_without_a_checkpoint(domain: Domain, made: Made) -> None:
    """They are the language model's, which the package does not bring."""
    teacher = UniSRec(item_vectors=made[0]["item_vectors"], item_index=made[0]["item_index"], hidden_size=16,
                      n_experts=2, finetune_epochs=1)  # fmt: skip
    teacher.finetune(domain)
    stored = teacher._weights()["plm_embedding.weight"][1:]
    torch.testing.assert_close(stored, F.normalize(texts(domain, made[0]), dim=1) * 0.1 * TEXT**0.5)


def changed(path: str, change: Callable[[dict[str, Any]], None]) -> None:
    state = torch.load(path, weights_only=False)
    change(state)
    torch.save(state, path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s["state_dict"].update({"item_embedding.weight": torch.ones(9, D)}), "fine-tuned transductively"),
        (lambda s: s["state_dict"].pop("moe_adaptor.w_gate"), "no matrix 'moe_adaptor.w_gate'"),
        (lambda s: s["state_dict"].update({"trm_encoder.layer.x.y": torch.ones(2)}), "'trm_encoder.layer.x.y' is"),
        (lambda s: s["state_dict"].pop("LayerNorm.bias"), r"'LayerNorm.bias' is missing there and \(20,\) here"),
        (lambda s: s["state_dict"].update(more=torch.ones(1)), r"'more' is \(1,\) there and unknown here"),
        (lambda s: s["state_dict"].pop("trm_encoder.layer.1.multi_head_attention.key.bias"), "key.bias' is missing"),
        (lambda s: s["config"].final_config_dict.update(hidden_act="relu"), "hidden_act='relu'"),
        (lambda s: s["config"].final_config_dict.update(n_heads=3), "3 heads do not divide its size 20"),
    ],
)
def test_other_networks_are_refused(made: Made, change: Callable[[dict[str, Any]], None], message: str) -> None:
    """What fits in part would teach in part."""
    changed(made[0]["checkpoint"], change)
    with pytest.raises(TeacherError, match=message) as caught:
        UniSRec(**made[0])
    assert "\n" not in str(caught.value)


def test_text_vectors_in_a_checkpoint_are_passed_over(domain: Domain, made: Made) -> None:
    """An inductively fine-tuned one holds them, by numbers of its own run; they are read from their file."""
    files, source = made
    changed(files["checkpoint"], lambda s: s["state_dict"].update({"plm_embedding.weight": torch.ones(9, TEXT)}))
    teacher = UniSRec(**files, **AS_IT_IS)
    teacher.finetune(domain)
    agrees(teacher, domain, source, files)


def test_code_in_a_checkpoint_does_not_run(made: Made, tmp_path: Path) -> None:
    """The file comes from a stranger's drive."""
    changed(made[0]["checkpoint"], lambda s: s.update(optimizer=re.compile("a")))
    with pytest.raises(CheckpointError, match=r"asks for re\._compile"):
        UniSRec(**made[0])


def test_options_that_contradict_one_another_are_refused() -> None:
    """Untrained vectors of single items are noise on every score."""
    with pytest.raises(ConfigError, match="set transductive=False"):
        UniSRec(checkpoint="X.pth", finetune_epochs=0)
    with pytest.raises(ConfigError, match="give both"):
        UniSRec(item_index="X.item2index")


@pytest.mark.parametrize(
    ("index", "rows", "message"),
    [
        (None, 90, "no number of a row; name the .item2index file"),
        ("walks-0-0\t0\n", 90, "'walks-0-1' of 'walks' is not in item_index"),
        ("".join(f"walks-{c}-{s}\t{10 * c + s}\n" for c in range(6) for s in range(10)), 59, "has row 59, .* has 59"),
        ("walks-0-0\t0\nwalks-0-0\t1\n", 90, "line 2: want a token"),
        ("item_id:token\ttext:token_seq\n", 90, "line 1: want a token"),
        ("walks-0-0\t-1\n", 90, "line 1: want a token"),
        (b"\xff\xfe", 90, "cannot be read as text"),
        (None, 0, "has 0 bytes"),
        (None, 1.5, "no whole number of rows of 4"),
    ],
)
def test_rows_of_no_item_are_refused(
    domain: Domain, tmp_path: Path, index: str | bytes | None, rows: float, message: str
) -> None:
    """An item with another one's vector is only ever noticed by its scores."""
    (tmp_path / "v").write_bytes(bytes(int(rows * 16)))
    if index is not None:
        (tmp_path / "i").write_bytes(index.encode() if isinstance(index, str) else index)
    with pytest.raises(DataError, match=message) as caught:
        text_vectors(domain, str(tmp_path / "v"), str(tmp_path / "i") if index is not None else None, 4)
    assert "\n" not in str(caught.value)


def test_numbers_that_are_none_are_refused(domain: Domain, tmp_path: Path) -> None:
    """One of them makes every score of the item, and soon every weight, no number."""
    numbered = replace(domain, items=tuple(map(str, range(domain.n_items))))
    rows = np.zeros((domain.n_items, 4), np.float32)
    rows[7, 2] = np.nan
    rows.tofile(tmp_path / "v")
    with pytest.raises(DataError, match="the row of item '7'"):
        text_vectors(numbered, str(tmp_path / "v"), None, 4)
