"""Every hook: when it fires, what it returns, and an example that runs.

A plugin is a module or object with functions marked by :data:`hookimpl`, made known through the entry-point group
``ckd_plugins``. Start-up hooks (``ckd_register_*``) fire once, when the registry is first used, and yield frozen
records from :mod:`ckd_plugins.specs`. Decision hooks are ``firstresult``: the first answer that is not ``None``
wins and the built-in answers last. Observers (``ckd_before_*``, ``ckd_after_*``) see a run and return nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ckd_plugins import specs

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "ckd_plugins"
"""pluggy's project name and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def ckd_register_students() -> Iterable[specs.StudentSpec]:
    """Models of your own that subscribe to distillation. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import StudentSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_students():
        ...     yield StudentSpec(
        ...         name="MyRec",
        ...         factory="my_package.model:MyRec",
        ...         family="sequential",
        ...         summary="what it is, in a line",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_teachers() -> Iterable[specs.TeacherSpec]:
    """Pre-trained recommenders. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import TeacherSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_teachers():
        ...     yield TeacherSpec(
        ...         name="zesrec",
        ...         factory="my_package.zesrec:ZESRec",
        ...         needs=("text", "history"),
        ...         summary="text and a Gaussian mixture",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_losses() -> Iterable[specs.LossSpec]:
    """Distillation losses. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import LossSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_losses():
        ...     yield LossSpec(
        ...         name="total_variation",
        ...         factory="my_package.losses:TotalVariation",
        ...         summary="half the absolute difference",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_integrators() -> Iterable[specs.IntegratorSpec]:
    """Ways to join several teachers into one target. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import IntegratorSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_integrators():
        ...     yield IntegratorSpec(
        ...         name="peak",
        ...         factory="my_package.integrators:Peak",
        ...         summary="the surest teacher weighs most",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_candidates() -> Iterable[specs.CandidatesSpec]:
    """Ways to choose the items that scores are compared on. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import CandidatesSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_candidates():
        ...     yield CandidatesSpec(
        ...         name="same_brand",
        ...         factory="my_package.candidates:SameBrand",
        ...         summary="items of the target's brand",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_balances() -> Iterable[specs.BalanceSpec]:
    """Ways for the student's own loss and the distillation to share a step. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import BalanceSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_balances():
        ...     yield BalanceSpec(
        ...         name="dwa",
        ...         factory="my_package.balance:DynamicWeightAverage",
        ...         summary="by how fast each loss falls",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_ramps() -> Iterable[specs.RampSpec]:
    """Ways for a weight or a temperature to change over the epochs. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import RampSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_ramps():
        ...     yield RampSpec(name="sigmoid", factory="my_package.ramps:Sigmoid", summary="slow, fast, slow")
    """
    raise AssertionError


@hookspec
def ckd_register_difficulties() -> Iterable[specs.DifficultySpec]:
    """Measures of how hard a training instance is. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import DifficultySpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_difficulties():
        ...     yield DifficultySpec(
        ...         name="novelty",
        ...         factory="my_package.difficulty:novelty",
        ...         summary="share of new items",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_schedules() -> Iterable[specs.ScheduleSpec]:
    """Ways for the curriculum's competence to grow. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import ScheduleSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_schedules():
        ...     yield ScheduleSpec(name="sigmoid", factory="my_package.schedules:sigmoid", summary="slow, fast, slow")
    """
    raise AssertionError


@hookspec
def ckd_register_importers() -> Iterable[specs.ImporterSpec]:
    """Readers of published data formats. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import ImporterSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_importers():
        ...     yield ImporterSpec(name="yelp", factory="my_package.yelp:Yelp", summary="the Yelp Open Dataset")
    """
    raise AssertionError


@hookspec
def ckd_register_text_encoders() -> Iterable[specs.TextEncoderSpec]:
    """Language models that turn item texts into vectors. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import TextEncoderSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_text_encoders():
        ...     yield TextEncoderSpec(
        ...         name="bge",
        ...         factory="my_package.text:Bge",
        ...         packages=("FlagEmbedding",),
        ...         summary="BAAI's embeddings",
        ...     )
    """
    raise AssertionError


@hookspec
def ckd_register_commands() -> Iterable[specs.CommandSpec]:
    """Sub-commands of ``ckd``. Fires once, at start-up.

    Example:
        >>> from ckd_plugins import CommandSpec, hookimpl
        >>> @hookimpl
        ... def ckd_register_commands():
        ...     yield CommandSpec(name="inspect", factory="my_package.cli:inspect", summary="look into a checkpoint")
    """
    raise AssertionError


@hookspec(firstresult=True)
def ckd_choose_reader(model: Any, probe: Any) -> Any:
    """How candidate scores are read out of a student. Fires once per ``attach``; the first answer wins.

    Args:
        model: the stock RecBole model instance.
        probe: a :class:`ckd_plugins.students.Probe`: a small batch, and a check of a reader against the model's own
            ``full_sort_predict`` or ``predict``.

    Returns:
        A :class:`ckd_plugins.students.Reader`, or ``None`` to leave the choice to the next plugin.

    Example:
        >>> from ckd_plugins import hookimpl
        >>> @hookimpl
        ... def ckd_choose_reader(model, probe):
        ...     return MyReader(model) if type(model).__name__ == "MyRec" else None
    """


@hookspec
def ckd_before_fit(run: Any) -> None:
    """Observe a run that is about to train. Fires once per run; ``run`` is a :class:`ckd_plugins.training.Run`.

    Example:
        >>> from ckd_plugins import hookimpl
        >>> @hookimpl
        ... def ckd_before_fit(run):
        ...     print(run.directory)
    """


@hookspec
def ckd_after_epoch(run: Any, epoch: int, terms: dict[str, float]) -> None:
    """Observe an epoch's end. ``terms`` maps names to means over the epoch (losses, weights, competence, seconds).

    Example:
        >>> from ckd_plugins import hookimpl
        >>> @hookimpl
        ... def ckd_after_epoch(run, epoch, terms):
        ...     print(epoch, terms["loss"])
    """


@hookspec
def ckd_after_fit(run: Any, result: dict[str, Any]) -> None:
    """Observe a finished run; ``result`` is a copy of what ``distill`` returns.

    Example:
        >>> from ckd_plugins import hookimpl
        >>> @hookimpl
        ... def ckd_after_fit(run, result):
        ...     print(result["test_result"])
    """
