"""The ``ckd`` section: exact errors, exact defaults, and components built through the registry."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ckd_plugins import ConfigError, LossSpec, UnknownNameError
from ckd_plugins.config import (
    TEXT_FIELDS,
    CkdConfig,
    Component,
    Curriculum,
    Measure,
    Text,
    default_cache_dir,
    json_schema,
    load_config,
)

KNOWN = (
    "teachers, candidates, integrator, loss, targets, weight, balance, temperature, teacher_temperature, curriculum, "
    "pretrain_domains, text, signals, run_dir, cache_dir, domains, per_user, speed"
)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"wieght": 1}, f"unknown setting 'ckd.wieght'; did you mean 'weight'? (known: {KNOWN})"),
        ({"zzz": 1}, f"unknown setting 'ckd.zzz' (known: {KNOWN})"),
        (
            {"curriculum": {"epoch": 1}},
            "unknown setting 'ckd.curriculum.epoch'; did you mean 'epochs'? "
            "(known: difficulty, direction, schedule, epochs, teachers)",
        ),
        (
            {"text": {"encodr": "x"}},
            "unknown setting 'ckd.text.encodr'; did you mean 'encoder'? (known: fields, encoder)",
        ),
        ({"weight": "high"}, "setting 'ckd.weight' should be a valid number, got 'high'"),
        ({"weight": "1"}, "setting 'ckd.weight' should be a valid number, got '1'"),
        ({"weight": True}, "setting 'ckd.weight' should be a valid number, got True"),
        ({"weight": float("nan")}, "setting 'ckd.weight' should be a finite number, got nan"),
        ({"weight": -1}, "setting 'ckd.weight' should be greater than or equal to 0, got -1"),
        ({"temperature": 0}, "setting 'ckd.temperature' should be greater than 0, got 0"),
        ({"curriculum": {"epochs": 0}}, "setting 'ckd.curriculum.epochs' should be greater than or equal to 1, got 0"),
        ({"curriculum": {"epochs": 0.3}}, "setting 'ckd.curriculum.epochs' should be a valid integer, got 0.3"),
        ({"curriculum": 3}, "setting 'ckd.curriculum' should be true, false or a mapping, got 3"),
        ({"curriculum": {"difficulty": {}}}, "setting 'ckd.curriculum.difficulty' should not be empty, got {}"),
        (
            {"curriculum": {"difficulty": {"length": 0}}},
            "setting 'ckd.curriculum.difficulty.length.weight' should be greater than 0, got 0",
        ),
        (
            {"curriculum": {"direction": "easy"}},
            "setting 'ckd.curriculum.direction' should be 'easy_first' or 'hard_first', got 'easy'",
        ),
        (
            {"teachers": ["a", {"tau": 1}]},
            "setting 'ckd.teachers[1]' should be a name, or a mapping with 'name' and options, got {'tau': 1}",
        ),
        ({"teachers": 3}, "setting 'ckd.teachers' should be a list, got 3"),
        ({"loss": None}, "setting 'ckd.loss' should be a name, or a mapping with 'name' and options, got None"),
        (
            {"loss": {"name": "kl", "options": [1]}},
            "setting 'ckd.loss' has 'options' that are no mapping, got {'name': 'kl', 'options': [1]}",
        ),
        (
            {"teachers": [{"name": "a", "options": 1}]},
            "setting 'ckd.teachers[0]' has 'options' that are no mapping, got {'name': 'a', 'options': 1}",
        ),
        (
            {"curriculum": {"difficulty": {"length": {"options": [1]}}}},
            "setting 'ckd.curriculum.difficulty.length' has 'options' that are no mapping, got {'options': [1]}",
        ),
        ({"speed": {"trim": "no"}}, "setting 'ckd.speed.trim' should be a valid boolean, got 'no'"),
        ({"signals": {"top": 0}}, "setting 'ckd.signals.top' should be greater than or equal to 1, got 0"),
        ({"run_dir": 3}, "setting 'ckd.run_dir' should be a path, got 3"),
        ({"text": {"fields": []}}, "setting 'ckd.text.fields' should not be empty, got []"),
        (
            {"wieght": 1, "temperature": 0},
            f"unknown setting 'ckd.wieght'; did you mean 'weight'? (known: {KNOWN}); also wrong: 'ckd.temperature'",
        ),
    ],
)
def test_a_wrong_setting_is_one_exact_line(section, message):
    """RecBole ignores what it does not know: a misspelt setting would silently train another model."""
    with pytest.raises(ConfigError) as caught:
        CkdConfig.parse(section)
    assert str(caught.value) == message


def test_a_long_wrong_value_is_cut():
    """A pasted list of a thousand items would hide the message."""
    with pytest.raises(ConfigError) as caught:
        CkdConfig.parse({"weight": list(range(1000))})
    assert len(str(caught.value)) < 150


SPEED = ("arrays", "trim", "bucket", "dataset", "layers", "dropout", "softmax", "sparse", "optimizer", "ranking")


def test_defaults_are_the_documented_ones():
    """A default that moves changes every published result without a word."""
    config = CkdConfig()
    assert config.model_dump(mode="json") | {"cache_dir": ""} == {
        "teachers": [],
        "candidates": None,
        "integrator": "confidence_consistency",
        "loss": "kl",
        "targets": {"when": "auto", "top": 100, "over": None},
        "weight": None,
        "balance": "fixed",
        "temperature": 1.0,
        "teacher_temperature": 1.0,
        "curriculum": None,
        "pretrain_domains": [],
        "text": {"fields": list(TEXT_FIELDS), "encoder": "minilm"},
        "signals": {"vectors": "float16", "top": None},
        "run_dir": "ckd_runs",
        "cache_dir": "",
        "domains": {
            "users": "apart",
            "students": "one",
            "teachers": "shared",
            "temperature": 1.0,
            "competence": "across",
            "rank": "own",
        },
        "per_user": False,
        "speed": dict.fromkeys(SPEED, True),
    }
    assert Curriculum().model_dump(mode="json") == {
        "difficulty": {"length": 0.5, "popularity": 0.5},
        "direction": "easy_first",
        "schedule": "root",
        "epochs": 5,
        "teachers": None,
    }


@pytest.mark.parametrize(
    ("given", "names"),
    [
        ("a", ["a"]),
        ("a, b", ["a", "b"]),
        (["a", {"name": "b", "x": 1}], ["a", "b"]),
        ({"name": "b", "x": 1}, ["b"]),
        ([Component(name="c")], ["c"]),
        (Component(name="c"), ["c"]),
        ("", []),
    ],
)
def test_teachers_may_be_given_in_every_natural_way(given, names):
    """The command line has a comma list, YAML a list, Python objects."""
    assert [teacher.name for teacher in CkdConfig.parse({"teachers": given}).teachers] == names


def test_a_list_of_columns_stands_for_the_fields_of_the_text():
    """'text: [title, brand]' is how most would write it."""
    text = CkdConfig.parse({"text": ["title", "brand"]}).text
    assert text == Text(fields=("title", "brand"))
    assert text.encoder == Component(name="minilm")


@pytest.mark.parametrize(("given", "on"), [(True, True), ({}, True), (False, False), (None, False)])
def test_the_curriculum_can_be_switched(given, on):
    """'curriculum: true' is what everybody tries first."""
    assert CkdConfig.parse({"curriculum": given}).curriculum == (Curriculum() if on else None)


@pytest.mark.parametrize("given", ["length", ["length"], {"length": 1.0}])
def test_difficulty_may_be_a_name(given):
    """One measure needs no weight."""
    config = CkdConfig.parse({"curriculum": {"difficulty": given}})
    assert config.curriculum is not None
    assert config.curriculum.model_dump()["difficulty"] == {"length": 1.0}


def test_a_measure_may_have_options():
    """What is given in the short form must read the same in a manifest, and start the same run."""
    given = {"length": {"weight": 2.0, "short_is_hard": True}, "popularity": 0.5}
    config = CkdConfig.parse({"curriculum": {"difficulty": given}})
    assert config.curriculum is not None
    assert config.curriculum.difficulty == {
        "length": Measure(weight=2.0, options={"short_is_hard": True}),
        "popularity": Measure(weight=0.5),
    }
    assert config.curriculum.model_dump()["difficulty"] == given


@pytest.mark.parametrize(
    ("below", "above", "expected"),
    [
        ({"targets": "once"}, {"ckd.targets.top": 30}, {"when": "once", "top": 30}),
        ({"targets": {"top": 30}}, {"ckd.targets": "batch"}, {"when": "batch", "top": 30}),
        ({"signals": "int8"}, {"ckd.signals.top": 30}, {"vectors": "int8", "top": 30}),
        ({"text": ["title"]}, {"ckd.text.encoder": "huggingface"}, {"fields": ("title",)}),
    ],
)
def test_a_word_for_a_section_merges_with_its_other_settings(tmp_path, below, above, expected):
    """'unknown setting ckd.targets.name', which nobody wrote; and a list of text columns was lost without a word."""
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump({"ckd": below}))
    section = getattr(load_config([file], above)[1], next(iter(below)))
    assert {name: getattr(section, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"integrator": {"gamma": 0.2}}, "confidence_consistency"),
        ({"loss": {"tau": 2}}, "kl"),
        ({"candidates": {"limit": 50}}, "in_batch"),
    ],
)
def test_options_without_a_name_are_the_defaults(given, name):
    """The page says that one option of a component may be set; of the default one it had to be named first."""
    ((setting, options),) = given.items()
    found = getattr(CkdConfig.parse(given), setting)
    assert (found.name, found.options) == (name, options)
    assert CkdConfig.parse({"curriculum": {"schedule": {"start": 0.3}}}).curriculum.schedule.name == "root"


def test_a_dumped_config_reads_back_the_same():
    """A run's manifest must be able to start the same run again."""
    section = {"teachers": ["a", {"name": "b", "dim": 3}], "loss": {"name": "kl", "tau": 2.0}, "curriculum": True}
    config = CkdConfig.parse(section)
    assert CkdConfig.parse(yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))) == config


