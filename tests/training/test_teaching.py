"""From a teacher's name to its signal: never a half teacher, never a stale one, never twice the work."""

from __future__ import annotations

import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch

from ckd_plugins import TeacherSpec, hookimpl
from ckd_plugins.config import CkdConfig
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.errors import ConfigError, DataError, SignalError, TeacherError, UnknownNameError
from ckd_plugins.registry import Registry
from ckd_plugins.signals.store import Store
from ckd_plugins.teachers.base import Teacher
from ckd_plugins.teachers.history import Epoch, History
from ckd_plugins.training.teaching import Taught, check_teachers, read_pretraining, teach

from .conftest import Recorder, write_shop

Teach = Callable[..., Taught]
FIELDS = {"USER_ID_FIELD": "user_id", "ITEM_ID_FIELD": "item_id", "TIME_FIELD": "timestamp"}


def vectors(tokens: tuple[str, ...]) -> np.ndarray:
    return np.array([np.random.default_rng(int(h)).standard_normal(8) for h in token_hashes(tokens)], np.float32)


class LastItem(Teacher):
    """Scores items by their likeness to the last one; counts what it is asked to do."""

    name: ClassVar[str] = "last"
    max_length, temperature, finetune_epochs, pretrain_epochs = 5, 0.5, 2, 1
    calls: ClassVar[Counter[str]] = Counter()

    def __init__(self, *, shade: int = 0, seed: int = 0) -> None:
        self.shade, self.seed = shade, seed

    def pretrain(self, domains: Any, *, progress: Any = None) -> History:
        self.calls["pretrain"] += 1
        progress(Epoch("pretrain", 1, 1, 2.0, None, 0.0))
        return History()

    def finetune(self, domain: Any, *, progress: Any = None) -> History:
        self.calls["finetune"] += 1
        logging.getLogger("ckd_plugins").warning("no image of %s", domain.items[0])
        assert (domain.test == -1).all()
        for number in (1, 2):
            progress(Epoch("finetune", number, 2, 1.0 / number, 0.25, 0.0))
        return History()

    def item_factors(self, domain: Any) -> np.ndarray:
        return vectors(domain.items)

    def encode(self, instances: Any, rows: Any = None) -> np.ndarray:
        self.calls["encode"] += 1
        rows = np.arange(len(instances)) if rows is None else np.asarray(rows)
        last = np.clip(instances.stop[rows] - 1, 0, None)
        found = vectors(instances.items)[instances.flat[last]]
        found[instances.lengths[rows] == 0] = 0
        return found

    @property
    def digest(self) -> str:
        return f"{self.shade}-{self.seed}"

    @property
    def parameters(self) -> int:
        return 0

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "config.json").write_text(json.dumps({"shade": self.shade, "seed": self.seed}))

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        return cls(**json.loads((Path(folder) / "config.json").read_text()))


class FromFile(LastItem):
    """Starts from a file."""

    name: ClassVar[str] = "from-file"
    files: ClassVar[tuple[str, ...]] = ("checkpoint",)

    def __init__(self, *, checkpoint: str | None = None, shade: int = 0, seed: int = 0) -> None:
        super().__init__(shade=shade, seed=seed)


class Partial(LastItem):
    """Does not know every third item."""

    name: ClassVar[str] = "partial"

    def known_items(self, domain: Any) -> np.ndarray:
        return np.arange(domain.n_items) % 3 != 0


