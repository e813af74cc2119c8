"""The interface of a teacher."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances
from ckd_plugins.teachers.history import History, Progress

__all__ = ["Teacher"]

Float32 = npt.NDArray[np.float32]
Int32 = npt.NDArray[np.int32]
UInt64 = npt.NDArray[np.uint64]


class Teacher(ABC):
    """A pre-trained recommender that is asked how well items continue histories.

    Its knowledge is given as factors: the score of item ``i`` after row ``r``'s history is
    ``encode(instances)[r] @ item_factors(domain)[i]``; a softmax over scores divides them by ``temperature`` first.
    A teacher without such vectors derives from :class:`ListTeacher` instead.

    The order of calls: any number of ``pretrain``, then ``finetune`` on the domain that students learn, then
    ``item_factors`` and ``encode``. A concrete teacher's options are the keyword arguments of its class.
    """

    name: ClassVar[str]
    """What configs call it."""
    form: Literal["factors", "topk"] = "factors"
    """How its knowledge is asked for and stored."""
    outside: Literal["floor", "mask"] = "floor"
    """Of lists: what an item gets that is not on a row's list, see :class:`~ckd_plugins.signals.TopKSignal`."""
    files: ClassVar[tuple[str, ...]] = ()
    """Options that are paths of files or folders, or mappings to paths (a checkpoint, image vectors): what is in them
    makes another teacher, where they lie does not."""
    models: ClassVar[tuple[str, ...]] = ()
    """Options that name a model, by the path of a folder or by a hub's id: of a folder counts what is in it."""
    instead_of_text: ClassVar[tuple[str, ...]] = ()
    """Options that stand for item texts: a run that gives one of them needs neither texts nor a text encoder."""
    max_length: int
    """How many of a history's newest items it reads; the content keys of its answers use the same number."""
    temperature: float
    """Divides its scores in a softmax."""

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """Refuse options that contradict one another, before anything runs; by default none do.

        Args:
            options: as the user gave them; those left out are not there.

        Raises:
            TeacherError: saying which, and what to do.
        """
        return  # there is nothing to refuse

    @classmethod
    def form_of(cls, options: Mapping[str, Any]) -> Literal["factors", "topk"]:
        """Return the :attr:`form` of a teacher with these options, before it is made."""
        return cls.form

    @classmethod
    def split_of(cls, options: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return RecBole's settings of the run that made a file among the options, as far as the file has them.

        A model that was trained on another split has seen what is tested. By default nothing is known.

        Raises:
            CheckpointError: the file cannot be read, or is refused.
        """
        return {}

    @abstractmethod
    def pretrain(self, domains: Sequence[Domain], *, progress: Progress | None = None) -> History:
        """Learn what carries over from several domains. Reads their training interactions only.

        Raises:
            DataError: if a domain lacks what the teacher needs.
        """

    @abstractmethod
    def finetune(self, domain: Domain, *, progress: Progress | None = None) -> History:
        """Learn one domain, starting from what pre-training gave, if there was one.

        Learns from ``domain.sequence`` and keeps the weights of the epoch with the best NDCG@10 on ``domain.valid``. A
        domain without validation targets gives its users' last training interactions for that.

        Raises:
            DataError: if the domain lacks what the teacher needs.
        """

    @abstractmethod
    def item_factors(self, domain: Domain) -> Float32:
        """Return ``float32 [n_items, d]``: one vector for each of the domain's items, in their order.

        Those of items that :meth:`known_items` leaves out are read by nobody.

        Raises:
            TeacherError: if the teacher has not been fine-tuned, or does not know one of the items.
        """

    @abstractmethod
    def encode(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """Return ``float32 [len(rows), d]``: one vector a row; zeros where nothing of a history is known.

        Args:
            instances: rows of any numbering of items; tokens that the teacher does not know are passed over.
            rows: which rows; all by default.

        Raises:
            TeacherError: if the teacher has not been fine-tuned.
        """

    def known_items(self, domain: Domain) -> npt.NDArray[np.bool_]:
        """Return ``bool [n_items]``: the items that it can score; of the others students learn nothing from it.

        By default all. Items on no list of a teacher of lists are not unknown, see :attr:`outside`.
        """
        return np.ones(domain.n_items, dtype=bool)

    def keys(self, instances: Instances) -> UInt64:
        """Return what tells its answers apart, ``uint64 [R]``: rows with one key are asked about once.

        By default the newest ``max_length`` tokens of the history; 0 for a row without a history.
        """
        return instances.keys(self.max_length)

    @property
    @abstractmethod
    def digest(self) -> str:
        """Hash of the options and weights: two teachers with the same digest give the same answers."""

    @property
    @abstractmethod
    def parameters(self) -> int:
        """Number of its values, trained or taken over; what it would cost to serve it instead of a student."""

    @abstractmethod
    def save(self, folder: str | Path) -> None:
        """Write ``config.json`` and ``model.safetensors``; nothing is pickled."""

    @classmethod
    @abstractmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the teacher that :meth:`save` wrote; it gives the same factors, bit for bit on the same machine.

        Raises:
            TeacherError: if the folder holds no such teacher.
        """