def test_an_option_called_options_is_not_needed_to_nest():
    """Python callers write Component(name=..., options={...}); both spellings mean the same."""
    assert Component.model_validate({"name": "kl", "tau": 2}) == Component(name="kl", options={"tau": 2})


def test_the_cache_stands_where_the_platform_or_the_user_wants_it(monkeypatch, tmp_path):
    """Gigabytes of vectors must not land in the working directory."""
    monkeypatch.delenv("CKD_CACHE", raising=False)
    assert default_cache_dir().name == "ckd_plugins"
    assert default_cache_dir().is_absolute()
    monkeypatch.setenv("CKD_CACHE", str(tmp_path))
    assert CkdConfig().cache_dir == tmp_path
    assert CkdConfig.parse({"cache_dir": "~/x"}).cache_dir == Path.home() / "x"


# --- components -----------------------------------------------------------------------------------------------------


def made(tau: float = 1.0, n_items: int = 0):
    """A factory that takes something from the host."""
    if tau <= 0:
        raise ValueError("tau must be positive")
    return tau, n_items


@pytest.fixture
def losses(tmp_plugin, ckd_manager):
    @tmp_plugin
    def ckd_register_losses():
        yield LossSpec(name="made", factory=made)

    return ckd_manager


def component(given):
    return Component.model_validate(given)


