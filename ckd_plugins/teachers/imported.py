"""A teacher from files: vectors or lists that somebody's model gave, by token."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from scipy.sparse import csr_matrix
from torch import Tensor

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import Instances, places
from ckd_plugins.errors import DataError, TeacherError
from ckd_plugins.teachers import storage
from ckd_plugins.teachers.base import Float32, Int32, Teacher, UInt64
from ckd_plugins.teachers.calibration import CALIBRATED, fitted_temperature, mask_chosen
from ckd_plugins.teachers.history import History, Progress
from ckd_plugins.teachers.imports.files import beside, read_table
from ckd_plugins.teachers.imports.gather import gather_items, gather_lists, gather_vectors
from ckd_plugins.teachers.imports.rows import Kind, key_rows, row_keys

__all__ = ["Imported"]

Int64 = npt.NDArray[np.int64]

_log = logging.getLogger("ckd_plugins")


@dataclass(kw_only=True, eq=False)
class Imported(Teacher):
    """Knowledge that was made elsewhere, read from files and matched with the data by tokens.

    Give `items`, vectors of items, and perhaps `rows`, vectors of users, histories or instances: a score is their
    product. Or give `topk`, the best items of users, histories or instances. An instance is one training
    interaction: a user and the target, or a user and how many interactions came before.

    Nothing is guessed: rows and items that the files lack are left out of what students learn. How many are known, and
    which of the files' rows fit nothing, is logged; a file that fits nothing is an error. Whether the test split was
    known to whoever made a file cannot be seen in it.

    Neither pre-training nor fine-tuning changes it. Scores are in a unit of their own: they are divided by the
    temperature under which the validation targets are likeliest.
    """

    name: ClassVar[str] = "imported"
    files: ClassVar[tuple[str, ...]] = ("items", "rows", "topk", "topk_scores", "item_tokens", "row_tokens")

    items: str | None = None
    """File of item vectors."""
    rows: str | None = None
    """File of vectors of users, histories or instances, as long as those of the items. Without it a history's vector is
    the mean of those of its known items."""
    topk: str | None = None
    """File of lists, instead of vectors."""
    topk_scores: str | None = None
    """File with the scores of the lists, row by row, for matrices without names."""
    item_tokens: str | None = None
    """File with the tokens of items, for vectors without tokens and lists of numbers."""
    row_tokens: str | None = None
    """File that says whose the rows of `rows` or `topk` are, where that file does not."""
    decay: float = 1.0
    """Without `rows`: an item's weight in the mean is `decay` to the power of how many known ones follow it. 1 for the
    plain mean, 0 for the newest item alone."""
    normalize: bool = False
    """Scale all vectors to length 1, so that scores are cosines."""
    distances: bool = False
    """The lists' scores are distances: low ones are good. Of lists without scores, rank `r` scores `-log r`."""
    outside: Literal["floor", "mask"] = "floor"
    """An item that is not on a row's list scores one temperature below the last one (`floor`), or is left out of what
    students learn from the row (`mask`)."""
    k: int = 100
    """Length of the lists that students learn from, at most."""
    max_length: int = 50
    """Newest items of a history that tell it from others, or are averaged."""
    calibrate: bool = True
    """Find the unit of the scores on the validation targets; `False` if they are logits as they are."""
    temperature: float = 1.0
    """Divides the scores once more; above 1 for a flatter distribution."""

    form: Literal["factors", "topk"] = field(init=False, default="factors", repr=False)
    domain: str | None = field(init=False, default=None)
    """Name of the domain that it was matched with."""
    coverage: tuple[str, ...] = field(init=False, default=())
    """What the files know of that domain, a line each."""
    _kind: Kind | None = field(init=False, default=None, repr=False)
    _unit: float = field(init=False, default=1.0, repr=False)
    _items: tuple[str, ...] = field(init=False, default=(), repr=False)
    _arrays: dict[str, npt.NDArray[Any]] = field(init=False, default_factory=dict, repr=False)
    """``known`` and ``item_vectors`` by item, ``keys`` and ``row_vectors``, or ``keys``, ``ids`` and ``scores``."""

    def __post_init__(self) -> None:
        for option in ("k", "max_length", "temperature"):
            if not getattr(self, option) > 0:
                raise TeacherError(f"teacher 'imported': {option} is {getattr(self, option)}; it must be positive")
        if not 0 <= self.decay <= 1:
            raise TeacherError(f"teacher 'imported': decay is {self.decay}; it must lie between 0 and 1")

    @classmethod
    def check_options(cls, options: Mapping[str, Any]) -> None:
        """See :meth:`Teacher.check_options`: one kind of knowledge, and the files that belong to it."""
        given = {name for name in cls.files if options.get(name) is not None}
        if ("items" in given) == ("topk" in given):
            raise TeacherError("teacher 'imported' needs vectors in the option items, or lists in topk, and not both")
        for option, owner in (("rows", "items"), ("topk_scores", "topk")):
            if option in given and owner not in given:
                raise TeacherError(f"teacher 'imported': {option} belongs to {owner}; give both, or leave it out")

    @classmethod
    def form_of(cls, options: Mapping[str, Any]) -> Literal["factors", "topk"]:
        """See :meth:`Teacher.form_of`: that of the files that are given."""
        return "factors" if options.get("topk") is None else "topk"

    # Learning.

    def pretrain(self, domains: Sequence[Domain], *, progress: Progress | None = None) -> History:
        """Do nothing: it knows what its files say."""
        return History()

    def finetune(self, domain: Domain, *, progress: Progress | None = None) -> History:
        """Read the files and keep what the domain can ask for.

        Raises:
            TeacherError: the options name no knowledge, or two kinds.
            DataError: a file cannot be read, holds something else, or matches nothing in the domain.
        """
        self.check_options(vars(self))
        self.domain, self._items = domain.name, domain.items
        self._arrays, self._kind, self._unit, self.coverage = {}, None, 1.0, ()
        if self.topk is not None:
            self._read_lists(domain, self.topk)
        elif self.items is not None:
            self._read_vectors(domain, self.items)
        if self.calibrate:
            self._calibrate(domain)
        return History()

    def _read_vectors(self, domain: Domain, path: str) -> None:
        self.form = "factors"
        table = read_table(path, tokens="item", alone="vector", names=self.item_tokens)
        self._arrays, line = gather_items(table, path, domain)
        self.coverage = (line,)
        if self.rows is not None:
            table = read_table(self.rows, tokens="user", alone="vector", names=self.row_tokens)
            once = self._key(table, self.rows, domain)
            keys, vectors = gather_vectors(table, self.rows, "key", once=once)
            if vectors.shape[1] != (size := self._arrays["item_vectors"].shape[1]):
                raise DataError(
                    f"{self.rows}: vectors of {vectors.shape[1]} numbers, and of {size} in {path}; give one model's"
                )
            self._arrays |= {"keys": keys, "row_vectors": self._scaled(vectors)}
        self._arrays["item_vectors"] = self._scaled(self._arrays["item_vectors"])

    def _read_lists(self, domain: Domain, path: str) -> None:
        self.form = "topk"
        table = read_table(path, tokens="user", alone="items", names=self.row_tokens)
        if self.topk_scores is not None:
            scores = read_table(self.topk_scores, tokens="user", alone="scores")
            table = beside(table, path, scores, self.topk_scores)
        catalogue = None
        if self.item_tokens is not None:
            catalogue = [*read_table(self.item_tokens, tokens="item", alone="tokens")["item"]]
        once = self._key(table, path, domain)
        self._arrays, line = gather_lists(table, path, catalogue, domain, self.k, once=once, distances=self.distances)
        self.k, self.coverage = self._arrays["ids"].shape[1], (*self.coverage, line)

    def _key(self, table: pd.DataFrame, path: str, domain: Domain) -> bool:
        """Find out whose the rows are; whether a second one of a key is a mistake: histories may come again."""
        self._kind, line = key_rows(table, path, domain, self.max_length)
        self.coverage = (*self.coverage, line)
        return self._kind == "user"

    def _scaled(self, vectors: Float32) -> Float32:
        if not self.normalize:
            return vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        scaled: Float32 = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
        return scaled

    def _calibrate(self, domain: Domain) -> None:
        held = domain.valid_instances(self.max_length)
        held = held.take(np.flatnonzero(self.keys(held) != 0)[:CALIBRATED])
        if self.form == "topk":
            found = self.scores(held)
        else:
            found = self.encode(held) @ self._arrays["item_vectors"].T
            found[:, ~self._arrays["known"]] = -np.inf
        if self._kind == "user":
            mask_chosen(found, held, domain)
        self._unit = fitted_temperature(found, held.target)
        _log.info("imported: scores are divided by %.4g, found on %d known validation rows", self._unit, len(held))

    # Answers.

    def keys(self, instances: Instances) -> UInt64:
        """See :meth:`Teacher.keys`: 0 where the files do not answer."""
        self._need()
        if self._kind is None:
            keys = instances.keys(self.max_length)
            known = np.append(self._arrays["known"], False)[places(instances.items, self._items)]
            counted = np.append(0, np.cumsum(known[instances.flat]))
            begin = np.maximum(instances.start, instances.stop - self.max_length)
            return np.where(counted[instances.stop] > counted[begin], keys, np.uint64(0))
        keys = row_keys(self._kind, instances, self.max_length)
        return np.where(self._position(keys) >= 0, keys, np.uint64(0))

    def known_items(self, domain: Domain) -> npt.NDArray[np.bool_]:
        """See :meth:`Teacher.known_items`: those with a vector."""
        self._need()
        if self.form == "topk":
            return super().known_items(domain)
        return np.append(self._arrays["known"], False)[places(domain.items, self._items)]

    def item_factors(self, domain: Domain) -> Float32:
        """See :meth:`Teacher.item_factors`; zeros for items without a vector.

        Raises:
            TeacherError: it has not been fine-tuned, or has lists.
        """
        self._need("factors")
        vectors = self._arrays["item_vectors"]
        return np.concatenate([vectors, np.zeros_like(vectors[:1])])[places(domain.items, self._items)]

    def encode(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """See :meth:`Teacher.encode`.

        Raises:
            TeacherError: it has not been fine-tuned, or has lists.
        """
        self._need("factors")
        chosen = instances if rows is None else instances.take(rows)
        if self._kind is None:
            return self._scaled(self._means(chosen)) / np.float32(self._unit)
        at = self._position(row_keys(self._kind, chosen, self.max_length))
        vectors = self._arrays["row_vectors"]
        return np.where(at[:, None] >= 0, vectors[at], 0).astype(np.float32) / np.float32(self._unit)

    def lists(self, instances: Instances, rows: npt.ArrayLike | None = None) -> tuple[Int32, Float32]:
        """Return each row's best items and their scores, as :meth:`ListTeacher.lists`.

        Raises:
            TeacherError: it has not been fine-tuned, or has vectors.
        """
        self._need("topk")
        chosen = instances if rows is None else instances.take(rows)
        place = np.append(places(self._items, chosen.items), -1).astype(np.int32)
        at = self._position(row_keys(self._kind or "user", chosen, self.max_length))
        ids = np.where(at[:, None] >= 0, place[self._arrays["ids"][at]], -1)
        return ids, np.where(ids >= 0, self._arrays["scores"][at] / np.float32(self._unit), np.float32(0))

    def scores(self, instances: Instances, rows: npt.ArrayLike | None = None) -> Float32:
        """Return the scores of a whole catalogue, as :meth:`ListTeacher.scores`; ``-inf`` off the lists.

        Raises:
            TeacherError: it has not been fine-tuned, or has vectors.
        """
        ids, listed = self.lists(instances, rows)
        table = np.full((len(ids), len(instances.items)), -np.inf, np.float32)
        row, column = np.nonzero(ids >= 0)
        table[row, ids[row, column]] = listed[row, column]
        return table

    def _means(self, instances: Instances) -> Float32:
        """Weighted means of the known ones among each history's newest items, zeros where there are none."""
        items, _ = instances.padded(np.arange(len(instances)), self.max_length)
        place = np.append(-1, places(instances.items, self._items))[items]
        known = np.append(self._arrays["known"], False)[place]
        newer = known[:, ::-1].cumsum(1)[:, ::-1] - known  # known ones that follow
        weights = np.where(known, self.decay**newer, 0.0)
        weights /= np.maximum(weights.sum(1, keepdims=True), 1.0)  # the newest known one has 1
        row, column = np.nonzero(known)
        entries = (weights[row, column].astype(np.float32), (row, place[row, column]))
        means: Float32 = csr_matrix(entries, (len(instances), len(self._items))) @ self._arrays["item_vectors"]
        return means

    def _position(self, keys: UInt64) -> Int64:
        """The row of the files that answers for each key, -1 for none."""
        stored = self._arrays["keys"]
        at = np.minimum(np.searchsorted(stored, keys), len(stored) - 1)
        return np.where(stored[at] == keys, at, -1)

    def _need(self, form: str | None = None) -> None:
        if not self._arrays:
            raise TeacherError("teacher 'imported' has not been fine-tuned; call finetune(domain) first")
        if form not in (None, self.form):
            has = "vectors; ask for encode()" if self.form == "factors" else "lists and no vectors; ask for lists()"
            raise TeacherError(f"this teacher 'imported' has {has}")

    # On disk.

    @property
    def digest(self) -> str:
        """See :meth:`Teacher.digest`; where the files lie does not count."""
        return storage.weights_digest({**self._config(), "coverage": None}, self._tensors())

    @property
    def parameters(self) -> int:
        """See :meth:`Teacher.parameters`: numbers of the vectors, or entries of the lists."""
        return sum(self._arrays[name].size for name in ("item_vectors", "row_vectors", "ids") if name in self._arrays)

    def save(self, folder: str | Path) -> None:
        """See :meth:`Teacher.save`; what was taken from the files, so that they are not needed again."""
        storage.write(folder, self._config(), self._tensors())

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """See :meth:`Teacher.load`; what its files knew is logged again."""
        config, tensors = storage.read(folder, cls.name)
        try:
            teacher = cls(**config["options"])
            teacher._kind, teacher._unit = config["kind"], float(config["unit"])
            teacher.domain, teacher._items = config["domain"], tuple(config["items"])
            teacher.coverage = tuple(config["coverage"])
            plain = {name: tensor.numpy() for name, tensor in tensors.items()}
            teacher._arrays = {n: a.view(np.uint64) if n == "keys" else a for n, a in plain.items()}
            teacher.form = "topk" if "ids" in tensors else "factors"
        except (KeyError, TypeError, ValueError, TeacherError) as error:
            raise TeacherError(f"{folder} does not fit this 'imported' ({error}); make it again") from error
        for line in teacher.coverage:
            _log.info("%s", line)
        return teacher

    def _config(self) -> Mapping[str, Any]:
        self._need()
        return {
            "teacher": self.name,
            "options": {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in self.files},
            "kind": self._kind,
            "unit": self._unit,
            "domain": self.domain,
            "items": list(self._items),
            "coverage": list(self.coverage),
        }

    def _tensors(self) -> dict[str, Tensor]:
        signed = {n: a.view(np.int64) if n == "keys" else a for n, a in self._arrays.items()}
        return {name: torch.from_numpy(array) for name, array in signed.items()}
