"""What teachers that are one network share: which domains and items they know, and how they are kept on disk."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from ckd_plugins.domains.domain import Domain
from ckd_plugins.domains.instances import places
from ckd_plugins.errors import TeacherError
from ckd_plugins.teachers import storage
from ckd_plugins.teachers.base import Teacher
from ckd_plugins.teachers.ranges import check_ranges

__all__ = ["NetworkTeacher"]

Int64 = npt.NDArray[np.int64]

_LOCAL = ("encoder", "cache_dir", "device")
"""Options that belong to a machine, not to a teacher; so do files and models, whose content went into the weights."""


@dataclass(kw_only=True, eq=False)
class NetworkTeacher(Teacher):
    """A network that is pre-trained on domains and fine-tuned on one, whose items it knows then."""

    settled: ClassVar[tuple[str, ...]] = ()
    """Options that are decided once there are weights: with another value these would mean something else."""

    domain: str | None = field(init=False, default=None)
    """Name of the domain it was fine-tuned on."""
    pretrained_on: tuple[str, ...] = field(init=False, default=())
    """Names of the domains it was pre-trained on; a checkpoint's are not known."""
    _items: tuple[str, ...] = field(init=False, default=(), repr=False)

    def __post_init__(self) -> None:
        check_ranges(self)

    def _places(self, tokens: tuple[str, ...]) -> Int64:
        """Each token's index in the catalogue, -1 where it is unknown."""
        self._finetuned()
        return places(tokens, self._items)

    def _places_of(self, domain: Domain) -> Int64:
        """The same of a domain's items, all of which must be known.

        Raises:
            TeacherError: if one is not.
        """
        places = self._places(domain.items)
        if (places < 0).any():
            unknown = domain.items[int(np.argmin(places))]
            raise TeacherError(
                f"teacher {self.name!r} was fine-tuned on {self.domain!r} and does not know item {unknown!r} of "
                f"{domain.name!r}; fine-tune it on that domain"
            )
        return places

    @abstractmethod
    def _finetuned(self) -> nn.Module:
        """Return the network that knows a domain.

        Raises:
            TeacherError: if there is none yet.
        """

    # On disk.

    @property
    def digest(self) -> str:
        """See :meth:`Teacher.digest`."""
        return storage.weights_digest(self._config(), self._weights())

    def save(self, folder: str | Path) -> None:
        """See :meth:`Teacher.save`."""
        storage.write(folder, self._config(), self._weights())

    @classmethod
    def load(cls, folder: str | Path, **options: Any) -> Self:
        """See :meth:`Teacher.load`.

        Args:
            folder: what :meth:`save` wrote.
            options: settings to change for further training, such as ``finetune_epochs``; and what belongs to a
                machine and is not saved, such as a language model, needed to train further only.

        Raises:
            TeacherError: also where an option is not that of the training before, and would have to be.
        """
        config, weights = storage.read(folder, cls.name)
        if weights and options.get("checkpoint") is not None:
            raise TeacherError(f"{folder} holds weights to start from, and so does the option checkpoint; give one")
        try:
            for name in cls.settled:
                if weights and name in options and options[name] != config["options"][name]:
                    raise TeacherError(
                        f"{folder} was trained with {name}={config['options'][name]!r}, so that {options[name]!r} does "
                        f"not fit its weights; leave the option away, or train from nothing"
                    )
            teacher = cls(**{**config["options"], **options})
            teacher.domain, teacher._items = config["domain"], tuple(config["items"])
            teacher.pretrained_on = tuple(config["pretrained_on"])
            teacher._restore(config, weights)
        except (KeyError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise TeacherError(f"{folder} does not fit this {cls.name!r} ({reason}); train it again") from error
        return teacher

    def _config(self) -> dict[str, Any]:
        local = (*_LOCAL, *self.files, *self.models)
        return {
            "teacher": self.name,
            "options": {f.name: getattr(self, f.name) for f in fields(self) if f.init and f.name not in local},
            "domain": self.domain,
            "pretrained_on": list(self.pretrained_on),
            "items": list(self._items),
        }

    @abstractmethod
    def _weights(self) -> dict[str, Tensor]:
        """Return what to store beside :meth:`_config`."""

    @abstractmethod
    def _restore(self, config: dict[str, Any], weights: dict[str, Tensor]) -> None:
        """Take over what :meth:`_config` and :meth:`_weights` gave; domains and items are there already."""
