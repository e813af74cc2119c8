"""Models of other packages that subscribe to distillation, with defaults of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from ckd_plugins import StudentSpec, hookimpl
from ckd_plugins.errors import EnvironmentProblem, PluginError, UnknownNameError
from ckd_plugins.registry import Registry, using
from ckd_plugins.training.entry import distill
from ckd_plugins.training.subscribe import Subscription, register_students, subscribe

from .conftest import BY_TIME, FAST_TEACHER, N_ITEMS, N_USERS, TestEncoders

PLUGIN = """
    from ckd_plugins import StudentSpec, hookimpl

    @hookimpl
    def ckd_register_students():
        yield StudentSpec(name={name!r}, factory={factory!r}, family="general", defaults={defaults!r})
"""
MODEL = """
    from torch import nn
    from recbole.model.abstract_recommender import GeneralRecommender
    from recbole.model.loss import BPRLoss
    from recbole.utils import InputType

    class {name}(GeneralRecommender):
        input_type = InputType.PAIRWISE

        def __init__(self, config, dataset):
            super().__init__(config, dataset)
            self.user_embedding = nn.Embedding(self.n_users, config["embedding_size"])
            self.item_embedding = nn.Embedding(self.n_items, config["embedding_size"])
            self.criterion = BPRLoss()

        def forward(self, user, item):
            return self.user_embedding(user), self.item_embedding(item)

        def calculate_loss(self, interaction):
            user, positive = self.forward(interaction[self.USER_ID], interaction[self.ITEM_ID])
            negative = self.item_embedding(interaction[self.NEG_ITEM_ID])
            return self.criterion((user * positive).sum(1), (user * negative).sum(1))

        def predict(self, interaction):
            user, item = self.forward(interaction[self.USER_ID], interaction[self.ITEM_ID])
            return (user * item).sum(1)

        def full_sort_predict(self, interaction):
            return (self.user_embedding(interaction[self.USER_ID]) @ self.item_embedding.weight.T).view(-1)
