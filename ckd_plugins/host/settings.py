"""From a user's few settings to a RecBole ``Config``.

RecBole's defaults stand wherever they can run. Where they cannot, the gap is filled the way its documentation tells
users to fill it by hand: a sequential model with a softmax loss takes no sampled negatives, and a dataset's time
column is loaded when the split goes by time. One family is not left as it is: models that read features rank as the
others do (:mod:`ckd_plugins.host.protocol`), and get features where the data have them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.host.compat import anomaly_mode_kept, clean_environment, prepare
from ckd_plugins.host.complaints import check_processes, say_misspelt
from ckd_plugins.host.features import side_features
from ckd_plugins.host.protocol import protocol, reads_features
from ckd_plugins.host.trees import tree_defaults
from ckd_plugins.host.zoo import model_class, recbole_folder, shipped_settings

__all__ = ["DatasetPath", "build_config", "find_dataset"]


@dataclass(frozen=True)
class DatasetPath:
    """Where a dataset lies: ``<folder>/<name>.inter`` and its siblings."""

    name: str
    folder: Path
    parts: tuple[Path, ...] = ()
    """Folders of the datasets that it was merged from, where a run merged it."""

    def columns(self, suffix: str) -> dict[str, str]:
        """Fields of ``<name>.<suffix>`` and their types, from its header; empty when there is no such file.

        Raises:
            DataError: the header is empty, not UTF-8, or has fields without a type.
        """
        path = self.folder / f"{self.name}.{suffix}"
        if not path.is_file():
            return {}
        try:
            with path.open(encoding="utf-8-sig") as file:
                header = file.readline().rstrip("\r\n")
        except UnicodeDecodeError:
            raise DataError(f"{path} is not UTF-8 text; convert it") from None
        if not header:
            raise DataError(f"{path} is empty; its first line must name the fields, tab-separated: user_id:token ...")
        pairs = [column.partition(":") for column in header.split("\t")]
        untyped = [name for name, _, kind in pairs if kind not in ("token", "float", "token_seq", "float_seq")]
        if untyped:
            raise DataError(
                f"{path}: field {untyped[0]!r} in the header has no type; write it as {untyped[0]}:token (or float, "
                f"token_seq, float_seq)"
            )
        return {name: kind for name, _, kind in pairs}


def find_dataset(dataset: str | os.PathLike[str], data_path: str | os.PathLike[str] | None = None) -> DatasetPath:
    """Find a dataset by folder, or by name below ``data_path`` (default ``dataset/``, as in RecBole).

    The name ``ml-100k`` is always found: RecBole's wheel carries it.

    Raises:
        DataError: there is no such folder, or no ``.inter`` file in it.
    """
    given = Path(dataset)
    candidates = [given] if given.name != str(dataset) else []
    candidates.append(Path(data_path or "dataset") / given.name)
    if given.name == "ml-100k":
        candidates.append(recbole_folder() / "dataset_example" / "ml-100k")
    candidates.append(given)
    for folder in candidates:
        if (folder / f"{folder.name}.inter").is_file():
            return DatasetPath(folder.name, folder.resolve())
    looked = ", ".join(dict.fromkeys(str(c / f"{c.name}.inter") for c in candidates))
    raise DataError(f"dataset {str(dataset)!r} not found (looked for {looked}); give its folder or set data_path")


def build_config(
    model: str,
    dataset: DatasetPath,
    settings: Mapping[str, Any],
    run_dir: Path,
    *,
    defaults: Mapping[str, Any] | None = None,
) -> Any:
    """Make RecBole's ``Config`` from plain values, without its habits of reading ``sys.argv`` and evaluating strings.

    The settings travel through ``<run_dir>/recbole.yaml`` instead of RecBole's ``config_dict``, every string of which
    it would ``eval``; the file also says later what was run.

    Args:
        model: RecBole's name of the model.
        dataset: where the data lie.
        settings: the user's settings; they win over everything.
        run_dir: gets the settings, checkpoints and logs.
        defaults: settings that stand below the user's and above RecBole's (a registered student's YAML).

    Raises:
        ConfigError: RecBole refuses the settings; its reason follows.
    """
    prepare()
    cls = model_class(model)
    for name in ("eval_args", "load_col"):
        if not isinstance(settings.get(name, {}), Mapping | None):
            raise ConfigError(f"{name} must be a mapping, not {settings[name]!r}; see RecBole's documentation of it")
    merged = {**_gaps(cls, model, dataset, {**(defaults or {}), **settings}), **(defaults or {}), **settings}
    check_processes(merged)
    merged["checkpoint_dir"] = str(run_dir)
    merged["data_path"] = str(dataset.folder.parent)
    merged.setdefault("gpu_id", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    merged.setdefault("show_progress", False)
    for name, least in (("epochs", 1), ("seed", 0)):
        value = merged.get(name, least)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise ConfigError(f"{name} must be a whole number of at least {least}, not {value!r}")
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / "recbole.yaml"
    path.write_text(yaml.safe_dump(merged, sort_keys=True, allow_unicode=True), encoding="utf-8")
    from recbole.config import Config

    with clean_environment(), anomaly_mode_kept():
        try:
            config = Config(model=model, dataset=dataset.name, config_file_list=[str(path)])
        except (ValueError, KeyError, TypeError, NotImplementedError, RuntimeError, AssertionError) as error:
            raise ConfigError(f"RecBole refuses the settings of {model} on {dataset.name}: {error}") from error
    say_misspelt(config, settings)
    # RecBole sends every dataset named ml-100k to its own copy, another folder of that name included.
    config.final_config_dict["data_path"] = str(dataset.folder)
    return config


def _gaps(cls: Any, model: str, dataset: DatasetPath, given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings without which RecBole's defaults do not run on this model and dataset."""
    kind = cls.type.name
    filled: dict[str, Any] = tree_defaults(model) if kind == "DECISIONTREE" else {}
    loss_decides = kind == "SEQUENTIAL" and not hasattr(cls, "input_type") and "train_neg_sample_args" not in given
    if loss_decides and given.get("loss_type", shipped_settings(model).get("loss_type")) == "CE":
        filled["train_neg_sample_args"] = None
    if "benchmark_filename" in given:  # the user's own split, of files that are not known here
        return filled
    columns = given.get("load_col")
    loaded = columns.get("inter") or () if isinstance(columns, Mapping) else "*"
    ranked = protocol(kind, model, given, dataset.columns("inter") if loaded == "*" else loaded)
    # Where the settings that RecBole has for ml-100k can run, its choice of columns stands as well.
    if "load_col" not in given and (dataset.name != "ml-100k" or ranked):
        filled |= _columns(kind, model, dataset, given)
    return filled | ranked


def _columns(kind: str, model: str, dataset: DatasetPath, given: Mapping[str, Any]) -> dict[str, Any]:
    """Which columns are loaded, by default, and what RecBole must know of them."""
    time, label = str(given.get("TIME_FIELD", "timestamp")), str(given.get("LABEL_FIELD", "label"))
    ids = {"user": str(given.get("USER_ID_FIELD", "user_id")), "item": str(given.get("ITEM_ID_FIELD", "item_id"))}
    columns = dataset.columns("inter")
    by_time = kind == "SEQUENTIAL" or (given.get("eval_args") or {}).get("order") == "TO"
    if by_time and time not in columns:
        raise DataError(
            f"{dataset.folder / (dataset.name + '.inter')} has no column {time!r}, which {model} needs for the "
            f"order of interactions; add it or set TIME_FIELD"
        )
    loaded = [*ids.values(), *([time] if time in columns else [])]
    filled: dict[str, Any] = {"load_col": {"inter": loaded}}
    for suffix in ("kg", "link") if kind == "KNOWLEDGE" else ():
        graph = list(dataset.columns(suffix))
        if not graph:
            raise DataError(
                f"{dataset.folder / (dataset.name + '.' + suffix)} does not exist, and {model} needs a knowledge "
                f"graph; add {dataset.name}.kg and {dataset.name}.link, or choose another model"
            )
        filled["load_col"][suffix] = graph
    if kind == "CONTEXT":
        if time in columns:  # loaded for the order of interactions; the model would embed it as a feature
            filled["unused_col"] = {"inter": [time]}
        made_from = given.get("threshold")
        wanted = (label, *made_from) if isinstance(made_from, Mapping) else (label,)
        loaded += [name for name in wanted if name in columns and name not in loaded]
    if reads_features(kind, model):
        _add_features(filled, dataset, ids, given)
    return filled


def _add_features(
    filled: dict[str, Any], dataset: DatasetPath, ids: Mapping[str, str], given: Mapping[str, Any]
) -> None:
    """Load side features, and keep the interactions, the users and the items what they are without them."""
    unload = given.get("unload_col") or {}
    free = {ending: name for ending, name in ids.items() if ending not in unload}
    chosen = side_features(dataset, free, filled["load_col"]["inter"])
    filled["load_col"] |= chosen.columns | {e: "*" for e in unload if e in ids and dataset.columns(e)}
    if chosen.floats:
        filled["numerical_features"] = chosen.floats
    if chosen.separator is not None:
        filled["seq_separator"] = chosen.separator
    for ending in chosen.columns:
        # RecBole drops interactions of items without features, and puts items without interactions into the
        # catalogue: a model that reads features would be tested on other rows than one that does not.
        filled["filter_inter_by_user_or_item"] = False
        filled[f"{ending}_inter_num_interval"] = "[1,inf)"
