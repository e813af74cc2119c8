"""Trials of what weighs distillation: balances and ramps."""

from __future__ import annotations

import math

import torch

from ckd_plugins._discovery import FAULTS, sentence
from ckd_plugins.distillation.balances.base import Balance
from ckd_plugins.errors import CkdError, PluginError

__all__ = ["try_balance", "try_ramp"]


def try_balance(balance: object) -> None:
    """Show a balance two batches of a made-up student.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it is no balance, it fails, or its shares are not two numbers above 0.
    """
    if not isinstance(balance, Balance):
        raise PluginError(f"is a {type(balance).__name__}, not a ckd_plugins.distillation.Balance")
    parameter = torch.tensor([0.5, 2.0], requires_grad=True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        for batch in range(3):
            try:
                shares = balance.shares()
                fine = len(shares) == 2 and all(math.isfinite(share) and share > 0 for share in shares)
                balance.see(parameter.square().sum(), (parameter - batch).square().sum(), [parameter])
            except CkdError:
                raise
            except FAULTS as error:
                raise PluginError(f"fails in batch {batch}: {sentence(error)}") from error
            if not fine:
                raise PluginError(f"gives the shares {shares!r} in batch {batch}; two numbers above 0 are asked for")


def try_ramp(ramp: object) -> None:
    """Ask a ramp along its way.

    Raises:
        CkdError: as it raises one itself.
        PluginError: it fails, or leaves [0, 1].
    """
    if not callable(ramp):
        raise PluginError(f"is a {type(ramp).__name__}, not a ckd_plugins.distillation.ramps.Ramp")
    for step in range(11):
        try:
            share = float(ramp(step / 10))
        except CkdError:
            raise
        except FAULTS as error:
            raise PluginError(f"fails at {step / 10:g} of its way: {sentence(error)}") from error
        if not 0 <= share <= 1:
            raise PluginError(f"gives {share:g} at {step / 10:g} of its way; a number in [0, 1] is asked for")
