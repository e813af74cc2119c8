"""The run itself: data, teachers, student, training, test, result."""

from __future__ import annotations

import copy
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

from ckd_plugins.curriculum.memory import LossMemory
from ckd_plugins.errors import StudentError
from ckd_plugins.host.beside import train_beside
from ckd_plugins.host.complaints import check_metrics
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.loaders import on_batch, rows_a_batch
from ckd_plugins.host.models import parameter_count
from ckd_plugins.host.randomness import random_states_kept
from ckd_plugins.host.settings import DatasetPath, build_config
from ckd_plugins.host.speed.model import speed_up
from ckd_plugins.host.speed.optimizer import fuse_adam
from ckd_plugins.host.stages import build_pretrained, stages_before
from ckd_plugins.host.trainer import build_trainer, close_trainer, scalar_writer
from ckd_plugins.registry import Registry
from ckd_plugins.training.default_weight import weight_of
from ckd_plugins.training.idle import idle
from ckd_plugins.training.judging import judge_in_slices
from ckd_plugins.training.leakage import refuse_leaks
from ckd_plugins.training.material import Material, gather, ranked_within
from ckd_plugins.training.measuring import changing
from ckd_plugins.training.ordering import check_order, order_rows
from ckd_plugins.training.per_user import file_name, per_user, write_per_user
from ckd_plugins.training.probing import make_probe
from ckd_plugins.training.progress import Reporter
from ckd_plugins.training.readers import choose_reader
from ckd_plugins.training.run import Run, write_json
from ckd_plugins.training.slices import slices
from ckd_plugins.training.soft_targets import integrates_once, soft_targets
from ckd_plugins.training.student import check_candidates, make_student
from ckd_plugins.training.subscribe import Subscription
from ckd_plugins.training.teaching import Taught, read_pretraining, teach
from ckd_plugins.training.vectors import with_vectors
from ckd_plugins.training.watching import Watcher

__all__ = ["fit"]

_NAN = "Training loss is nan"
"""What RecBole's trainer says then."""