def test_a_component_is_built_with_options_and_what_the_host_gives(losses):
    """The factory decides what it takes of the host's offer, so that the offer can grow."""
    assert component("made").build(losses, "loss") == (1.0, 0)
    assert component({"name": "made", "tau": 2}).build(losses, "loss", n_items=7, unused=None) == (2.0, 7)


@pytest.mark.parametrize(
    ("given", "kind", "message"),
    [
        ("mad", "loss", "unknown loss 'mad'; did you mean 'made'?"),
        ({"name": "made", "tua": 2}, "loss", "unknown option 'tua' of loss 'made'; did you mean 'tau'? (options: tau="),
        ({"name": "made", "tau": "x"}, "loss", "option 'tau' of loss 'made' should be a valid number, got 'x'"),
        ({"name": "made", "tau": -1}, "loss", "loss 'made': tau must be positive"),
    ],
)
def test_a_component_that_cannot_be_built_says_why(losses, given, kind, message):
    """Each of these would otherwise be a traceback from deep inside a library."""
    with pytest.raises(ConfigError) as caught:
        component(given).build(losses, kind, n_items=3)
    assert str(caught.value).startswith(message)


def test_checking_builds_nothing(losses):
    """Settings are checked before data are loaded, when building would need the data."""
    assert component({"name": "made", "tau": 2}).check(losses, "loss", host=["n_items"]) == {"tau": 2.0}
    with pytest.raises(UnknownNameError):
        component("mad").check(losses, "loss")
    with pytest.raises(ConfigError, match="unknown option 'n_items'"):
        component({"name": "made", "n_items": 2}).check(losses, "loss", host=["n_items"])


