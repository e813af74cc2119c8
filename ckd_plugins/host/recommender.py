"""A RecBole model on its own: trained by its stock trainer, then asked for whole rows of scores."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ckd_plugins.config import Speed
from ckd_plugins.host import trees
from ckd_plugins.host.compat import clean_environment
from ckd_plugins.host.complaints import check_metrics
from ckd_plugins.host.data import Splits, load_splits
from ckd_plugins.host.journal import recbole_log
from ckd_plugins.host.loaders import trim_batches
from ckd_plugins.host.models import build_model
from ckd_plugins.host.numbering import numbered
from ckd_plugins.host.randomness import random_states_kept
from ckd_plugins.host.restoring import restore
from ckd_plugins.host.resume import Place, keep_epochs
from ckd_plugins.host.rows import item_tokens, user_tokens
from ckd_plugins.host.settings import DatasetPath, build_config
from ckd_plugins.host.speed.model import speed_up
from ckd_plugins.host.stages import build_pretrained
from ckd_plugins.host.trainer import EpochWatcher, build_trainer, close_trainer
from ckd_plugins.host.zoo import model_class

__all__ = ["Recommender", "model_kind", "reads_user"]

Int64 = NDArray[np.int64]


def model_kind(name: str) -> str:
    """RecBole's type of a model in capitals, ``"SEQUENTIAL"`` for example.

    Raises:
        UnknownNameError, EnvironmentProblem: as :func:`ckd_plugins.host.zoo.model_class`.
    """
    return str(model_class(name).type.name)  # type: ignore[attr-defined]


def reads_user(name: str) -> bool:
    """Whether a sequential model looks at who has a history (FPMC, HGN ...), told by its code."""
    return "USER_ID" in inspect.getsource(sys.modules[model_class(name).__module__])


class Recommender:
    """A model with the data that it was made for; make one with :meth:`train` or :meth:`rebuild`.

    Ids are RecBole's own, of this data; :attr:`items` and :attr:`users` are their tokens.
    """

    def __init__(self, config: Any, splits: Splits, model: Any, trainer: Any) -> None:
        self._config, self._splits, self._model, self._trainer = config, splits, model, trainer
        self.items: Sequence[str] = item_tokens(splits, config)
        """Item tokens by id; index 0 is padding."""
        self.users: Sequence[str] = user_tokens(splits, config)
        """User tokens by id; index 0 is padding."""
        if not trees.is_tree(model):
            trainer.tot_item_num = len(self.items)
            trainer.item_tensor = splits.dataset.get_item_feature().to(config["device"])
            model.eval()

    @classmethod
    def train(
        cls,
        model: str,
        dataset: DatasetPath,
        settings: Mapping[str, Any],
        run_dir: Path,
        watchers: list[EpochWatcher],
        place: Place | None = None,
    ) -> Self:
        """Train a model and keep the weights of the best validation.

        Args:
            model: RecBole's name of it.
            dataset: where its data lie.
            settings: RecBole's settings, the split included.
            run_dir: gets its files; not needed afterwards.
            watchers: see the epochs, those of an earlier process not.
            place: where the training is kept from process to process, as far as it can be (:mod:`.resume`).

        Raises:
            CkdError: settings, data or model do not fit one another.
            ValueError: RecBole's trainer found that the loss is not a number.
        """
        with recbole_log(run_dir), ExitStack() as stack:
            config = build_config(model, dataset, settings, run_dir)
            check_metrics(config)
            splits = load_splits(config)
            made = build_pretrained(config, splits, run_dir, lambda stage, epoch, total: None)
            tree = trees.is_tree(made)
            if isinstance(made, torch.nn.Module):
                with random_states_kept():
                    speed_up(made, splits.train, config, Speed())
                    trim_batches(splits.train, made, config)
            trainer = build_trainer(config, made, run_dir, watchers)
            stack.callback(close_trainer, trainer)
            if place is not None and not tree:
                keep_epochs(trainer, place)
            trainer.fit(splits.train, splits.valid, verbose=False, saved=not tree, show_progress=False)
            best = None if tree else trainer.ckd_best
            if best is not None:
                made.load_state_dict(best["state_dict"])
                made.load_other_parameter(best["other_parameter"])
            return cls(config, splits, trainer.model, trainer)

    @classmethod
    def rebuild(
        cls,
        model: str,
        dataset: DatasetPath,
        settings: Mapping[str, Any],
        run_dir: Path,
        weights: Mapping[str, Tensor],
        others: Mapping[str, Any] | None = None,
        counts: tuple[int, int] | None = None,
    ) -> Self:
        """Make a trained model anew.

        Args:
            model: as :meth:`train`, like all that are not listed here.
            dataset: as there.
            settings: as there.
            run_dir: as there.
            weights: the model's :attr:`weights`.
            others: what its class keeps beside them; ``None``: nothing, or what it makes of the data itself.
            counts: of users and items, where the tokens of both are 0, 1 ... and the weights go by these numbers
                (:func:`ckd_plugins.host.numbering.numbered`).

        Raises:
            StudentError: weights and data do not fit one another.
        """
        with recbole_log(run_dir), ExitStack() as stack:
            config = build_config(model, dataset, settings, run_dir)
            if counts is not None:
                fields = (config["USER_ID_FIELD"], config["ITEM_ID_FIELD"])
                stack.enter_context(numbered(dict(zip(fields, counts, strict=True))))
            splits = load_splits(config)
            made = build_model(config, splits)
            restore(made, weights, others)
            trainer = build_trainer(config, made, run_dir, [])
            close_trainer(trainer)
            return cls(config, splits, made, trainer)

    @property
    def weights(self) -> dict[str, Tensor]:
        """Copies of a torch model's trained values, on the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}

    @property
    def size(self) -> int:
        """Number of values that the model keeps: parameters, buffers, matrices; of trees, the nodes."""
        if trees.is_tree(self._model):
            return trees.nodes(self._model)
        kept: int = sum(value.numel() for value in self._model.state_dict().values())
        for name, value in vars(self._model).items():
            if name.startswith("_"):
                continue
            if isinstance(value, Tensor):
                kept += value.numel() if value.layout == torch.strided else int(value._nnz())
            else:  # of scipy's and numpy's
                kept += int(getattr(value, "nnz", getattr(value, "size", 0)))
        return kept

    @torch.no_grad()
    def for_users(self, users: Int64) -> Tensor:
        """Score the catalogue for users, as RecBole's full ranking does before it masks what they know.

        Args:
            users: ``[B]`` ids.

        Returns:
            float32 ``[B, n_items]`` over ids, on the CPU; padding's is ``-inf``.
        """
        if trees.is_tree(self._model):
            return trees.scores(self._model, users, len(self.items))
        uid = str(self._config["USER_ID_FIELD"])
        return self._ranked(self._splits.dataset.join(_interaction({uid: users})))

    @torch.no_grad()
    def for_histories(self, items: Int64, lengths: Int64, users: Int64) -> Tensor:
        """Score the catalogue after histories; sequential models only.

        Args:
            items: ``[B, L]`` ids, oldest first, padded with 0 on the right; ``L`` is ``MAX_ITEM_LIST_LENGTH``.
            lengths: ``[B]`` how many there are, at least 1.
            users: ``[B]`` whose they are, 0 for somebody unknown.

        Returns:
            As :meth:`for_users`.
        """
        c = self._config
        listed = {c["ITEM_ID_FIELD"] + c["LIST_SUFFIX"]: items, c["ITEM_LIST_LENGTH_FIELD"]: lengths}
        # SASRecCPR and GRU4RecCPR compute, and throw away, the loss of a target: any item will do.
        target = {c["ITEM_ID_FIELD"]: np.ones(len(users), np.int64)}
        return self._ranked(_interaction({c["USER_ID_FIELD"]: users, **listed, **target}))

    def _ranked(self, interaction: Any) -> Tensor:
        with clean_environment():
            _, scores, _, _ = self._trainer._full_sort_batch_eval((interaction, None, None, None))
        return torch.as_tensor(scores).to("cpu", torch.float32)


def _interaction(columns: Mapping[str, Int64]) -> Any:
    from recbole.data.interaction import Interaction

    return Interaction({name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in columns.items()})
