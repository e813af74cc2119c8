"""How hard a training instance is: five measures, and how they become one.

A measure is ``f(evidence, **options) -> float64 [R]``; larger is harder, the scale is its own. NaN says that the
measure knows nothing of a row.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from ckd_plugins.curriculum.evidence import Evidence, Floats
from ckd_plugins.errors import ConfigError, DataError

__all__ = ["cdf", "combine", "length", "popularity", "student_loss", "teacher_confidence", "teacher_disagreement"]


def length(evidence: Evidence, *, short_is_hard: bool = False) -> Floats:
    r"""Length of the history, :math:`d(s) = |s|`.

    Source: sequence length is one of CKD-MDSR's two signals (arXiv:2401.00797); its direction is not known. Long is
    hard in the source of competence-based curricula (Platanios et al., NAACL 2019).

    Args:
        evidence: the rows.
        short_is_hard: ``True`` turns it round: little history tells little.
    """
    value = evidence.lengths.astype(np.float64)
    return -value if short_is_hard else value


def popularity(
    evidence: Evidence, *, over: Literal["sequence", "target"] = "sequence", popular_is_hard: bool = False
) -> Floats:
    r"""Mean surprise at the items, :math:`d(s) = -\frac{1}{|s|} \sum_{i \in s} \log \hat p(i)`: rare items are hard.

    :math:`\hat p` is an item's share of the train interactions; an item without any counts as one.

    Source: item popularity is the other of CKD-MDSR's two signals (arXiv:2401.00797), reconstructed after the word
    rarity of Platanios et al., NAACL 2019 (there a sum; the mean keeps length out of it).

    Args:
        evidence: the rows.
        over: the history and the target, or the target alone.
        popular_is_hard: ``True`` turns it round.
    """
    counts = np.maximum(evidence.popularity, 1.0)
    surprise = -np.log(counts / max(float(evidence.popularity.sum()), 1.0))
    value = surprise[evidence.targets]
    if over == "sequence":
        value = (evidence.history_sum(surprise) + value) / (evidence.lengths + 1)
    elif over != "target":
        raise ConfigError(f"difficulty popularity: over must be 'sequence' or 'target', not {over!r}")
    return -value if popular_is_hard else value


def teacher_confidence(evidence: Evidence, *, confident_is_hard: bool = False) -> Floats:
    """One minus the teachers' mean confidence: what even they do not foresee is hard.

    Args:
        evidence: the rows.
        confident_is_hard: ``True`` turns it round.

    Raises:
        ConfigError: no teacher was asked.
    """
    if evidence.confidence is None:
        raise ConfigError("difficulty teacher_confidence needs teachers; name at least one, or leave the measure out")
    return evidence.confidence if confident_is_hard else 1.0 - evidence.confidence


def teacher_disagreement(evidence: Evidence, *, agreement_is_hard: bool = False) -> Floats:
    """The teachers' mean divergence from one another: what they dispute is hard.

    Args:
        evidence: the rows.
        agreement_is_hard: ``True`` turns it round.

    Raises:
        ConfigError: no teacher was asked.
    """
    if evidence.disagreement is None:
        raise ConfigError("difficulty teacher_disagreement needs teachers; name two or more, or leave the measure out")
    return -evidence.disagreement if agreement_is_hard else evidence.disagreement


def student_loss(evidence: Evidence, *, low_is_hard: bool = False) -> Floats:
    r"""What the student lost on the row when it last met it: what it cannot do yet is hard.

    :math:`-\log q_u(i_u^+) - \log C_u`, with a softmax over the :math:`C_u` distinct targets of the batch: 0 at chance.
    Asked anew before each epoch; rows that the student has not met yet are in the middle.

    Source: self-paced learning, Kumar, Packer & Koller, NIPS 2010; remembering the losses of earlier epochs, Loshchilov
    & Hutter, "Online Batch Selection", ICLR workshop 2016 (arXiv:1511.06343).

    Args:
        evidence: the rows.
        low_is_hard: ``True`` turns it round.

    Raises:
        ConfigError: no student is watched.
    """
    if evidence.student_loss is None:
        raise ConfigError("difficulty student_loss needs a student that is distilled; name a teacher, or leave it out")
    return -evidence.student_loss if low_is_hard else evidence.student_loss


def cdf(values: Floats) -> Floats:
    """Share of rows whose value is at most the row's own: ``[R]`` in (0, 1]; 0.5 where the value is NaN.

    Takes the scale out, so that measures can be added (Platanios et al., NAACL 2019). Rows with NaN are neither easy
    nor hard, and do not count.
    """
    result = np.full(len(values), 0.5)
    given = ~np.isnan(values)
    known = values[given]
    if len(known):
        result[given] = np.searchsorted(np.sort(known), known, side="right") / len(known)
    return result


def combine(
    measures: Mapping[str, Floats],
    weights: Mapping[str, float] | None = None,
    *,
    direction: Literal["easy_first", "hard_first"] = "easy_first",
) -> Floats:
    r"""Join measures into one difficulty.

    .. math:: d(r) = \mathrm{CDF}\Big( \sum_m \alpha_m\, \mathrm{CDF}(d_m)(r) \Big/ \sum_m \alpha_m \Big)

    Args:
        measures: each ``[R]``.
        weights: :math:`\alpha` by name, not negative; a name left out weighs 1.
        direction: ``"hard_first"`` turns the whole round (an anti-curriculum).

    Returns:
        ``[R]`` in (0, 1]: the share of rows that come no later.

    Raises:
        ConfigError: no measure, unknown names, or weights that are negative or all 0.
        DataError: the measures disagree in length.
    """
    if not measures:
        raise ConfigError("a curriculum needs at least one measure of difficulty (length, popularity, ...)")
    weights = weights or {}
    unknown = sorted(set(weights) - set(measures))
    if unknown:
        raise ConfigError(
            f"curriculum: weight for {unknown[0]!r}, which is none of its measures ({', '.join(measures)})"
        )
    alpha = {name: float(weights.get(name, 1.0)) for name in measures}
    if not all(0 <= a < float("inf") for a in alpha.values()) or not sum(alpha.values()) > 0:
        raise ConfigError(f"curriculum: weights must be 0 or more, and one above 0, not {alpha}")
    if len({len(values) for values in measures.values()}) > 1:
        raise DataError(f"curriculum: measures differ in rows: { {n: len(v) for n, v in measures.items()} }")
    if direction not in ("easy_first", "hard_first"):
        raise ConfigError(f"curriculum: direction must be 'easy_first' or 'hard_first', not {direction!r}")
    joint = sum((alpha[name] * cdf(values) for name, values in measures.items()), np.zeros(1)) / sum(alpha.values())
    # Equal difficulties must stay equal: sums in floating point differ in the last bits.
    joint = np.round(joint, 12)
    return cdf(-joint if direction == "hard_first" else joint)
