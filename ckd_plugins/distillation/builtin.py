"""The candidate sources, integrators, losses, balances and ramps that come with the package."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.specs import BalanceSpec, CandidatesSpec, IntegratorSpec, LossSpec, RampSpec

__all__ = [
    "ckd_register_balances",
    "ckd_register_candidates",
    "ckd_register_integrators",
    "ckd_register_losses",
    "ckd_register_ramps",
]

_ROOM = "ckd_plugins.distillation"


@hookimpl
def ckd_register_candidates() -> Iterator[CandidatesSpec]:
    """Register ``in_batch``, ``uniform``, ``popular``, ``teachers_top`` and ``full``."""
    yield CandidatesSpec(
        name="in_batch",
        factory=f"{_ROOM}.candidates.in_batch:InBatch",
        summary="the distinct targets of the batch (CKD-MDSR)",
    )
    yield CandidatesSpec(
        name="uniform",
        factory=f"{_ROOM}.candidates.uniform:Uniform",
        summary="random items, shared by the batch, and each row's own target",
    )
    yield CandidatesSpec(
        name="popular",
        factory=f"{_ROOM}.candidates.popular:Popular",
        summary="random items by a power of their popularity, and each row's own target",
    )
    yield CandidatesSpec(
        name="teachers_top",
        factory=f"{_ROOM}.candidates.teachers_top:TeachersTop",
        summary="what each teacher ranks highest for the row, and its own target",
    )
    yield CandidatesSpec(
        name="full", factory=f"{_ROOM}.candidates.full:Full", summary="the whole catalogue, read in chunks of rows"
    )


@hookimpl
def ckd_register_integrators() -> Iterator[IntegratorSpec]:
    """Register ``confidence_consistency``, its halves, ``entropy``, ``best``, ``learned``, ``uniform``, ``fixed``."""
    yield IntegratorSpec(
        name="confidence_consistency",
        factory=f"{_ROOM}.integrators.confidence_consistency:ConfidenceConsistency",
        summary="confidence in the real choice times agreement with the other teachers (CKD-MDSR)",
    )
    yield IntegratorSpec(
        name="confidence",
        factory=f"{_ROOM}.integrators.confidence:Confidence",
        summary="what a teacher gives to the real choice",
    )
    yield IntegratorSpec(
        name="consistency",
        factory=f"{_ROOM}.integrators.consistency:Consistency",
        summary="how far a teacher agrees with the others",
    )
    yield IntegratorSpec(
        name="entropy",
        factory=f"{_ROOM}.integrators.entropy:Entropy",
        summary="how sure a teacher is, whatever the real choice",
    )
    yield IntegratorSpec(
        name="best",
        factory=f"{_ROOM}.integrators.best:Best",
        summary="the one teacher that gives most to the real choice",
    )
    yield IntegratorSpec(
        name="learned",
        factory=f"{_ROOM}.integrators.learned:Learned",
        summary="a gate network that learns which teacher is right about which rows",
    )
    yield IntegratorSpec(
        name="uniform",
        factory=f"{_ROOM}.integrators.uniform:UniformIntegrator",
        summary="all teachers and instances weigh the same",
    )
    yield IntegratorSpec(
        name="fixed", factory=f"{_ROOM}.integrators.fixed:FixedIntegrator", summary="teachers' weights given by hand"
    )


@hookimpl
def ckd_register_losses() -> Iterator[LossSpec]:
    """Register ``kl`` and the other losses of scores, and ``feature_regression``, of vectors."""
    yield LossSpec(
        name="kl",
        factory=f"{_ROOM}.losses.kl:KLDivergence",
        summary="divergence of the student from the target: covers all that teachers hold likely",
    )
    yield LossSpec(
        name="reverse_kl",
        factory=f"{_ROOM}.losses.reverse_kl:ReverseKL",
        summary="divergence of the target from the student: avoids what teachers hold unlikely",
    )
    yield LossSpec(
        name="js", factory=f"{_ROOM}.losses.js:JensenShannon", summary="between the two divergences, and bounded"
    )
    yield LossSpec(
        name="mse", factory=f"{_ROOM}.losses.mse:StandardizedMSE", summary="squared error of standardised scores"
    )
    yield LossSpec(
        name="cross_entropy",
        factory=f"{_ROOM}.losses.cross_entropy:SoftCrossEntropy",
        summary="soft labels: kl plus the target's entropy",
    )
    yield LossSpec(
        name="listwise",
        factory=f"{_ROOM}.losses.listwise:ListMLE",
        summary="likelihood of the target's ranking, best places first",
    )
    yield LossSpec(
        name="pairwise",
        factory=f"{_ROOM}.losses.pairwise:Pairwise",
        summary="the order of pairs, as surely as the target has it (RankNet, BPR)",
    )
    yield LossSpec(
        name="feature_regression",
        factory=f"{_ROOM}.losses.feature_regression:FeatureRegression",
        summary="the teachers' vectors, estimated from the student's by experts that learn with it (DE)",
    )


@hookimpl
def ckd_register_balances() -> Iterator[BalanceSpec]:
    """Register ``fixed``, ``gradient_norm`` and ``uncertainty``."""
    yield BalanceSpec(
        name="fixed",
        factory=f"{_ROOM}.balances.fixed:FixedBalance",
        summary="the weight is the weight",
    )
    yield BalanceSpec(
        name="gradient_norm",
        factory=f"{_ROOM}.balances.gradient_norm:GradientNorm",
        summary="the weight is the ratio of the two gradients' norms",
    )
    yield BalanceSpec(
        name="uncertainty",
        factory=f"{_ROOM}.balances.uncertainty:Uncertainty",
        summary="each loss counts by a variance that is learned (Kendall 2018)",
    )


@hookimpl
def ckd_register_ramps() -> Iterator[RampSpec]:
    """Register ``linear``, ``cosine``, ``steps`` and ``hold``."""
    yield RampSpec(name="linear", factory=f"{_ROOM}.ramps:Linear", summary="as far every epoch")
    yield RampSpec(name="cosine", factory=f"{_ROOM}.ramps:Cosine", summary="slow at both ends")
    yield RampSpec(name="steps", factory=f"{_ROOM}.ramps:Steps", summary="stages of equal duration")
    yield RampSpec(name="hold", factory=f"{_ROOM}.ramps:Hold", summary="the first value, and then the last")
