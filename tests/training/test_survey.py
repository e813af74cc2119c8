"""All of RecBole's models, one by one: what ``ckd students`` says of each is so, and each student really learns."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ckd_plugins import TeacherSpec, hookimpl
from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.errors import StudentError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.compat import anomaly_mode_kept, clean_environment
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.needs import needs
from ckd_plugins.host.zoo import model_names
from ckd_plugins.registry import Registry
from ckd_plugins.students.table import read_table
from ckd_plugins.teachers.base import Teacher
from ckd_plugins.teachers.history import History
from ckd_plugins.training.entry import distill
from ckd_plugins.training.sample import sample_dataset, sample_settings
from ckd_plugins.training.survey import survey


class Echo(Teacher):
    """Knows an item by its token, and a history by the mean of its items: fixed vectors, nothing to train."""

    name = "echo"
    max_length, temperature, parameters, digest = 20, 1.0, 0, "echo-1"

    def pretrain(self, domains: Sequence[Domain], *, progress: Any = None) -> History:
        raise AssertionError

    def finetune(self, domain: Domain, *, progress: Any = None) -> History:
        return History()

    def item_factors(self, domain: Domain) -> np.ndarray:
        return self._vectors(domain.items)

    def encode(self, instances: Instances, rows: Any = None) -> np.ndarray:
        vectors = self._vectors(instances.items)
        chosen = np.arange(len(instances)) if rows is None else np.asarray(rows)
        return np.stack([vectors[instances.flat[instances.start[r] : instances.stop[r]]].sum(0) for r in chosen])

    def save(self, folder: str | Path) -> None:
        Path(folder).mkdir(parents=True)
        (Path(folder) / "config.json").write_text("{}", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> Echo:
        return cls()

    def _vectors(self, tokens: Sequence[str]) -> np.ndarray:
        rows = [np.random.default_rng(int(h)).standard_normal(8) for h in token_hashes(tokens)]
        return np.array(rows, dtype=np.float32)


class Echoes:
    @hookimpl
    def ckd_register_teachers(self) -> Iterator[TeacherSpec]:
        yield TeacherSpec(name="echo", factory=Echo)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One folder for all models: the teacher is asked once."""
    folder = tmp_path_factory.mktemp("survey")
    before = Path.cwd()
    os.chdir(folder)
    yield folder
    os.chdir(before)


@pytest.fixture
def echoes(registry: Registry) -> Registry:
    registry.register(Echoes(), "echoes")
    return registry


TABLE = {row.name: row for row in read_table()}
ZOO = Registry(discover=False).names("student")
STUDENTS = [name for name in (*model_names(), *ZOO) if TABLE[name].is_student]
OTHERS = [name for name in model_names() if not TABLE[name].is_student]
SPECIAL = ["KGAT", "MKR", "NCL", "RaCT", "RecVAE", "S3Rec"]
"""Models with a trainer of their own that are trained by gradients."""


def distilled(name: str, place: Path, **section: Any) -> dict[str, Any]:
    wanted = needs(name)
    ckd = {
        "teachers": ["echo"],
        "candidates": {"name": "in_batch", "limit": 6},  # not the 64 of expanded rows, which cost minutes together
        "run_dir": str(place / "runs"),
        "cache_dir": str(place / "cache"),
        **section,
    }
    settings = {**sample_settings(name, wanted), "ckd": ckd}
    return distill(name, sample_dataset(place, wanted).folder, None, settings)


def in_plain_recbole(checkpoint: str, seed: int = 0) -> dict[str, float]:
    """Test metrics of a checkpoint as RecBole's ``load_data_and_model`` and ``Trainer.evaluate`` have them."""
    from recbole.data import create_dataset, data_preparation
    from recbole.utils import get_model, get_trainer, init_seed

    loaded = torch.load(checkpoint, weights_only=False)
    config = loaded["config"]
    with clean_environment(), anomaly_mode_kept(), recbole_log(Path.cwd()):
        init_seed(config["seed"], config["reproducibility"])
        dataset = create_dataset(config)
        train, _, test = data_preparation(config, dataset)
        model = get_model(config["model"])(config, train._dataset).to(config["device"])
        model.load_state_dict(loaded["state_dict"])
        model.load_other_parameter(loaded.get("other_parameter"))
        trainer = get_trainer(config["MODEL_TYPE"], config["model"])(config, model)
        torch.manual_seed(seed)
        np.random.seed(seed)
        result = trainer.evaluate(test, load_best_model=False, show_progress=False)
        trainer.tensorboard.close()
    return {key: float(value) for key, value in result.items()}