"""
Install = Callable[..., Registry]


@pytest.fixture
def install(plugin_site: Callable[..., Path], tmp_path: Path) -> Iterator[Install]:
    """``install("ShopRec", "shop_models", "embedding_size: 12")``: a distribution with one student."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def make(name: str, package: str, content: str | bytes | None = None, **record: str) -> Registry:
            inside = tmp_path / "plugin-site" / package
            inside.mkdir()
            given: dict[str, str | None] = {"factory": f"{package}.model:{name}", "defaults": None}
            if content is not None:
                (inside / "properties.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
                given["defaults"] = f"{package}:properties.yaml"
            given |= record
            modules = {
                f"{package}/__init__": "",
                f"{package}/plugin": PLUGIN.format(name=name, **given),
                f"{package}/model": MODEL.format(name=name),
            }
            plugin_site(package.replace("_", "-"), modules=modules, entry_points={package: f"{package}.plugin"})
            registry = stack.enter_context(using(Registry()))
            registry.register(TestEncoders(), "test-encoders")
            return registry

        yield make


def test_a_plugins_student_is_distilled_with_its_defaults_below_the_users(
    install: Install, shop: Path, tmp_path: Path
) -> None:
    """RecBole finds models and YAML in its own folders only; and a default that wins over the user cannot be undone."""
    install("ShopRec", "shop_models", "embedding_size: 12\nepochs: 7\nlearning_rate: 1e-2\n")
    section = {
        "teachers": [{"name": "unisrec", **FAST_TEACHER}],
        "text": {"encoder": "words"},
        "run_dir": str(tmp_path / "runs"),
        "cache_dir": str(tmp_path / "cache"),
    }
    given = {"epochs": 1, "gpu_id": "", "eval_args": BY_TIME, "valid_metric": "NDCG@10", "ckd": section}
    about = distill("ShopRec", shop, None, given)["ckd"]
    assert about["epochs"] == 1, "the user's, not the plugin's"
    assert about["parameters"] == 12 * (N_ITEMS + 1 + N_USERS + 1), "the plugin's, not RecBole's"
    assert about["history"][0]["distillation_loss"] > 0
    assert about["reader"] is not None
    used = yaml.safe_load((Path(about["run_dir"]) / "recbole.yaml").read_text())
    assert used["learning_rate"] == 0.01, "RecBole's YAML takes 1e-2 for a number"


def test_a_student_without_defaults_has_none(install: Install) -> None:
    """Not every model has settings of its own."""
    assert subscribe("BareRec", install("BareRec", "bare_models")).defaults == {}


def test_recboles_own_models_need_no_record(registry: Registry) -> None:
    """A student is any of RecBole's models, not only those that somebody listed."""
    assert subscribe("BPR", registry) == Subscription("BPR", "BPR")


@pytest.mark.parametrize(
    ("wrong", "right"), [("SASReck", "SASRec"), ("SASRecPlas", "SASRecPlus"), ("mlprec", "MLPRec")]
)
def test_a_misspelt_name_gets_the_nearest_of_recboles_and_ours(registry: Registry, wrong: str, right: str) -> None:
    """RecBole's own list does not have the students of plugins, which are registered only when they are used."""
    with pytest.raises(UnknownNameError, match=f"unknown model '{wrong}'; did you mean '{right}'"):
        subscribe(wrong, registry)


BAD: list[tuple[str, dict[str, Any], str]] = [
    ("module", {"factory": "bad_models.modle:Rec0"}, "student 'Rec0': model .* cannot be imported: .*No module named"),
    ("class", {"factory": "bad_models.model:Rek"}, "student 'Rec1': model .* cannot be imported: .*no attribute 'Rek'"),
    ("name", {"factory": "bad_models.model:BPRLoss"}, "student 'Rec2': .*has no RecBole model type"),
    ("file", {"defaults": "bad_models:properties.yml"}, "'bad_models:properties.yml' cannot be"),
    ("package", {"defaults": "bad_modles:x.yaml"}, "'bad_modles:x.yaml' cannot be read: No mod"),
    ("yaml", {"content": "a: [1\nb: 2"}, "defaults 'bad_models:properties.yaml' cannot be read: .*line 2"),
    ("bytes", {"content": b"\xff\xfe\x00"}, "defaults 'bad_models:properties.yaml' cannot be read: .*utf-8"),
    ("list", {"content": "[1, 2]"}, "defaults 'bad_models:properties.yaml' are no mapping of settings"),
    ("empty", {"content": ""}, "defaults 'bad_models:properties.yaml' are no mapping of settings"),
]


@pytest.mark.parametrize(
    ("number", "what", "how", "message"), [(i, *b) for i, b in enumerate(BAD)], ids=[b[0] for b in BAD]
)
def test_a_bad_record_is_the_plugins_fault_in_one_line(
    install: Install, shop: Path, tmp_path: Path, number: int, what: str, how: dict[str, Any], message: str
) -> None:
    """The user of a plugin must learn which model's package is broken, not read a traceback of importlib."""
    name = f"Rec{number}"
    registry = install(name, "bad_models", **how)
    with pytest.raises(PluginError, match=message) as caught:
        subscribe(name, registry)
    assert "\n" not in str(caught.value)
    assert f"student {name!r}" in str(caught.value)
    with pytest.raises(PluginError):
        distill(name, shop, None, {"ckd": {"run_dir": str(tmp_path / "runs")}})
    assert not list((tmp_path / "runs").glob("*"))


def test_a_class_of_another_name_is_refused(install: Install) -> None:
    """RecBole chooses settings and trainer by the class's name."""
    registry = install("AliasRec", "alias_models", factory="alias_models.model:Other")
    from alias_models import model

    model.Other = type("Other", (model.AliasRec,), {})
    with pytest.raises(PluginError, match="student 'AliasRec': its class is named 'Other'"):
        subscribe("AliasRec", registry)


def test_a_record_may_give_one_of_recboles_models_other_defaults(install: Install, shop: Path, tmp_path: Path) -> None:
    """A plugin that only tunes SASRec would have to copy it; and the plain SASRec must stay what it is."""
    registry = install("TinySASRec", "tiny_models", "hidden_size: 8\ninner_size: 8\n", factory="SASRec")
    student = subscribe("TinySASRec", registry)
    assert (student.model, dict(student.defaults)) == ("SASRec", {"hidden_size": 8, "inner_size": 8})
    given = {"epochs": 1, "gpu_id": "", "valid_metric": "NDCG@10", "ckd": {"run_dir": str(tmp_path / "runs")}}
    tiny, plain = (distill(name, shop, None, given)["ckd"] for name in ("TinySASRec", "SASRec"))
    assert (tiny["model"], plain["model"]) == ("TinySASRec", "SASRec")
    assert tiny["parameters"] < plain["parameters"] / 4


def test_a_name_of_recboles_is_not_taken(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever asks for SASRec would get a stranger's settings, or an error, because of what is installed beside it."""
    registry = install("SASRec", "greedy_models", "hidden_size: 8\n", factory="SASRec")
    assert subscribe("SASRec", registry) == Subscription("SASRec", "SASRec")
    assert "greedy-models" in caplog.text
    assert "is passed over: RecBole has a model of that name" in caplog.text


def test_a_broken_student_does_not_keep_the_others_from_recbole(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """One package with a typo, and run_recbole finds nobody's models."""
    registry = install("BrokenRec", "broken_models", factory="broken_models.nowhere:BrokenRec")
    assert {"SASRecPlus", "MLPRec"} <= set(register_students(registry))
    assert "student 'BrokenRec'" in caplog.text
    assert "is left out" in caplog.text


def test_a_missing_package_is_named(registry: Registry) -> None:
    """An ImportError from inside a model does not tell what to install."""

    class Wants:
        @hookimpl
        def ckd_register_students(self) -> Iterator[StudentSpec]:
            yield StudentSpec(name="WantsRec", factory="BPR", packages=("no-such-package",))

    registry.register(Wants(), "wants")
    with pytest.raises(EnvironmentProblem, match="student 'WantsRec' needs no-such-package; pip install"):
        subscribe("WantsRec", registry)
    assert "WantsRec" not in register_students(registry)


STOCK = """
import sys, types, warnings
warnings.simplefilter("ignore")
sys.argv = ["run"]
for name in ("ray", "ray.tune"):  # quick_start imports ray for tuning, of a version that no present numpy runs with
    sys.modules[name] = types.ModuleType(name)
sys.modules["ray"].tune = sys.modules["ray.tune"]
import ckd_plugins
assert set(ckd_plugins.register_students()) >= {"SASRecPlus", "GRU4RecPlus", "LightGCNPyG", "MLPRec"}
from recbole.quick_start import load_data_and_model, run_recbole
small = {"user_inter_num_interval": "[20,30]", "item_inter_num_interval": "[5,inf)", "MAX_ITEM_LIST_LENGTH": 10}
given = {**small, "epochs": 1, "gpu_id": "", "show_progress": False}
result = run_recbole(model=NAME, dataset="ml-100k", config_dict=given)
assert result["test_result"]["mrr@10"] > 0
import glob
config, model, *_ = load_data_and_model(glob.glob("saved/*.pth")[0])
assert type(model).__name__ == NAME and config[KEY] == VALUE, config[KEY]
"""


@pytest.mark.parametrize(
    ("name", "key", "value"),
    [("SASRecPlus", "n_negatives", 256), ("LightGCNPyG", "n_layers", 2), ("MLPRec", "embedding_size", 32)],
)
def test_stock_run_recbole_finds_them_with_their_defaults(tmp_path: Path, name: str, key: str, value: int) -> None:
    """Models that only our own commands can train are of no use in anybody's RecBole scripts."""
    code = STOCK.replace("NAME", repr(name)).replace("KEY", repr(key)).replace("VALUE", repr(value))
    environment = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
