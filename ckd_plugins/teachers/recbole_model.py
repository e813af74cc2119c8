"""Any RecBole model as a teacher, the ones without gradients too."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ckd_plugins._prefixed import below
from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances, places
from ckd_plugins.domains.keys import token_hashes
from ckd_plugins.errors import CkdError, DataError, StudentError, TeacherError
from ckd_plugins.host.checkpoint import read_checkpoint
from ckd_plugins.host.needs import has_own_dataset, missing_package, needs
from ckd_plugins.host.randomness import random_states_kept
from ckd_plugins.host.recommender import Recommender, model_kind, reads_user
from ckd_plugins.teachers import storage
from ckd_plugins.teachers.base import Float32
from ckd_plugins.teachers.calibration import CALIBRATED, fitted_temperature, mask_chosen
from ckd_plugins.teachers.history import History, Progress
from ckd_plugins.teachers.keeping import active_keeper
from ckd_plugins.teachers.listing import ListTeacher
from ckd_plugins.teachers.recbole_checkpoint import read_trained
from ckd_plugins.teachers.recbole_data import OWN_SETTINGS, write_dataset
from ckd_plugins.teachers.recbole_epochs import Place, Watcher
from ckd_plugins.teachers.user_lists import UserLists
from ckd_plugins.teachers.windows import only_known

__all__ = ["RecBoleModel"]

_BLOCK = 1 << 24  # scores that are in memory at once


@dataclass(kw_only=True, eq=False)
class RecBoleModel(ListTeacher):
    """Any model of RecBole's that needs interactions only, trained by RecBole's own trainer.

    A sequential model is asked about a row's history. Every other model ranks for users: all rows of a user get the
    one list that RecBole would rank by before it masks what the user has chosen. The row's own target is among those
    choices and stands on the list with them, at the place that the model gives it: nothing is added for it or left out.
    A list holds what scores best, seen or not, so `k` should exceed the usual history.

    Scores are divided by the temperature under which the validation targets are likeliest (over unseen items where
    the model ranks for users), as RecBole's models score in units of their own.

    What a model learns of ids does not carry over to other data: pre-training does nothing.
    """

    name: ClassVar[str] = "recbole"
    files: ClassVar[tuple[str, ...]] = ("checkpoint",)

    model: str
    """RecBole's name of the model: `ItemKNN`, `EASE`, `LightGCN`, `LightGBM` ..."""
    checkpoint: str | None = None
    """A `.pth` that RecBole wrote of this model on the run's dataset. It is used as it is then, not trained, with the
    file's settings of the model, which win over `settings`, and a sequential one with the file's `max_length`."""
    settings: Mapping[str, Any] | None = None
    """RecBole's settings of the model and its training. Those of data, split and evaluation follow from the run."""
    k: int = 100
    """Length of the lists that students learn from."""
    max_length: int = 50
    """Newest items of a history that a sequential model reads."""
    temperature: float = 1.0
    """Divides the scores once more; above 1 for a flatter distribution."""
    seed: int = 2020

    domain: Domain | None = field(init=False, default=None, repr=False)
    """What it was fine-tuned on, without texts."""
    _unit: float = field(init=False, default=1.0, repr=False)
    _size: int = field(init=False, default=0, repr=False)
    _lists: UserLists | None = field(init=False, default=None, repr=False)
    _loaded: bool = field(init=False, default=False, repr=False)
    """Its weights go by the numbers of users and items in the run, not by those of its training data."""
    _weights: dict[str, Tensor] = field(init=False, default_factory=dict, repr=False)
    _asked: Recommender | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        for option in ("k", "max_length", "temperature"):
            if not getattr(self, option) > 0:
                raise TeacherError(f"teacher 'recbole': {option} is {getattr(self, option)}; it must be positive")
        self.settings = dict(self.settings or {})
        if own := sorted(OWN_SETTINGS & set(self.settings)):
            raise TeacherError(f"teacher 'recbole': the setting {own[0]!r} follows from the run; leave it out")
        if reason := _refusal(self.model):
            raise TeacherError(f"{self.model} cannot be a teacher: {reason}")
        if self.checkpoint is not None and model_kind(self.model) == "DECISIONTREE":
            raise TeacherError(f"teacher 'recbole': checkpoints of trees ({self.model}) are not read; leave it out")

    # Training.

    @classmethod
    def split_of(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """See :meth:`Teacher.split_of`: of the checkpoint."""
        path = options.get("checkpoint")
        return {} if path is None else read_checkpoint(path).settings

    @property
    def finetune_epochs(self) -> int:
        """Epochs at most; closed forms and trees have one."""
        once = self.checkpoint is not None or model_kind(self.model) in ("TRADITIONAL", "DECISIONTREE")
        return 1 if once else int((self.settings or {}).get("epochs", 300))

    def pretrain(self, domains: Sequence[Domain], *, progress: Progress | None = None) -> History:
        """Do nothing: a RecBole model knows items and users by number, and other domains have others."""
        return History()

    def finetune(self, domain: Domain, *, progress: Progress | None = None) -> History:
        """See :meth:`Teacher.finetune`. Users' models are validated as RecBole does it, without what they know."""
        if not (domain.valid >= 0).any():
            domain = domain.hold_last_out()
        if not (domain.valid[np.diff(domain.offsets) > 0] >= 0).any():
            raise DataError(f"{domain.name}: no user has two training interactions, so there is nothing to learn")
        watcher = Watcher(self.finetune_epochs, progress)
        keeper = active_keeper()
        place = None if keeper is None else Place(keeper.slot("finetune"), watcher)
        self._asked, self._lists, self._weights, self._unit, self._loaded = None, None, {}, 1.0, False
        with tempfile.TemporaryDirectory(prefix="ckd-") as scratch, random_states_kept():
            try:
                if self.checkpoint is not None:
                    made = self._read(self.checkpoint, domain, scratch)
                else:
                    data = self._data(domain, scratch)
                    made = Recommender.train(self.model, *data, Path(scratch), [watcher], place)
            except (StudentError, ValueError) as error:
                raise TeacherError(f"teacher 'recbole', model {self.model}: {error}") from error
            self.domain, self._size = domain, made.size
            if self._sequential:
                self._asked, self._weights = made, made.weights
            else:
                self._lists = UserLists.of(domain, self.k, lambda users: self._user_scores(made, users))
            self._calibrate(domain)
        return watcher.history

    def _read(self, path: str, domain: Domain, scratch: str) -> Recommender:
        """The checkpoint's model on this domain, whose indices are the run's ids less 1."""
        read = read_trained(path, self.model, domain.name)
        self.settings = {**(self.settings or {}), **read.settings}
        if self._sequential:
            self.max_length = read.max_length or self.max_length
        data, counts = self._data(domain, scratch), (domain.n_users, domain.n_items)
        try:
            made = Recommender.rebuild(self.model, *data, Path(scratch), read.weights, read.others, counts)
        except StudentError as error:
            raise TeacherError(
                f"checkpoint {path!r} does not fit {domain.name!r} as this run has it ({error}); it holds no tokens: "
                f"give the files, filters and split that it was trained on"
            ) from error
        self._loaded = True
        return made

    def _calibrate(self, domain: Domain) -> None:
        held = domain.valid_instances(self.max_length)
        held = held.take(np.flatnonzero(held.lengths > 0)[:CALIBRATED])
        found = self.scores(held)
        if not self._sequential:
            mask_chosen(found, held, domain)
        self._unit = fitted_temperature(found, held.target)

    def _data(self, domain: Domain, scratch: str) -> tuple[Any, dict[str, Any]]:
        dataset, own = write_dataset(domain, Path(scratch, "data"), model_kind(self.model), self.seed)
        if self._sequential:
            own["MAX_ITEM_LIST_LENGTH"] = self.max_length
        return dataset, {**(self.settings or {}), **own, "seed": self.seed}

    def _user_scores(self, made: Recommender, users: npt.NDArray[np.int64]) -> Float32:
        ids, order = _ids(made.users, users), _order(made.items)
        found = np.empty((len(users), len(order)), np.float32)
        found[:, order] = made.for_users(ids)[:, 1:].numpy()
        return found

    # Answers.

    @property
    def _sequential(self) -> bool:
        return model_kind(self.model) == "SEQUENTIAL"

    def keys(self, instances: Instances) -> npt.NDArray[np.uint64]:
        """See :meth:`Teacher.keys`: the history of a sequential model, the user of any other, or both.

        A row whose history is empty, or whose user is unknown to a model that ranks for users, has no answer: 0.
        """
        if self._sequential:
            keys = instances.keys(self.max_length)
            if instances.users and reads_user(self.model):
                own = np.where(instances.user >= 0, token_hashes(instances.users)[instances.user], 0)
                keys = np.where(keys == 0, keys, np.maximum(keys ^ own.astype(np.uint64), np.uint64(1)))
            return keys
        keys = instances.user_keys()
        keys[self._users(instances) < 0] = 0
        return keys

    def scores(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """See :meth:`ListTeacher.scores`.

        A model that ranks for users has an opinion on each user's best items only: ``k`` and as many as the user has
        chosen, so that ``k`` are left when those are masked.
        """
        domain = self._finetuned()
        chosen = self._renumbered(instances if rows is None else instances.take(rows))
        found = np.full((len(chosen), domain.n_items), -np.inf, np.float32)
        if self._lists is not None:
            self._lists.fill(found, self._users(chosen))
        else:
            step = max(1, _BLOCK // domain.n_items)
            for start in range(0, len(chosen), step):
                rows = np.arange(start, min(start + step, len(chosen)))
                self._history_scores(chosen, rows, found)
        found /= self._unit
        if instances.items == domain.items:
            return found
        place = places(instances.items, domain.items)
        return np.where(place >= 0, found[:, place], np.float32(-np.inf))

    def _history_scores(self, instances: Instances, rows: npt.NDArray[np.int64], found: Float32) -> None:
        domain, made = self._finetuned(), self._recommender()
        order = _order(made.items)
        number = np.zeros(domain.n_items + 1, np.int64)
        number[order + 1] = np.arange(1, len(order) + 1)
        items, lengths = instances.padded(rows, self.max_length)
        asked = lengths > 0
        wide = np.zeros((int(asked.sum()), self.max_length), np.int64)
        wide[:, : items.shape[1]] = number[items[asked]]
        users = _ids(made.users, self._users(instances)[rows[asked]])
        if len(wide):
            with random_states_kept():
                scores = made.for_histories(wide, lengths[asked], users)
            found[np.ix_(rows[asked], order)] = scores[:, 1:].numpy()

    def _renumbered(self, instances: Instances) -> Instances:
        """The rows in the domain's numbering of items, of their newest items those that it has."""
        domain = self._finetuned()
        if instances.items == domain.items:
            return instances
        place = places(instances.items, domain.items)[instances.flat]
        start = np.maximum(instances.start, instances.stop - self.max_length)
        place, start, stop = only_known(place, start, instances.stop, place >= 0)
        flat, target = place.astype(np.int32), np.zeros(len(instances), np.int32)  # nobody asks for targets
        return replace(instances, items=domain.items, flat=flat, start=start, stop=stop, target=target)

    def _users(self, instances: Instances) -> npt.NDArray[np.int64]:
        """Each row's user in the domain, -1 for a stranger."""
        domain = self._finetuned()
        if instances.users == domain.users or not instances.users:
            return instances.user
        known = places(instances.users, domain.users)
        return np.where(instances.user >= 0, known[instances.user], -1)

    def _recommender(self) -> Recommender:
        """The sequential model, made anew after loading from the data that it was made for."""
        if self._asked is None:
            with tempfile.TemporaryDirectory(prefix="ckd-") as scratch, random_states_kept():
                domain = self._finetuned()
                data = self._data(domain, scratch)
                counts = (domain.n_users, domain.n_items) if self._loaded else None
                self._asked = Recommender.rebuild(self.model, *data, Path(scratch), self._weights, counts=counts)
        return self._asked

    def _finetuned(self) -> Domain:
        if self.domain is None:
            raise TeacherError("teacher 'recbole' has not been fine-tuned; call finetune(domain) first")
        return self.domain

    # On disk.

    @property
    def digest(self) -> str:
        """See :meth:`Teacher.digest`."""
        return storage.weights_digest(self._config(), self._arrays())

    @property
    def parameters(self) -> int:
        """See :meth:`Teacher.parameters`; of closed forms the matrices, of trees the nodes."""
        return self._size

    def save(self, folder: str | Path) -> None:
        """See :meth:`Teacher.save`: of a sequential model the weights and its data, of others the users' lists."""
        storage.write(folder, self._config(), self._arrays())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """See :meth:`Teacher.load`."""
        config, arrays = storage.read(folder, cls.name)
        try:
            teacher = cls(**config["options"])
            teacher._unit, teacher._size = float(config["unit"]), int(config["size"])
            teacher._loaded = bool(config["loaded"])
            items = tuple(config["items"])
            data = {name: arrays[f"domain.{name}"].numpy() for name in ("offsets", "sequence", "valid")}
            users = tuple(config["users"])
            nobody = np.full(len(users), -1)
            teacher.domain = Domain(
                config["domain"], items, (None,) * len(items), users, test=nobody, attributes={}, **data
            )
            teacher._weights = below(arrays, "model.")
            lists = below(arrays, "lists.")
            teacher._lists = UserLists(**{name: a.numpy() for name, a in lists.items()}) if lists else None
        except (KeyError, TypeError, ValueError, CkdError) as error:
            reason = str(error).splitlines()[0]
            raise TeacherError(f"{folder} does not fit this 'recbole' ({reason}); train it again") from error
        return teacher

    def _config(self) -> dict[str, Any]:
        domain = self._finetuned()
        return {
            "teacher": self.name,
            "options": {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in self.files},
            "domain": domain.name,
            "items": list(domain.items),
            "users": list(domain.users),
            "unit": self._unit,
            "size": self._size,
            "loaded": self._loaded,
        }

    def _arrays(self) -> dict[str, Tensor]:
        domain = self._finetuned()
        arrays = {f"domain.{name}": getattr(domain, name) for name in ("offsets", "sequence", "valid")}
        if self._lists is not None:
            arrays |= {f"lists.{name}": value for name, value in vars(self._lists).items()}
        tensors = {name: torch.from_numpy(value) for name, value in arrays.items()}
        return tensors | {f"model.{name}": value for name, value in self._weights.items()}


def _refusal(model: str) -> str | None:
    """Why a RecBole model cannot teach, or ``None``."""
    if missing := missing_package(model):
        return missing
    model_kind(model)  # raises where there is no such model
    wanted = needs(model)
    if model == "Random":
        return "it ranks at random: nothing to teach"
    if wanted.files:
        return f"it reads {' '.join('.' + ending for ending in wanted.files)} files, and teachers see interactions only"
    if wanted.item_features:
        return "it reads item features, and teachers see interactions only"
    if has_own_dataset(model):
        return "it reads columns that RecBole draws for it alone, and teachers see histories only"
    return None


def _ids(tokens: Sequence[str], wanted: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """RecBole's ids of the domain's indices; 0 for -1 and for what it does not know."""
    table = np.zeros(max([int(t) for t in tokens[1:]] + [int(wanted.max(initial=0))]) + 2, np.int64)
    table[np.array([int(t) for t in tokens[1:]], np.int64)] = np.arange(1, len(tokens))
    return table[wanted]  # -1 is the last place, which is nobody's


def _order(tokens: Sequence[str]) -> npt.NDArray[np.int64]:
    """The domain's index of each of RecBole's ids from 1 on."""
    return np.array([int(t) for t in tokens[1:]], np.int64)
