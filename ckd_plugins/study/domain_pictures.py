"""A picture of domains: how active users are, how popular items, and what the domains share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ckd_plugins._whole import whole
from ckd_plugins.domains.describing import Description, Overlap
from ckd_plugins.domains.domain import Domain
from ckd_plugins.errors import ConfigError
from ckd_plugins.study.pictures import _pyplot

__all__ = ["check_picture", "draw_domains"]

_KINDS = ("png", "svg", "pdf")


def check_picture(path: Path) -> None:
    """Find out before anything is read whether a picture can be written.

    Raises:
        ConfigError: the path is no file of a known kind in a folder that is there.
        EnvironmentProblem: there is no matplotlib.
    """
    if path.suffix[1:] not in _KINDS or path.is_dir() or not path.absolute().parent.is_dir():
        kinds = ", ".join(f".{kind}" for kind in _KINDS)
        raise ConfigError(f"{str(path)!r} is no place for a picture; name a file ({kinds}) in a folder that is there")
    _pyplot()


def draw_domains(
    path: Path, domains: Sequence[Domain], descriptions: Sequence[Description], shared: Sequence[Overlap]
) -> None:
    """Draw user activity, item popularity, text coverage, and with several domains the users and items they share.

    Args:
        path: the file, of a kind that its ending says.
        domains: read without holding anything out.
        descriptions: of the same domains.
        shared: of each two of them.
    """
    pyplot = _pyplot()
    panels: list[Callable[[Any], None]] = [
        lambda axes: _activity(axes, domains),
        lambda axes: _popularity(axes, domains),
        lambda axes: _coverage(axes, descriptions),
    ]
    if shared:
        names = [domain.name for domain in domains]
        panels.append(lambda axes: _shares(axes, names, shared, "users"))
        panels.append(lambda axes: _shares(axes, names, shared, "items"))
    figure, grid = pyplot.subplots(1, len(panels), figsize=(3.6 * len(panels), 3.2), layout="constrained")
    for axes, panel in zip(grid, panels, strict=True):
        panel(axes)
        axes.spines[["top", "right"]].set_visible(False)
    grid[0].legend(frameon=False, fontsize=8)
    with whole(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], dpi=150)
    pyplot.close(figure)


def _activity(axes: Any, domains: Sequence[Domain]) -> None:
    """Share of users with at least so many interactions."""
    for domain in domains:
        lengths, users = np.unique(np.diff(domain.offsets), return_counts=True)
        axes.step(lengths, users[::-1].cumsum()[::-1] / domain.n_users, where="pre", label=domain.name)
    axes.set(xscale="log", yscale="log", xlabel="interactions", ylabel="share of users with so many or more")


def _popularity(axes: Any, domains: Sequence[Domain]) -> None:
    for domain in domains:
        popularity = np.sort(domain.popularity)[::-1]
        axes.plot(np.arange(1, len(popularity) + 1), popularity, label=domain.name)
    axes.set(xscale="log", yscale="log", xlabel="rank of the item", ylabel="interactions")


def _coverage(axes: Any, descriptions: Sequence[Description]) -> None:
    for at, about in enumerate(descriptions):
        axes.barh(at, about.with_text / about.items, height=0.6, color=f"C{at}")
    axes.set_yticks(range(len(descriptions)), [about.name for about in descriptions])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of items with a text")


def _shares(axes: Any, names: Sequence[str], shared: Sequence[Overlap], of: str) -> None:
    table, numbers = np.eye(len(names)), False
    for overlap in shared:
        a, b = names.index(overlap.first), names.index(overlap.second)
        table[a, b] = table[b, a] = getattr(overlap, f"{of}_share")
        numbers |= getattr(overlap, f"{of}_are_numbers")
    axes.imshow(table, vmin=0, vmax=1, cmap="Blues")
    for (row, column), value in np.ndenumerate(table):
        colour = "white" if value > 0.6 else "black"
        axes.text(column, row, f"{value:.1%}", ha="center", va="center", color=colour, fontsize=7)
    axes.set_xticks(range(len(names)), names, rotation=30, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_title(f"shared {of}, of the domain with fewer" + "\n(plain numbers)" * numbers, fontsize=9)
