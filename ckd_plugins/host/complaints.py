"""What RecBole would find out late, or never, about settings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from typing import Any

from ckd_plugins.errors import ConfigError, did_you_mean

__all__ = ["check_metrics", "check_processes", "say_misspelt"]

_log = logging.getLogger("ckd_plugins")
_ALIKE = 0.85
"""How alike two names are, from 0 to 1, of which one may be the other misspelt: ``reg_wieght``, ``n_layer``."""


def check_processes(settings: Mapping[str, Any]) -> None:
    """Refuse what lets RecBole share a run among processes: each would be distilled as if it were alone.

    Raises:
        ConfigError: one of them is set.
    """
    for name, alone in (("nproc", 1), ("world_size", 1), ("local_rank", None)):
        if settings.get(name, alone) not in (alone, -1):
            raise ConfigError(f"{name} is {settings[name]!r}: a run is of one process here; leave it out")


def check_metrics(config: Any) -> None:
    """Find out before training whether the metric that validation goes by is computed; RecBole does so after an epoch.

    Args:
        config: RecBole's, of a model that is to be trained.

    Raises:
        ConfigError: it is not among the metrics, its cutoff is missing or not in ``topk``, or it has none and one is
            given.
    """
    from recbole.evaluator.register import metrics_dict

    names, cutoffs = [str(name).lower() for name in config["metrics"]], [str(k) for k in config["topk"]]
    chosen = str(config["valid_metric"])
    name, at, cutoff = chosen.lower().partition("@")
    if name not in names:
        raise ConfigError(f"valid_metric is {chosen}, and metrics are {', '.join(sorted(names))}; add {name} to them")
    if not hasattr(metrics_dict[name](config), "topk"):  # GAUC, and all metrics of values
        if at:
            alone = chosen.partition("@")[0]
            raise ConfigError(f"valid_metric is {chosen}, and {alone} takes no cutoff; set valid_metric to {alone}")
    elif not at:
        some = cutoffs[0] if cutoffs else 10
        raise ConfigError(f"valid_metric is {chosen}, which needs a cutoff; set valid_metric to {chosen}@{some}")
    elif cutoff not in cutoffs:
        raise ConfigError(
            f"valid_metric is {chosen}, and topk is {', '.join(cutoffs)}; add {cutoff} to it, or set another "
            f"valid_metric"
        )


def say_misspelt(config: Any, given: Iterable[str]) -> None:
    """Log a line for each given setting that nobody knows and that is spelt almost as a known one is.

    Models of plugins may read settings of any name, so that an unknown one is no mistake by itself.
    """
    known = {*config.internal_config_dict, *(name for names in config.parameters.values() for name in names)}
    for name in given:
        if name not in known and (near := did_you_mean(name, known, _ALIKE)):
            _log.warning(
                "setting %r is none of RecBole's or of %s%s It has no effect unless the model reads it",
                name,
                config["model"],
                near,
            )
