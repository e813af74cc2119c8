"""Everything that a training loop's next step depends on, as tensors and JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ckd_plugins._prefixed import below
from ckd_plugins.teachers.history import Epoch, History
from ckd_plugins.teachers.keeping import watched_generators

__all__ = ["FitState"]

_COUNTS = ("epoch", "batch", "total", "count", "step", "seconds", "done")


@dataclass
class FitState:
    """A training loop between two batches.

    What the caller of ``fit`` makes anew from data and seed is not part of it: parameters that do not change, and the
    model itself.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    along: frozenset[str] = frozenset()
    """Names of parameters that are not trained and change all the same."""
    best: list[Tensor] = field(default_factory=list)
    """Values of :attr:`moving` after the best epoch; before that, as training found them."""
    history: History = field(default_factory=History)
    epoch: int = 1
    """The one that runs, or runs next."""
    batch: int = 0
    """How many of its batches are done."""
    total: float = 0.0
    """Sum of their losses, by prediction."""
    count: int = 0
    """Their predictions."""
    step: int = 0
    """Steps of the optimizer that are done, of all epochs."""
    seconds: float = 0.0
    """Spent so far, by all processes."""
    done: bool = False
    """There is no next epoch."""
    begun: dict[str, Any] = field(default_factory=dict)
    """States of the generators when the running epoch began."""
    _restored: dict[str, Any] | None = None
    """States of the generators, and values of ``along``, that wait for :meth:`remaining`."""

    def __post_init__(self) -> None:
        self.best = self.best or self.values()

    @property
    def place(self) -> str:
        """For people: ``"epoch 3, batch 20"``."""
        return f"epoch {self.epoch}" + (f", batch {self.batch + 1}" if self.batch else "")

    @property
    def trained(self) -> dict[str, nn.Parameter]:
        """The parameters that are trained, by name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    @property
    def moving(self) -> dict[str, nn.Parameter]:
        """The parameters that change, by name: the trained ones, and those ``along``."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad or name in self.along}

    def values(self) -> list[Tensor]:
        """Return copies of what :attr:`moving` holds now."""
        return [p.detach().clone() for p in self.moving.values()]

    def next_epoch(self) -> None:
        """Point to the next epoch."""
        self.epoch, self.batch, self.total, self.count = self.epoch + 1, 0, 0.0, 0

    def capture(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return tensors and JSON from which :meth:`restore` goes on; of a finished loop what it ends with."""
        moving, names = self.moving, list(self.trained)
        tensors = {f"best.{name}": value for name, value in zip(moving, self.best, strict=True)}
        tensors |= {f"buffer.{name}": value for name, value in self.model.named_buffers()}
        plain = {
            "history": {**vars(self.history), "epochs": [asdict(epoch) for epoch in self.history.epochs]},
            **{name: getattr(self, name) for name in _COUNTS},
        }
        if not self.done:
            tensors |= {f"model.{name}": value for name, value in moving.items()}
            for at, values in self.optimizer.state_dict()["state"].items():
                tensors |= {f"adam.{names[at]}.{key}": value for key, value in values.items()}
        moments = {"now": _generators(self.model), **({"begun": self.begun} if self.batch else {})}
        for when, states in moments.items():
            plain[f"numpy.{when}"] = states["numpy"]
            tensors |= {f"torch.{when}.{device}": value for device, value in states["torch"].items()}
        return tensors, plain

    def restore(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> bool:
        """Become what :meth:`capture` saw; the generators and the inside of an epoch are :meth:`remaining`'s part.

        Of a finished loop nothing remains, and the generators are set here: the stage may have another loop.

        Returns:
            Whether the state is one of such a model; if not, nothing is changed.
        """
        moving = self.moving
        prefix = "best." if plain["done"] else "model."
        kept = below(tensors, prefix)
        kept |= {name: t for name, t in tensors.items() if name.startswith("buffer.")}
        places: dict[str, Tensor] = {**moving, **{f"buffer.{n}": b for n, b in self.model.named_buffers()}}
        if {n: t.shape for n, t in kept.items()} != {n: t.shape for n, t in places.items()}:
            return False
        with torch.no_grad():
            for name, place in places.items():
                place.copy_(kept[name])
        self.best = [tensors[f"best.{name}"].to(parameter.device) for name, parameter in moving.items()]
        told = dict(plain["history"])
        self.history = History(**{**told, "epochs": [Epoch(**epoch) for epoch in told["epochs"]]})
        for name in _COUNTS:
            setattr(self, name, plain[name])
        states = {when: _states(tensors, plain, when) for when in ("begun", "now") if f"numpy.{when}" in plain}
        if self.done:
            _set_generators(self.model, states["now"])
            return True
        self._restore_optimizer(tensors, list(self.trained))
        along = {name: tensors[f"model.{name}"] for name in moving if name in self.along}
        self._restored = {**states, "along": along}
        return True

    def _restore_optimizer(self, tensors: Mapping[str, Tensor], names: Sequence[str]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for at, name in enumerate(names):
            # "a.b" and "a.b.c" may both be parameters; what Adam keeps has no dot in its name.
            values = {key: value for key, value in below(tensors, f"adam.{name}.").items() if "." not in key}
            if values:
                state[at] = values
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})

    def remaining(self, batches: Callable[[], Iterable[Any]]) -> Iterable[Any]:
        """An epoch's batches without those that are done; sets the generators of a restored state on the way."""
        states, self._restored = self._restored, None
        if states is None:
            self.begun = _generators(self.model)
            return batches()
        for _ in range(0 if watched_generators() else self.epoch - 1):
            for _batch in batches():
                pass
        self.begun = states.get("begun", states["now"])
        _set_generators(self.model, self.begun)
        left = iter(batches())
        for _ in range(self.batch):
            next(left)
        if self.batch:  # else drawing the batches may have moved the generators, and what goes along, already
            _set_generators(self.model, states["now"])
            with torch.no_grad():
                for name, value in states["along"].items():
                    self.moving[name].copy_(value)
        return left


def _generators(model: nn.Module) -> dict[str, Any]:
    found = {"cpu": torch.get_rng_state()}
    device = next(iter(model.parameters())).device
    if device.type == "cuda":
        found["cuda"] = torch.cuda.get_rng_state(device)
    return {"torch": found, "numpy": [generator.bit_generator.state for generator in watched_generators()]}


def _set_generators(model: nn.Module, states: Mapping[str, Any]) -> None:
    torch.set_rng_state(states["torch"]["cpu"])
    if "cuda" in states["torch"]:
        torch.cuda.set_rng_state(states["torch"]["cuda"], next(iter(model.parameters())).device)
    for generator, state in zip(watched_generators(), states["numpy"], strict=True):
        generator.bit_generator.state = state


def _states(tensors: Mapping[str, Tensor], plain: Mapping[str, Any], when: str) -> dict[str, Any]:
    return {"torch": below(tensors, f"torch.{when}."), "numpy": plain[f"numpy.{when}"]}