class Lister(LastItem):
    """Lists two items, and has no opinion on the rest."""

    name: ClassVar[str] = "lister"
    form, outside, k = "topk", "mask", 2

    def lists(self, instances: Any, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        return np.tile(np.array([4, 7], np.int32), (len(rows), 1)), np.tile(np.array([2.0, 1.0]), (len(rows), 1))


class Forgetful(LastItem):
    """Its save writes nothing of use."""

    name: ClassVar[str] = "forgetful"

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir()
        (Path(folder) / "model.bin").write_bytes(b"1234")


class Killed(LastItem):
    """The process ends while it saves, with its settings on disk already."""

    name: ClassVar[str] = "killed"
    alive: ClassVar[bool] = False

    def save(self, folder: str | Path) -> None:
        super().save(folder)
        if not self.alive:
            raise KeyboardInterrupt


class Teachers:
    @hookimpl
    def ckd_register_teachers(self) -> Iterator[TeacherSpec]:
        for cls in (LastItem, FromFile, Partial, Lister, Forgetful, Killed):
            yield TeacherSpec(name=cls.name, factory=cls)


@pytest.fixture(autouse=True)
def _teachers(registry: Registry) -> None:
    registry.register(Teachers(), "test-teachers")
    LastItem.calls.clear()


@pytest.fixture
def ask(prepare: Any, registry: Registry, tmp_path: Path, recorder: Recorder) -> Teach:
    """``ask("last", shade=1)``: that teacher, ready, for SASRec's rows; ``model=`` for those of another student."""
    material: dict[str, Any] = {}

    def call(name: str, model: str = "SASRec", seed: int = 0, pretraining: Any = (), **options: Any) -> Taught:
        config = CkdConfig.parse({"teachers": [{"name": name, **options}], "cache_dir": str(tmp_path / "cache")})
        material[model] = material.get(model) or prepare(model).material
        return teach(config.teachers[0], material[model], pretraining, config, registry, recorder, seed)

    return call


def cached(tmp_path: Path) -> list[str]:
    return [p.name for p in (tmp_path / "cache" / "teachers").glob("[!.]*")]


def test_scores_are_the_teachers(ask: Teach, prepare: Any) -> None:
    """Rows, items or padding off by one would teach noise with the same loss curve."""
    taught, at = ask("last"), prepare("SASRec").material.instances
    rows = torch.arange(0, len(at), 11)
    table = torch.from_numpy(vectors(at.items))
    expected = table[at.flat[at.stop[rows] - 1].astype(np.int64)] @ table.T
    items = torch.arange(1, len(at.items) + 1)
    assert taught.signal.known(rows).all()
    assert taught.signal.temperature == 0.5
    torch.testing.assert_close(taught.signal.scores(rows, items), expected, rtol=2e-3, atol=2e-2)
    assert not taught.signal.known_items(torch.tensor([0])).any()


def test_items_that_a_teacher_does_not_know_are_masked(ask: Teach, prepare: Any) -> None:
    """They would be taught as items that score 0, and the others under their neighbours' numbers."""
    whole, part, at = ask("last").signal, ask("partial").signal, prepare("SASRec").material.instances
    rows, items = torch.arange(0, len(at), 11), torch.arange(1, len(at.items) + 1)
    known = torch.arange(len(items)) % 3 != 0
    assert torch.equal(part.known_items(items), known)
    assert torch.equal(part.scores(rows, items)[:, known], whole.scores(rows, items)[:, known])


def test_a_teacher_says_what_holds_outside_its_lists(ask: Teach) -> None:
    """Its option would do nothing."""
    signal = ask("lister").signal
    assert signal.known_items(torch.tensor([4, 5, 6, 8]), torch.tensor([3])).tolist() == [[False, True, False, True]]


def test_a_second_call_does_nothing_twice(ask: Teach, recorder: Recorder) -> None:
    """Teachers cost minutes, catalogues hours."""
    first = ask("last")
    assert (first.reused, set(first.seconds)) == (False, {"finetune", "cache"})
    LastItem.calls.clear()
    second = ask("last")
    assert (second.reused, second.seconds, LastItem.calls) == (True, {}, Counter())
    assert (second.folder, second.store) == (first.folder, first.store)
    rows, items = torch.arange(50), torch.arange(1, 40)
    assert torch.equal(second.signal.scores(rows, items), first.signal.scores(rows, items))
    assert any("reused" in line and str(first.folder) in line for line in recorder.lines)


def test_another_family_asks_for_its_own_rows_only(ask: Teach) -> None:
    """Fine-tuning again for each student would triple the cost of a study."""
    sequential, users = ask("last"), ask("last", "MultiVAE")
    assert users.folder == sequential.folder
    assert users.store != sequential.store
    assert set(users.seconds) == {"cache"}
    assert LastItem.calls["finetune"] == 1


@pytest.mark.parametrize("other", [{"shade": 1}, {"seed": 1}])
def test_options_and_seed_make_another_teacher(ask: Teach, other: dict[str, Any]) -> None:
    """The cache would answer for a teacher that was never trained."""
    assert ask("last", **other).folder != ask("last").folder


def test_a_default_spelt_out_is_the_same_teacher(ask: Teach) -> None:
    """Writing down what holds anyway must not cost a training."""
    assert ask("last", shade=0).folder == ask("last").folder


def test_what_is_in_a_file_makes_another_teacher_not_where_it_lies(ask: Teach, tmp_path: Path) -> None:
    """A checkpoint written anew under its old name would not be read."""
    for name, text in {"a": "1", "moved": "1", "b": "2"}.items():
        (tmp_path / name).write_text(text)
    first = ask("from-file", checkpoint=str(tmp_path / "a"))
    assert ask("from-file", checkpoint=str(tmp_path / "moved")).folder == first.folder
    (tmp_path / "a").write_text("2")
    assert ask("from-file", checkpoint=str(tmp_path / "a")).folder != first.folder
    assert ask("from-file").folder != first.folder


def test_an_item_more_makes_another_teacher(ask: Teach, shop: Path) -> None:
    """Training does not tell of a test target, and a teacher would be asked about an item that it never had."""
    first, lines = ask("last"), (shop / "shop.inter").read_text().splitlines()
    user, _, time = lines[-1].split("\t")
    (shop / "shop.inter").write_text("\n".join([*lines[:-1], f"{user}\tshop99\t{time}"]) + "\n")
    second = ask("last", "GRU4Rec")
    assert set(second.seconds) == {"finetune", "cache"}
    assert second.folder != first.folder


def test_what_is_pretrained_on_makes_another_teacher(ask: Teach, tmp_path: Path) -> None:
    """A domain of the same name with other interactions is another domain."""
    folders = [write_shop(tmp_path / f"other{seed}", "other", seed=seed) for seed in (3, 4)]
    domains = [read_pretraining(CkdConfig.parse({"pretrain_domains": [str(folder)]}), FIELDS) for folder in folders]
    found = [ask("last", pretraining=p) for p in ([], *domains)]
    assert len({taught.folder for taught in found}) == 3
    assert [set(taught.seconds) for taught in found] == [
        {"finetune", "cache"},
        *[{"pretrain", "finetune", "cache"}] * 2,
    ]


def test_each_stage_reports(ask: Teach, tmp_path: Path, recorder: Recorder) -> None:
    """Minutes without a sign look like a hanging process."""
    other = CkdConfig.parse({"pretrain_domains": [str(write_shop(tmp_path / "other", "other", seed=3))]})
    ask("last", pretraining=read_pretraining(other, FIELDS))
    assert list(recorder.tasks) == ["pre-train last", "fine-tune last", "cache last"]
    assert recorder.tasks["pre-train last"] == [(1, "loss 2.000")]
    assert recorder.tasks["fine-tune last"][-1] == (2, "loss 0.500, valid NDCG@10 0.2500")
    assert [recorder.totals[t] for t in recorder.tasks] == [1, 2, 1]
    assert any(line.startswith("no image of shop") for line in recorder.lines)


@pytest.mark.parametrize("swept", [True, False], ids=["interrupted", "killed"])
def test_a_killed_save_leaves_nothing_that_looks_like_a_teacher(
    ask: Teach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swept: bool
) -> None:
    """The next run would load half a teacher. A killed process sweeps nothing up."""
    with monkeypatch.context() as patch:
        if not swept:
            patch.setattr(shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KeyboardInterrupt):
            ask("killed")
    assert cached(tmp_path) == []
    assert bool(list((tmp_path / "cache" / "teachers").iterdir())) is not swept
    monkeypatch.setattr(Killed, "alive", True)
    again = ask("killed")
    assert LastItem.calls["finetune"] == 2
    assert cached(tmp_path) == [again.folder.name]


def test_a_save_that_writes_nothing_is_told(ask: Teach, tmp_path: Path) -> None:
    """Without config.json the teacher would be trained again in every run, and nobody would know why."""
    with pytest.raises(TeacherError, match=r"Forgetful\.save wrote no config\.json; see the Teacher interface"):
        ask("forgetful")
    assert list((tmp_path / "cache" / "teachers").iterdir()) == []


def test_a_faster_process_with_the_same_teacher_is_no_error(ask: Teach, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two students that start at once train the same teacher; the slower one must not fail at its end."""
    stock = LastItem.save

    def save(self: LastItem, folder: str | Path) -> None:
        stock(self, folder)
        target = Path(folder).parent / Path(folder).name[1:].rpartition(".")[0]
        stock(self, target)  # the other process is done at this moment

    monkeypatch.setattr(LastItem, "save", save)
    taught = ask("last")
    assert [p.name for p in taught.folder.parent.iterdir()] == [taught.folder.name]


def damage(store: Path) -> None:
    path = max(store.glob("*.npy"), key=lambda p: p.stat().st_size)
    data = bytearray(path.read_bytes())
    data[-1] ^= 255
    path.write_bytes(bytes(data))


@pytest.mark.parametrize(
    "how", [damage, lambda s: (s / "manifest.json").write_text("{"), lambda s: (s / "items.json").unlink()]
)
def test_a_damaged_store_is_asked_again(ask: Teach, recorder: Recorder, how: Callable[[Path], Any]) -> None:
    """A full disk or a half copy must not end in wrong scores, nor in an error that only deleting mends."""
    first = ask("last")
    rows, items = torch.arange(50), torch.arange(1, 40)
    expected = first.signal.scores(rows, items)
    how(first.store)
    second = ask("last")
    assert set(second.seconds) == {"cache"}
    assert LastItem.calls["finetune"] == 1
    assert torch.equal(second.signal.scores(rows, items), expected)
    assert any("asking the teacher again" in line for line in recorder.lines)
    Store.open(second.store, verify=True)


def test_a_store_of_other_weights_is_asked_again(ask: Teach, recorder: Recorder) -> None:
    """A teacher that somebody replaced in the cache must not be answered for by its predecessor."""
    first = ask("last")
    (first.folder / "config.json").write_text(json.dumps({"shade": 9, "seed": 0}))
    second = ask("last")
    assert set(second.seconds) == {"cache"}
    assert any("weights_hash" in line for line in recorder.lines)


def test_an_interrupted_cache_is_no_store(ask: Teach, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Rows that were never asked about would read as zeros."""
    with monkeypatch.context() as patch:
        patch.setattr(LastItem, "encode", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            ask("last")
    for folder in (tmp_path / "cache" / "signals").glob("[!.]*"):
        with pytest.raises(SignalError):
            Store.open(folder)
    taught = ask("last")
    assert set(taught.seconds) == {"cache"}
    assert taught.signal.known(torch.arange(50)).all()


CHECKS: list[tuple[str, dict[str, Any], bool, type[Exception], str]] = [
    ("unknown", {"teachers": ["lost"]}, True, UnknownNameError, r"unknown teacher 'lost'; did you mean 'last'\?"),
    (
        "option",
        {"teachers": [{"name": "last", "shades": 1}]},
        True,
        ConfigError,
        "unknown option 'shades' of teacher 'last'",
    ),
    ("type", {"teachers": [{"name": "last", "shade": "dark"}]}, True, ConfigError, "shade"),
    ("ours", {"teachers": [{"name": "last", "seed": 1}]}, True, ConfigError, "seed"),
    (
        "texts",
        {"teachers": ["unisrec"]},
        False,
        DataError,
        r"'unisrec' reads item texts and dataset 'd' has none .*title",
    ),
    (
        "encoder",
        {"teachers": ["unisrec"], "text": {"encoder": "wrods"}},
        True,
        UnknownNameError,
        "did you mean 'words'",
    ),
    (
        "file",
        {"teachers": ["last", {"name": "from-file", "checkpoint": "/nowhere/weights"}]},
        True,
        DataError,
        "option 'checkpoint' of teacher 'from-file': '/nowhere/weights' does not exist",
    ),
]


@pytest.mark.parametrize(("what", "section", "texts", "kind", "message"), CHECKS, ids=[c[0] for c in CHECKS])
def test_mistakes_are_found_before_anything_runs(
    registry: Registry, what: str, section: dict[str, Any], texts: bool, kind: type[Exception], message: str
) -> None:
    """After an hour of training the first teacher is too late for a typo in the second."""
    with pytest.raises(kind, match=message) as caught:
        check_teachers(CkdConfig.parse(section), registry, texts, "d")
    assert "\n" not in str(caught.value)


def test_a_teacher_without_texts_needs_no_encoder(registry: Registry) -> None:
    """The default encoder may not be installed where nobody asks it."""
    check_teachers(CkdConfig.parse({"teachers": ["last"], "text": {"encoder": "nobody"}}), registry, False, "d")


def test_a_second_process_waits_and_finds_the_teacher(ask: Teach, tmp_path: Path, recorder: Recorder) -> None:
    """Two studies started together would train every teacher twice, or end with a lock error after minutes."""
    import threading

    from ckd_plugins.training.teaching.folders import alone

    first = ask("last")
    entered = threading.Event()
    order: list[str] = []

    def hold() -> None:
        with alone(tmp_path / "cache" / "locks" / f"{first.folder.name}.lock", "last", recorder):
            entered.set()
            order.append("first")
            threading.Event().wait(0.5)
            order.append("first done")

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(5)
    again = ask("last")
    order.append("second")
    thread.join()
    assert again.reused
    assert order == ["first", "first done", "second"]
    assert any("waiting" in line for line in recorder.lines)