def fit(
    run: Run,
    settings: Mapping[str, Any],
    subscription: Subscription,
    dataset: DatasetPath,
    registry: Registry,
    reporter: Reporter,
    saved: bool,
    data_path: str | None = None,
) -> dict[str, Any]:
    """Do a run whose settings have been checked, and return :func:`ckd_plugins.distill`'s result.

    Args:
        run: what is to be run, with an empty folder.
        settings: RecBole's settings.
        subscription: the student.
        dataset: where the data lie.
        registry: where components are looked up and observers are told.
        reporter: shows progress.
        saved: as in ``run_recbole``.
        data_path: where pre-training datasets are looked for by name.
    """
    config, seconds = run.config, _Seconds()
    with ExitStack() as stack:
        stack.enter_context(recbole_log(run.directory))
        defaults = subscription.defaults
        host = build_config(subscription.model, dataset, settings, run.directory, defaults=defaults)
        check_metrics(host)
        seed = int(host["seed"])
        with seconds("data"), reporter.task(f"read {dataset.name}", 2) as advance:
            splits = load_splits(host, config.speed)
            advance(1, "")
            material = gather(splits, host, dataset, config.text.fields)
            splits = ranked_within(splits, material, host, config.domains.rank)
            advance(2, f"{len(splits.train_dataset)} train rows")
        student = _build(run, host, splits, {**defaults, **settings}, reporter)
        handle = objective = reader = None
        check_order(student, material, config)
        check_candidates(material, config, registry)
        with random_states_kept():
            faster = speed_up(student, splits.train, host, config.speed)
            if config.teachers:
                reader = choose_reader(student, splits, host, registry, subscription)
                reader = with_vectors(reader, config, registry, partial(make_probe, student, splits, host))
                run.reader = reader.name
                config = config.model_copy(update={"weight": weight_of(config, reader)})
            with seconds("teachers"):
                pretraining = read_pretraining(config, host, data_path) if config.teachers else []
                refuse_leaks(splits, host, pretraining, config.teachers, registry, material.domains)
                taught = teach(config.teachers, material, pretraining, config, registry, reporter, seed)
            teachers = {one.name: _about(one) for one in taught}
            signals = [t.signal for t in taught]
            soft = None
            once = None if reader is None else integrates_once(config, reader, registry)
            for line in idle(config, int(host["epochs"]), once):
                reporter.say(line)
            if once:
                with seconds("targets"):
                    soft = soft_targets(taught, material, config, registry, reporter)
            remembers = reader is not None and changing(config.curriculum, registry)
            memory = LossMemory(len(material.instances)) if remembers else None
            sampler = order_rows(student, splits, material, signals, config, host, registry, soft, memory)
            if reader is not None:
                size = rows_a_batch(splits.train)
                handle, objective = make_student(
                    student, reader, signals, material, config, registry, seed, size, subscription, soft, memory
                )
        advance = stack.enter_context(reporter.task(_title(run), int(host["epochs"])))
        watcher = Watcher(run, registry, handle, sampler, objective, advance)
        on_batch(splits.train, watcher.after_batch)
        trainer = build_trainer(
            host,
            student,
            run.directory,
            [watcher],
            ranking=config.speed.ranking,
            keep_ranks=config.per_user,
            item_domain=splits.item_domain,
        )
        stack.callback(close_trainer, trainer)
        watcher.write = scalar_writer(trainer)
        watcher.better = max if host["valid_metric_bigger"] else min
        if objective is not None:
            train_beside(trainer, objective.parameters())
        if config.speed.optimizer and fuse_adam(trainer.optimizer):
            faster = (*faster, "optimizer")
        targets = None if once is None else "once" if once else "batch"
        run.log(
            "start",
            model=run.model,
            dataset=run.dataset,
            teachers=run.teachers,
            reader=run.reader,
            targets=targets,
            mass=None if soft is None else float(soft.mass.sum() / soft.known.any(dim=1).sum().clamp_min(1)),
            speed=faster,
        )
        registry.notify("ckd_before_fit", run=run)
        with seconds("fit"):
            best_score, best_result = _train(trainer, splits, saved, watcher)
        # Of the weights that are tested: the best ones', or the last validation's where none are kept.
        ranks = {"valid": trainer.ckd_best.get("ranks") if saved and trainer.ckd_best else trainer.ckd_ranks}
        if handle is not None:
            handle.detach()
        trainer.ckd_keeps_ranks = True  # the test's are few, and slices are made of them
        with seconds("test"):
            test_result = trainer.evaluate(splits.test, load_best_model=saved, show_progress=False)
        ranks["test"] = trainer.ckd_ranks
    found = {split: per_user(one, splits, host, material) for split, one in ranks.items() if one is not None}
    told = slices(found["test"], test_result, material.domains) if "test" in found else {}
    kept = found if config.per_user else {}
    for split, one in kept.items():
        write_per_user(run.directory / file_name(split), one)
    seconds["epoch"] = sum(watcher.seconds) / max(1, len(watcher.seconds))
    result = {
        "best_valid_score": float(best_score),
        "valid_score_bigger": host["valid_metric_bigger"],
        "best_valid_result": _floats(best_result),
        "test_result": _floats(test_result),
        "ckd": {
            "model": run.model,
            "dataset": run.dataset,
            "run_dir": str(run.directory),
            "checkpoint": str(trainer.saved_model_file) if saved else None,
            "per_user": {split: file_name(split) for split in kept},
            "reader": run.reader,
            "targets": targets,
            "passes": reader.passes if reader is not None else 1,
            "protocol": _protocol(host, splits),
            "slices": told,
            "valid_metric": str(host["valid_metric"]).lower(),
            "teachers": teachers,
            "seconds": dict(seconds),
            "epochs": len(watcher.seconds),
            "parameters": parameter_count(student),
            "speed": list(faster),
            "history": watcher.history,
            "config": config.model_dump(mode="json"),
            "seed": seed,
        },
    }
    write_json(run.directory / "result.json", result)
    run.log("end", test_result=result["test_result"], slices=told)
    if taught:
        # Last: a teacher that fails takes nothing away of what the student has come to.
        _judge(taught, teachers, material, splits, host, reporter)
        write_json(run.directory / "result.json", result)
    # What observers do to their copy is their own affair.
    registry.notify("ckd_after_fit", run=run, result=copy.deepcopy(result))
    return result


