"""`ckd plugins`: what is installed, and whether it works."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from ckd_plugins import UnknownNameError
from ckd_plugins.cli.plugins import plugins
from ckd_plugins.registry import Registry, using

GOOD = """
    from ckd_plugins import LossSpec, hookimpl
    @hookimpl
    def ckd_register_losses():
        yield LossSpec(name="tv", factory="good_m:make", summary="total variation")
    def make(tau: float = 1.0):
        from ckd_plugins.distillation.losses import KLDivergence
        return KLDivergence(tau=tau)
"""


@pytest.fixture
def installed(plugin_site):
    plugin_site("good-dist", "1.0", modules={"good_m": GOOD}, entry_points={"good": "good_m"})
    plugin_site("bad-dist", "2.0", modules={"bad_m": "import nowhere_at_all"}, entry_points={"bad": "bad_m"})
    plugin_site("odd-dist", "3.0", modules={"odd_m": GOOD.replace("good_m:make", "odd_m:gone").replace("tv", "odd")})
    (plugin_site("odd-two", "3.0") / "entry_points.txt").write_text("[ckd_plugins]\nodd = odd_m\n")
    with using(Registry(builtins=("ckd_plugins.cli.builtin",))) as registry:
        yield registry


def invoke(*arguments):
    return CliRunner().invoke(plugins, arguments, catch_exceptions=False)


def test_the_list_shows_state_origin_and_components(installed):
    """The first question to a user with a problem is what is installed."""
    result = invoke("list")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.output.splitlines()]
    assert "ok good good-dist 1.0 loss:tv" in lines
    assert any(line.startswith("broken bad bad-dist 2.0") for line in lines)
    assert "bad: import of 'bad_m' failed: ModuleNotFoundError: No module named 'nowhere_at_all'" in result.stderr
    assert "ckd_plugins.cli.builtin" not in result.output


def test_all_shows_the_builtins_too(installed):
    """They are plugins like others, and the example for authors."""
    assert "command:doctor" in invoke("list", "--all").output


def test_json_is_json_with_everything(installed):
    """Tools read this; a warning in between would break them."""
    rows = {row["name"]: row for row in json.loads(invoke("list", "--json").stdout)}
    assert rows["good"]["status"] == "ok"
    assert rows["good"]["components"] == ["loss:tv"]
    assert rows["bad"]["status"] == "broken"
    assert "nowhere_at_all" in rows["bad"]["error"]
    assert rows["ckd_plugins.cli.builtin"]["builtin"] is True


def test_the_list_can_be_cut_to_a_hook(installed):
    """Who else touches this hook is the question when plugins interfere."""
    rows = json.loads(invoke("list", "--json", "--hook", "ckd_register_commands").stdout)
    assert [row["name"] for row in rows] == ["ckd_plugins.cli.builtin"]


def test_an_empty_list_says_so():
    """An empty output looks like a failure."""
    with using(Registry(builtins=("ckd_plugins.cli.builtin",), discover=False)):
        assert "No plugins of other packages are installed" in invoke("list").output


def test_check_finds_code_that_is_not_there(installed):
    """Listing imports no component: only the check does."""
    result = invoke("check", "odd")
    assert result.exit_code == 1
    assert "odd: loss 'odd': 'odd_m:gone' cannot be loaded: AttributeError" in result.output


@pytest.mark.parametrize("name", ["good", "good-dist"])
def test_check_passes_a_good_plugin_by_either_name(installed, name):
    """A user knows the distribution, an author the entry point."""
    result = invoke("check", name)
    assert (result.exit_code, result.output) == (0, "1 plugin checked, nothing is wrong.\n")


def test_check_of_all_is_as_bad_as_the_worst(installed):
    """CI of a plugin runs this."""
    assert invoke("check").exit_code == 1


def test_check_of_an_unknown_plugin_gets_the_nearest(installed):
    """Nothing checked and nothing wrong would read as a success."""
    with pytest.raises(UnknownNameError, match="unknown plugin 'god'; did you mean 'good'"):
        invoke("check", "god")


def test_the_builtin_components_keep_the_contract_too(ckd_manager):
    """What is asked of others holds for this package."""
    result = invoke("check")
    assert result.exit_code == 0, result.output
    assert result.output.endswith("checked, nothing is wrong.\n")
