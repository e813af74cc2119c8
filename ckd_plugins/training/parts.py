"""The parts of a distillation, built once and tried before anything runs, so that a mistake shows at once."""

from __future__ import annotations

from typing import Any

from ckd_plugins._options import read_options
from ckd_plugins._scheduled import Scheduled, over_epochs
from ckd_plugins.config import IN_BATCH, CkdConfig, Component, Curriculum
from ckd_plugins.curriculum.trials import try_difficulty, try_schedule
from ckd_plugins.distillation.trials import try_balance, try_integrator, try_loss, try_ramp
from ckd_plugins.errors import ConfigError
from ckd_plugins.registry import Registry
from ckd_plugins.training.measuring import measure_options
from ckd_plugins.training.soft_targets import check_targets
from ckd_plugins.training.vectors import check_vectors

__all__ = ["check_parts"]


def check_parts(config: CkdConfig, registry: Registry) -> None:
    """Build everything that distillation is made of once, before anything runs, so that a mistake shows at once.

    Raises:
        UnknownNameError: something is not registered under its name.
        ConfigError: an option is unknown or refused, or the parts do not fit the teachers.
        PluginError: one of them does not do what it must; says of which plugin it is.
    """
    if config.curriculum is not None:
        _check_curriculum(config, config.curriculum, registry)
    if not config.teachers:
        return
    (config.candidates or IN_BATCH).build(registry, "candidates", seed=0)
    integrator = config.integrator.build(registry, "integrator")
    with registry.record("integrator", config.integrator.name).named():
        try_integrator(integrator, [component.label for component in config.teachers])
    for setting in (config.weight, config.temperature):
        if isinstance(setting, Scheduled):
            ramp = setting.ramp.build(registry, "ramp")
            with registry.record("ramp", setting.ramp.name).named():
                try_ramp(ramp)
    temperature = over_epochs(config.temperature, registry)
    loss = config.loss.build(registry, "loss", tau=temperature(0))
    if isinstance(config.temperature, Scheduled):
        try:
            loss.set_temperature(temperature(0))
        except ConfigError as error:
            raise ConfigError(
                f"ckd.temperature follows a schedule, and loss {config.loss.name!r} has no temperature that could; "
                f"leave it out"
            ) from error
    elif config.temperature != 1 and not hasattr(loss, "tau") and not _takes_tau(config.loss, registry):
        raise ConfigError(
            f"ckd.temperature is {config.temperature:g}, and loss {config.loss.name!r} has no temperature; leave it out"
        )
    with registry.record("loss", config.loss.name).named():
        try_loss(loss)
    balance = config.balance.build(registry, "balance")
    with registry.record("balance", config.balance.name).named():
        try_balance(balance)
    check_vectors(config, registry)
    check_targets(config, registry)


def _check_curriculum(config: CkdConfig, curriculum: Curriculum, registry: Registry) -> None:
    orders = [curriculum.schedule, *([] if curriculum.teachers is None else [curriculum.teachers.schedule])]
    for component in orders:
        schedule = component.build(registry, "schedule", until=1.0)
        with registry.record("schedule", component.name).named():
            try_schedule(schedule)
    given = len(config.teachers)
    for name, measure in (curriculum.difficulty or {}).items():
        options = measure_options(name, measure, registry)
        record = registry.record("difficulty", name)
        spec: Any = record.spec
        # What changes goes by the student's losses, which are seen where it is distilled.
        least = max(spec.teachers, 1) if spec.changes else spec.teachers
        if given < least:
            raise ConfigError(
                f"difficulty {name!r} asks at least {least} of the teachers and {_are(given)} named; name more, "
                f"or leave it out"
            )
        if spec.changes and config.weight == 0:
            raise ConfigError(
                f"difficulty {name!r} goes by what a distilled student loses, and ckd.weight is 0; leave one out"
            )
        if not record.origin.builtin:
            function = record.load()
            with record.named():
                try_difficulty(function, options)
    if curriculum.teachers is not None and given < 2:
        raise ConfigError(
            f"ckd.curriculum.teachers lets teachers join one after the other, and {_are(given)} named; name two "
            f"or more, or leave it out"
        )


def _are(count: int) -> str:
    return "1 is" if count == 1 else f"{count} are"


def _takes_tau(loss: Component, registry: Registry) -> bool:
    return "tau" in read_options(registry.record("loss", loss.name).load()).parameters