# --- files ----------------------------------------------------------------------------------------------------------


def test_files_and_overrides_lie_above_one_another(tmp_path):
    """The order of RecBole: files in order, then config_dict."""
    (tmp_path / "a.yaml").write_text("epochs: 1\nlr: 1e-3\nckd:\n  weight: 0.1\n  loss: {name: kl, tau: 2}\n")
    (tmp_path / "b.yaml").write_text("epochs: 2\nckd:\n  weight: 0.2\n")
    host, ckd = load_config([tmp_path / "a.yaml", tmp_path / "b.yaml"], {"seed": 7, "ckd.loss.tau": 3.0})
    assert host == {"epochs": 2, "lr": 1e-3, "seed": 7}
    assert (ckd.weight, ckd.loss.options) == (0.2, {"tau": 3.0})


def test_one_file_needs_no_list(tmp_path):
    """A string would be taken for a list of one-letter files."""
    (tmp_path / "a.yaml").write_text("epochs: 1\n")
    assert load_config(str(tmp_path / "a.yaml"))[0] == {"epochs": 1}


def test_the_callers_settings_are_not_changed():
    """A notebook reuses its config_dict for the next model."""
    overrides = {"ckd": {"curriculum": {"epochs": 7}}, "ckd.curriculum.direction": "hard_first"}
    before = json.dumps(overrides)
    load_config(overrides=overrides)
    assert json.dumps(overrides) == before


def test_the_schema_describes_every_setting():
    """Editors complete and check a config by it; a setting without a description is a riddle."""
    schema = json_schema()
    section = schema["properties"]["ckd"]
    assert set(section["properties"]) == set(CkdConfig.model_fields)
    for definition in (section, schema["$defs"]["Curriculum"], schema["$defs"]["Text"], schema["$defs"]["Speed"]):
        assert definition["additionalProperties"] is False
        for name, setting in definition["properties"].items():
            reference = schema["$defs"].get(setting.get("$ref", "").rpartition("/")[2], {})
            assert setting.get("description") or reference.get("description"), name
    assert {"type": "boolean"} in section["properties"]["curriculum"]["anyOf"]
    json.dumps(schema)


def test_the_schema_asks_for_a_name_only_where_there_is_no_default():
    """'integrator: {gamma: 0.2}' is right, and editors underlined it in red."""
    schema = json_schema()
    text, options = schema["properties"]["ckd"]["properties"]["integrator"]["anyOf"]
    assert (text["type"], options["type"], options.get("required")) == ("string", "object", None)
    for section, setting in (("Text", "encoder"), ("Curriculum", "schedule"), ("TeacherOrder", "schedule")):
        assert "required" not in schema["$defs"][section]["properties"][setting]["anyOf"][1]
    assert schema["properties"]["ckd"]["properties"]["candidates"]["anyOf"][0] == {"$ref": "#/$defs/Component"}
    assert schema["$defs"]["Component"]["anyOf"][1]["required"] == ["name"]