@pytest.mark.parametrize("name", [*model_names(), *ZOO])
def test_the_table_tells_the_truth(name: str, place: Path, echoes: Registry) -> None:
    """A table that promises a reader, a single pass or a refusal that a user does not get."""
    with recbole_log(place):
        assert survey(name, place, echoes) == TABLE[name]


@pytest.mark.parametrize("name", STUDENTS)
def test_a_student_is_distilled_by_its_own_trainer_and_is_plain_recbole_afterwards(
    name: str, place: Path, echoes: Registry
) -> None:
    """A model that attaches and then fails in its trainer, learns nothing, or cannot be loaded without this package."""
    result = distilled(name, place)
    assert (result["ckd"]["reader"], result["ckd"]["passes"]) == (TABLE[name].reader, TABLE[name].passes)
    epoch = result["ckd"]["history"][-1]
    assert epoch["distillation_loss"] > 0
    assert all(math.isfinite(value) for value in epoch.values())
    assert set(result["test_result"]) == {"recall@10", "ndcg@10"}
    plain = in_plain_recbole(result["ckd"]["checkpoint"])
    if TABLE[name].draws:
        assert plain != in_plain_recbole(result["ckd"]["checkpoint"], seed=1)
    else:
        assert plain == result["test_result"]


@pytest.mark.parametrize(
    "name", ["SASRec", "BPR", "LightGCN", "DeepFM", "MultiVAE", "KTUP", *SPECIAL, "SASRecPlus", "MLPRec"]
)
def test_weight_zero_is_the_plain_run_bit_for_bit(name: str, place: Path, echoes: Registry) -> None:
    """A package that changes what RecBole learns where nothing is distilled: probing, attaching, pre-training."""
    runs = (distilled(name, place, weight=0), distilled(name, place, teachers=[]))
    weights = [read_checkpoint(Path(run["ckd"]["checkpoint"])).tensors for run in runs]
    assert list(weights[0]) == list(weights[1])
    assert all(torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert runs[0]["best_valid_result"] == runs[1]["best_valid_result"]
    assert TABLE[name].draws or runs[0]["test_result"] == runs[1]["test_result"]


@pytest.mark.parametrize("name", ZOO)
def test_students_of_our_own_follow_the_curriculum(name: str, place: Path, echoes: Registry) -> None:
    """A model that brings its own rows and is drawn as if there were no curriculum."""
    curriculum = {"difficulty": {"length": 1, "teacher_confidence": 1}, "schedule": "linear", "epochs": 3}
    result = distilled(name, place, curriculum=curriculum)
    (epoch,) = result["ckd"]["history"]
    assert 0 < epoch["competence"] < 1
    plain = distilled(name, place)["ckd"]["history"][0]
    assert epoch["rows"] < plain.get("rows", 1e9)
    assert epoch["distillation_loss"] > 0


@pytest.mark.parametrize("name", OTHERS)
def test_a_model_without_gradients_is_refused_with_the_reason(name: str, place: Path, echoes: Registry) -> None:
    """A run that trains a model which nothing can be taught to."""
    with pytest.raises(StudentError, match=f"{name} cannot be a student: {TABLE[name].status}"):
        distilled(name, place)


def test_nearly_all_students_go_forward_once() -> None:
    """A reader that falls back to a second pass, twice as slow, where one would do."""
    recboles = [row for row in TABLE.values() if row.name in model_names()]
    once = [row for row in recboles if row.passes == 1]
    assert sum(row.is_student for row in recboles) == 84
    assert len(once) >= 72
    assert all(row.extra_calls == 0 for row in once if row.reader != "expanded rows")
    assert all(row.note for row in TABLE.values() if row.passes == 2)
