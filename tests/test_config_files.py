"""YAML is read as RecBole reads it; the section is parted and laid over without surprises."""

from __future__ import annotations

import math

import pytest

from ckd_plugins import ConfigError
from ckd_plugins._config_files import overlay, read_yaml, split


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "run.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1E5", 1e5),
        ("-2.5e+3", -2500.0),
        (".5", 0.5),
        ("7", 7),
        ("1_000", 1000),
        ("1.2.1", "1.2.1"),
        ("2024-01-02x", "2024-01-02x"),
        ("e3", "e3"),
        ("'1e-3'", "1e-3"),
    ],
)
def test_numbers_read_as_in_recbole(write, text, value):
    """YAML 1.1 takes 1e-3 for a string, and every RecBole config has 'learning_rate: 1e-3'."""
    got = read_yaml(write(f"x: {text}"))["x"]
    assert got == value
    assert type(got) is type(value)


def test_reading_agrees_with_recboles_own_loader(write):
    """The same file must mean the same to both, or the plain and the distilled run would differ."""
    text = "a: 1e-3\nb: .inf\nc: [1, 2.0, 3e2]\nd: '[a]'\ne: null\nf: 12:30\ng: 1:30.5\nh: on\n"
    import yaml
    from recbole.config.configurator import Config

    theirs = yaml.load(text, Loader=Config._build_yaml_loader(None))
    assert read_yaml(write(text)) == theirs
    assert math.isinf(theirs["b"])


def test_yaml_of_others_is_left_alone(write):
    """RecBole changes PyYAML's loader for the whole process; a library must not."""
    import yaml

    assert yaml.safe_load("1e-3") == "1e-3"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", ", line 3: "),
        ("a: b: c\n", ", line 1: mapping values are not allowed here"),
        ("- a\n- b\n", " must hold 'key: value' pairs, it holds a list"),
        ("just text", " must hold 'key: value' pairs, it holds a str"),
        (b"a: \xff\xfe", " cannot be read: it is not UTF-8 text"),
        ("a: !!python/object/apply:os.getcwd []", ", line 1: could not determine a constructor"),
        ("a: \x00", ": "),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(write, text, says):
    """A YAML traceback of forty lines hides the one that matters."""
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"config file '{path}'{says}")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_told(tmp_path):
    """The commonest mistake of all."""
    with pytest.raises(ConfigError, match=r"config file '.*none.yaml' does not exist"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        read_yaml(tmp_path)


def test_an_empty_file_is_an_empty_config(write):
    """RecBole itself fails on None here."""
    assert read_yaml(write("# nothing yet\n")) == {}


def test_the_section_is_parted_and_dotted_keys_join_it():
    """The command line sets single values below nested sections."""
    host, own = split({"epochs": 3, "ckd": {"weight": 2}, "ckd.curriculum.epochs": 9}, "here")
    assert host == {"epochs": 3}
    assert own == {"weight": 2, "curriculum": {"epochs": 9}}


@pytest.mark.parametrize("name", ["cdk", "CKD", "ckd-plugins", "ckd_plugins"])
def test_a_misspelt_section_is_an_error(name):
    """RecBole would ignore it, and the run would be a plain one."""
    with pytest.raises(ConfigError, match=f"here: unknown section '{name}'; did you mean 'ckd'"):
        split({name: {"weight": 2}}, "here")


def test_a_section_that_is_no_mapping_is_an_error():
    """'ckd: kl' is a guess at a short form that does not exist."""
    with pytest.raises(ConfigError, match="section 'ckd' should be a mapping, got 'kl'"):
        split({"ckd": "kl"}, "here")
    assert split({"ckd": None}, "here") == ({}, {})


@pytest.mark.parametrize(
    ("below", "above", "merged"),
    [
        ({"text": {"fields": ["a"]}}, {"text": {"encoder": "x"}}, {"text": {"fields": ["a"], "encoder": "x"}}),
        ({"loss": {"name": "kl", "tau": 2}}, {"loss": {"tau": 3}}, {"loss": {"name": "kl", "tau": 3}}),
        ({"loss": {"name": "kl", "tau": 2}}, {"loss": {"name": "js"}}, {"loss": {"name": "js"}}),
        ({"loss": {"name": "kl", "tau": 2}}, {"loss": "js"}, {"loss": "js"}),
        ({"loss": "kl"}, {"loss": {"tau": 3}}, {"loss": {"name": "kl", "tau": 3}}),
        ({"teachers": ["a", "b"]}, {"teachers": ["c"]}, {"teachers": ["c"]}),
        ({"curriculum": {"epochs": 9}}, {"curriculum": None}, {"curriculum": None}),
        (
            {"curriculum": {"difficulty": {"length": 1}, "epochs": 9}},
            {"curriculum": {"difficulty": {"popularity": 1}}},
            {"curriculum": {"difficulty": {"popularity": 1}, "epochs": 9}},
        ),
    ],
)
def test_overlaying_keeps_what_belongs_together(below, above, merged):
    """A loss named anew must not inherit the old one's options, nor a new weighting the old one's measures."""
    before = repr(below)
    assert overlay(below, above) == merged
    assert repr(below) == before, "the lower config is somebody else's"


def test_short_forms_are_those_of_settings_not_of_options():
    """A plugin's loss may well have an option 'targets' or 'text'; it got {'when': 'x'} for its 'x'."""
    own = {"targets": "x", "text": ["a"], "signals": "s"}
    assert overlay({"loss": "foo"}, {"loss": own}) == {"loss": {"name": "foo", **own}}
    assert overlay({"loss": {"name": "foo", "text": ["b"]}}, {"loss": own}) == {"loss": {"name": "foo", **own}}
    assert overlay({"targets": "once"}, {"targets": {"top": 3}}) == {"targets": {"when": "once", "top": 3}}
