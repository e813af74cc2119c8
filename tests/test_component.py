"""A component of another distribution that cannot be loaded or built is one line that says whose fault it is."""

from __future__ import annotations

import pytest

from ckd_plugins import PluginError
from ckd_plugins._component import Component
from ckd_plugins._discovery import Switches
from ckd_plugins.registry import Registry

HOOKS = """
from ckd_plugins import LossSpec, TextEncoderSpec, hookimpl
@hookimpl
def ckd_register_losses():
    yield LossSpec(name="x", factory="strange_code:{attribute}")
@hookimpl
def ckd_register_text_encoders():
    yield TextEncoderSpec(name="x", factory="strange_code:{attribute}", packages=("left-pad", "right-pad"))
"""
WHERE = "loss 'x' of plugin 'strange' (strange-parts 1.0) cannot"
AUTHORS = "; tell its authors (CKD_STRICT=1 shows where it fails)"


@pytest.fixture
def strange(plugin_site):
    """A registry that has found a distribution whose code is the given text."""

    def install(code, attribute="make"):
        modules = {"strange_hooks": HOOKS.format(attribute=attribute), "strange_code": code}
        plugin_site("strange-parts", modules=modules, entry_points={"strange": "strange_hooks"})
        return Registry(switches=Switches())

    return install


@pytest.mark.parametrize(
    ("code", "attribute", "says"),
    [
        ("import sys; sys.exit(0)", "make", "SystemExit: 0"),
        ("import sys; sys.exit()", "make", "SystemExit"),
        ("", "Typo", "AttributeError: module 'strange_code' has no attribute 'Typo'"),
        ("def (", "make", "SyntaxError: invalid syntax (strange_code.py, line 1)"),
        ("raise ValueError('two\\nlines')", "make", "ValueError: lines"),
        ("import nowhere_at_all", "make", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_code_that_does_not_load_is_one_line(strange, code, attribute, says):
    """sys.exit(0) on import ended a run with status 0 and without a word; a misspelt reference was a traceback."""
    registry, component = strange(code, attribute), Component(name="x")
    for call in (component.build, component.check, component.resolve):
        with pytest.raises(PluginError) as caught:
            call(registry, "loss")
        assert str(caught.value) == f"{WHERE} be imported: {says}{AUTHORS}"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("raise SystemExit(0)", "SystemExit: 0"),
        ("assert tau > 1, 'tau'", "AssertionError: tau"),
        ("return {}['weights']", "KeyError: 'weights'"),
        ("return tau + 'x'", "TypeError: unsupported operand type(s) for +: 'float' and 'str'"),
        ("import nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all'"),
    ],
)
def test_a_constructor_that_fails_is_one_line(strange, body, says):
    """Whose constructor it is decides whom to tell; a traceback through this package says nothing of it."""
    with pytest.raises(PluginError) as caught:
        Component(name="x").build(strange(f"def make(tau: float = 1.0):\n    {body}"), "loss")
    assert str(caught.value) == f"{WHERE} be built: {says}{AUTHORS}"


@pytest.mark.parametrize("code", ["import nowhere_at_all", "def make():\n    import nowhere_at_all"])
def test_a_missing_package_has_its_remedy(strange, code):
    """Authors cannot mend what the user has not installed, whether it is imported early or late."""
    with pytest.raises(PluginError, match=r"; install it with: pip install left-pad right-pad$"):
        Component(name="x").build(strange(code), "text_encoder")


def test_an_annotation_that_fails_is_one_line(strange):
    """The library runs code of a type's own."""
    code = """
    class Odd:
        @classmethod
        def __get_pydantic_core_schema__(cls, *arguments):
            raise KeyError("odd")
    def make(how: Odd = None): ...
    """
    with pytest.raises(PluginError) as caught:
        Component(name="x", options={"how": 1}).check(strange(code), "loss")
    assert str(caught.value) == f"{WHERE} take its options: KeyError: 'odd'{AUTHORS}"


def test_errors_of_ours_go_through(strange):
    """What a plugin says of a user's mistake is better than what we could say of the plugin."""
    code = "from ckd_plugins import DataError\ndef make():\n    raise DataError('the table is empty; fill it')"
    registry = strange(code)
    with pytest.raises(Exception, match=r"^the table is empty; fill it$") as caught:
        Component(name="x").build(registry, "loss")
    assert type(caught.value).__name__ == "DataError"


def test_an_interrupt_is_the_users(strange):
    """Ctrl-C while something heavy is imported must end the run."""
    with pytest.raises(KeyboardInterrupt):
        Component(name="x").build(strange("raise KeyboardInterrupt"), "loss")


@pytest.mark.parametrize("code", ["1 / 0", "def make():\n    1 / 0"])
def test_a_builtins_defect_keeps_its_traceback(plugin_site, code):
    """Our own bugs are ours to find."""
    plugin_site("x", modules={"our_hooks": HOOKS.format(attribute="make"), "strange_code": code})
    with pytest.raises(ZeroDivisionError):
        Component(name="x").build(Registry(builtins=("our_hooks",), discover=False), "loss")
