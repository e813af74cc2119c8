"""One run from config to result: what ``run_recbole`` does, with teachers."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from ckd_plugins.config import CkdConfig, load_config
from ckd_plugins.errors import ConfigError, DataError
from ckd_plugins.host.settings import DatasetPath, find_dataset
from ckd_plugins.host.zoo import model_class
from ckd_plugins.registry import Registry, get_registry
from ckd_plugins.training.datasets import Datasets, find_datasets, merged_dataset
from ckd_plugins.training.each import distill_each
from ckd_plugins.training.fit import fit
from ckd_plugins.training.material import item_texts
from ckd_plugins.training.parts import check_parts
from ckd_plugins.training.progress import Reporter, Silent, heard
from ckd_plugins.training.run import Run, discard, new_run_folder
from ckd_plugins.training.subscribe import subscribe
from ckd_plugins.training.teaching import check_cache, check_teachers

__all__ = ["check_run", "distill"]


def distill(
    model: str | None = None,
    dataset: Datasets | None = None,
    config_file_list: Sequence[str | os.PathLike[str]] | None = None,
    config_dict: Mapping[str, Any] | None = None,
    saved: bool = True,
    queue: Any = None,
    *,
    teachers: Sequence[str | Mapping[str, Any]] | str | None = None,
    reporter: Reporter | None = None,
) -> dict[str, Any]:
    """Train a student with what several teachers know; without teachers, train it plainly.

    The first six arguments and the first four results are those of ``recbole.quick_start.run_recbole``.

    Args:
        model: a RecBole model by name, or a registered student.
        dataset: a dataset's folder, or its name below RecBole's ``data_path``; several, as a list or by commas, are
            merged (``ckd.domains``).
        config_file_list: RecBole YAML files; their ``ckd:`` section configures the distillation.
        config_dict: settings above the files, ``{"ckd": {...}}`` or ``"ckd.weight"`` among them. Strings are values:
            unlike RecBole's, they are never evaluated.
        saved: keep the best weights on disk as a RecBole checkpoint, and test those; ``False`` tests the last epoch's.
        queue: gets the result as well, for multiprocessing.
        teachers: shorthand for ``{"ckd": {"teachers": ...}}``.
        reporter: shows progress; by default nothing is shown.

    Returns:
        ``best_valid_score``, ``valid_score_bigger``, ``best_valid_result``, ``test_result``, and ``ckd``: a mapping
        with ``run_dir``, ``reader``, ``passes``, ``targets`` (``once`` or ``batch``),
        ``teachers`` (each with its own test result, seconds and whether it was reused), ``seconds`` (of each stage),
        ``epochs``, ``parameters``, ``history`` (terms by epoch), ``per_user`` (files of ranks by user, by split) and
        ``slices`` (metrics of domains, cold items and short histories); with a student for each of several domains
        ``runs``, their results.

    Raises:
        CkdError: a setting, the data, a teacher or the model does not allow the run; nothing is left behind then.

    Example:
        >>> from ckd_plugins import distill  # doctest: +SKIP
        >>> result = distill("SASRec", "ml-100k", teachers=["unisrec"])  # doctest: +SKIP
        >>> result["test_result"]["ndcg@10"]  # doctest: +SKIP
    """
    settings, config = load_config(config_file_list or (), config_dict)
    if teachers is not None:
        config = CkdConfig.parse({**config.model_dump(), "teachers": teachers})
    model = model or settings.pop("model", None)
    dataset = dataset or settings.pop("dataset", None)
    if not model or not dataset:
        raise ConfigError(f"no {'model' if not model else 'dataset'} is named; give it as argument or in a config file")
    registry, shown = get_registry(), reporter or Silent()
    registry.new_run()
    data_path = settings.pop("data_path", None)
    parts = find_datasets(dataset, data_path)
    student = subscribe(model, registry)
    model_class(student.model)

    def train(found: DatasetPath, ckd: CkdConfig) -> dict[str, Any]:
        run_dir = new_run_folder(ckd.run_dir, model, found.name, len(ckd.teachers))
        run = Run(run_dir, model, found.name, ckd, dict(settings), [c.label for c in ckd.teachers])
        try:
            with heard(shown):
                return fit(run, settings, student, found, registry, shown, saved, data_path)
        except BaseException as error:
            # A mistake found before the first epoch leaves nothing; a run that broke later keeps what tells why.
            if not (run_dir / "events.jsonl").exists():
                discard(run_dir)
            else:
                run.log("failed", reason=f"{type(error).__name__}: {error}")
            raise

    each = config.domains.students == "each"
    if each and len(parts) < 2:
        raise ConfigError(
            "ckd.domains.students: each trains a student for each dataset, and one is named; name several"
        )
    for found in parts if each else [whole := merged_dataset(parts, settings, config)]:
        check_run(config, registry, settings, found, data_path)
    result = distill_each(model, parts, config, train) if each else train(whole, config)
    if queue is not None:
        queue.put(result)
    return result


def check_run(
    config: CkdConfig,
    registry: Registry,
    settings: Mapping[str, Any],
    dataset: DatasetPath,
    data_path: str | None = None,
) -> None:
    """Find out what can be found out without reading the data.

    Raises:
        CkdError: a column, a component or a teacher's needs are not met.
    """
    item_field = str(settings.get("ITEM_ID_FIELD", "item_id"))
    user_field = str(settings.get("USER_ID_FIELD", "user_id"))
    columns = dataset.columns("inter")
    for name in (user_field, item_field):
        if name not in columns:
            raise DataError(
                f"{dataset.folder / (dataset.name + '.inter')} has no column {name!r} (it has {', '.join(columns)}); "
                f"rename it or set {'USER' if name == user_field else 'ITEM'}_ID_FIELD"
            )
    check_parts(config, registry)
    if not config.teachers:
        return
    check_cache(config.cache_dir)
    texts = any(item_texts(dataset, item_field, config.text.fields).joined.values())
    check_teachers(config, registry, texts, dataset.name)
    for name in config.pretrain_domains:
        other = find_dataset(name, data_path)
        if other.folder in (dataset.folder, *dataset.parts):
            raise DataError(
                f"pretrain_domains names the student's own dataset {other.name!r}: the teachers would see its "
                f"validation and test interactions; name other domains"
            )