def _build(run: Run, host: Any, splits: Splits, given: Mapping[str, Any], reporter: Reporter) -> Any:
    """The model, after the pre-training stages that RecBole has for it; those are plain, only the last is distilled."""
    stages = stages_before(host)
    # RecBole's default of 500 epochs knows nothing of the run: without a word from the user, as many as may follow.
    epochs = None if "pretrain_epochs" in given else int(host["epochs"])
    done: list[float] = []
    with ExitStack() as stack:
        advance = stack.enter_context(reporter.task(f"pre-train {run.model}", len(stages))) if stages else None

        def show(stage: str, epoch: int, total: int) -> None:
            done.append(1 / total)
            if advance is not None:
                advance(sum(done), stage)

        return build_pretrained(host, splits, run.directory, show, epochs)


def _train(trainer: Any, splits: Splits, saved: bool, watcher: Watcher) -> tuple[float, Any]:
    try:
        score, result = trainer.fit(splits.train, splits.valid, saved=saved, show_progress=False)
    except ValueError as error:
        if str(error) != _NAN:
            raise
        raise StudentError(
            f"the loss became NaN in epoch {len(watcher.seconds)}; lower learning_rate or ckd.weight, or raise "
            f"ckd.temperature"
        ) from error
    return score, result


class _Seconds(dict[str, float]):
    """Seconds by stage: ``with seconds("fit"): ...``."""

    def __call__(self, stage: str) -> _Seconds:
        self._stage, self._started = stage, time.perf_counter()
        return self

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        self[self._stage] = time.perf_counter() - self._started


def _title(run: Run) -> str:
    return f"train {run.model}, {'distilled' if run.teachers else 'plain'}"


def _protocol(host: Any, splits: Splits) -> str:
    """How RecBole ranks for this kind of model: sequential ones among all items, the others among unseen ones."""
    if host["eval_args"]["mode"]["test"] != "full":
        return str(host["eval_args"]["mode"]["test"])
    items = "all items" if host["MODEL_TYPE"].name == "SEQUENTIAL" else "unseen items"
    return items if splits.item_domain is None else f"{items} of the domain"


def _floats(result: Mapping[str, Any] | None) -> dict[str, float]:
    return {name: float(value) for name, value in (result or {}).items()}


def _about(taught: Taught) -> dict[str, Any]:
    """What a result tells of a teacher, before it is judged."""
    return {
        "test_result": None,
        "slices": {},
        "seconds": taught.seconds,
        "reused": taught.reused,
        "folder": str(taught.folder),
        "store": str(taught.store),
        "parameters": taught.parameters,
        "domains": {
            part.part.name: {"folder": str(part.folder), "store": str(part.store)}
            for part in taught.parts
            if part.part is not None
        },
    }


def _judge(
    taught: Sequence[Taught],
    about: Mapping[str, dict[str, Any]],
    material: Material,
    splits: Splits,
    host: Any,
    reporter: Reporter,
) -> None:
    """Add each teacher's test metrics to what is told of it."""
    with reporter.task("test the teachers", len(taught)) as advance:
        for done, one in enumerate(taught, start=1):
            about[one.name]["test_result"], about[one.name]["slices"] = judge_in_slices(one, material, splits, host)
            advance(done, "")
