"""The ``ckd:`` section of a RecBole YAML: every setting with its type, default and meaning.

Settings are checked before anything runs, and an unknown one is an error that names the nearest valid one: RecBole
itself ignores what it does not know, so a misspelt setting would silently train another model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from ckd_plugins._component import Component, Lookup, Name, Section
from ckd_plugins._config_errors import config_error
from ckd_plugins._config_files import SECTION, SHORT, overlay, parse_value, read_yaml, split
from ckd_plugins._measure import Measure
from ckd_plugins._scheduled import NotNegative, Number, Positive, Scheduled
from ckd_plugins._teacher_component import TeacherComponent, labelled

__all__ = [
    "TEXT_FIELDS",
    "CkdConfig",
    "Component",
    "Curriculum",
    "Domains",
    "Lookup",
    "Measure",
    "Scheduled",
    "Signals",
    "Speed",
    "Targets",
    "TeacherComponent",
    "TeacherOrder",
    "Text",
    "default_cache_dir",
    "json_schema",
    "load_config",
    "parse_value",
]

Flag = Annotated[bool, Field(strict=True)]


def _switched(given: Any) -> Any:
    """``true`` as a section's defaults, ``false`` as none."""
    if isinstance(given, bool):
        return {} if given else None
    if given is not None and not isinstance(given, Mapping | Section):
        raise ValueError("should be true, false or a mapping")
    return given


class TeacherOrder(Section):
    """Which teachers are listened to when."""

    by: Literal["divergence", "listed"] = "divergence"
    """Who comes next: who is nearest to what the student holds by then, or who is listed next."""
    schedule: Component = Component(name="linear")
    """How the share of teachers grows with progress; one is the least."""
    epochs: Annotated[int, Field(strict=True, ge=1)] = 5
    """After how many epochs all teachers are listened to."""


class Curriculum(Section):
    """Which training rows are drawn when, and which teachers are listened to."""

    difficulty: Annotated[dict[Name, Measure], Field(min_length=1)] | None = Field(
        default={"length": Measure(weight=0.5), "popularity": Measure(weight=0.5)}
    )
    """Measures of difficulty and their weights, with options as in ``{length: {weight: 0.5, short_is_hard: true}}``; a
    name or a list of names means equal weights, ``null`` all rows always."""
    direction: Literal["easy_first", "hard_first"] = "easy_first"
    """Whether training starts with the easy rows or with the hard ones."""
    schedule: Component = Component(name="root")
    """How the share of rows in use grows with progress."""
    epochs: Annotated[int, Field(strict=True, ge=1)] = 5
    """After how many epochs every row is in use. A number, not a share: training ends by early stopping."""
    teachers: Annotated[
        TeacherOrder | None, BeforeValidator(_switched, json_schema_input_type=TeacherOrder | bool | None)
    ] = None
    """Let teachers join one after the other; ``true`` means the defaults, ``null`` or ``false`` means all always."""

    @field_validator("difficulty", mode="before", json_schema_input_type=str | list[str] | dict[str, Measure] | None)
    @classmethod
    def _equal_weights(cls, given: Any) -> Any:
        names = [given] if isinstance(given, str) else given
        return dict.fromkeys(names, 1.0) if isinstance(names, list | tuple) else names


class Targets(Section):
    """When and over what the teachers are integrated; a word stands for ``when``."""

    when: Literal["auto", "batch", "once"] = "auto"
    """``batch``: anew in each batch, over its candidates. ``once``: before training, over the whole catalogue; each row
    keeps its likeliest items, so that a batch costs the same however many teachers there are. ``auto``: ``once`` where
    the student's own loss is a softmax over the catalogue that can take the targets along (``loss`` is ``kl`` or
    ``cross_entropy`` at temperature 1) and neither ``candidates`` nor an integrator that learns or changes is set;
    ``batch`` elsewhere."""
    top: Annotated[int, Field(strict=True, ge=2)] = 100
    """Items that a row keeps, with ``once``."""
    over: Literal["catalogue", "list"] | None = None
    """What the student's softmax runs over, with ``once``: by default the catalogue where its own loss is a softmax
    over it, and the row's list elsewhere, and for losses that compare all items (``mse``, ``reverse_kl``)."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        return {SHORT["targets"]: given} if isinstance(given, str) else given


TEXT_FIELDS = ("title", "movie_title", "name", "brand", "categories", "category", "class", "genres", "genre")
"""What item texts are called in RecBole's published datasets."""


class Text(Section):
    """How items are read by teachers that read text; a list of columns stands for ``fields``."""

    fields: tuple[Name, ...] = Field(default=TEXT_FIELDS, min_length=1)
    """Columns of the ``.item`` file, joined in this order; what a dataset lacks is skipped."""
    encoder: Component = Component(name="minilm")
    """The language model."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        return {SHORT["text"]: given} if isinstance(given, list | tuple) else given


class Speed(Section):
    """What makes training faster."""

    arrays: Flag = True
    """Take rows and draw negatives by whole arrays instead of Python loops: the same batches, bit for bit."""
    trim: Flag = True
    """Cut each batch to its longest sequence, for models of which a check finds that it changes nothing."""
    bucket: Flag = True
    """Draw rows of similar length into one batch. Which rows share a batch changes, and with it in-batch candidates."""
    dataset: Flag = True
    """Read, augment and split the data by whole arrays; histories are put together when a batch is made. Same rows."""
    layers: Flag = True
    """Compute transformer layers by fused operations, and the last one only for the position that is read."""
    dropout: Flag = True
    """Draw dropout masks from random bits, four elements a number: as many zeros as torch's, at other places."""
    softmax: Flag = True
    """Work a softmax loss over the catalogue in chunks of rows: its logits never exist as a whole."""
    sparse: Flag = True
    """Multiply by the adjacency matrix of a graph as embedding bags, and take the layers' mean by a sum: the same."""
    optimizer: Flag = True
    """Update weights by torch's fused Adam: the same to rounding."""
    ranking: Flag = True
    """Rank as many users at a time as memory allows, and look only at what the metrics need: the same metrics."""


class Signals(Section):
    """How what teachers say is stored; a word stands for ``vectors``."""

    vectors: Literal["float16", "float32", "int8"] = "float16"
    """Numbers of an instance's vector. ``int8`` is half of ``float16`` on disk, with a scale a vector; the page on
    signals has what either does to scores."""
    top: Annotated[int, Field(strict=True, ge=1)] | None = None
    """Best items that are stored of each instance beside its vector, with their scores and what the scores of all items
    sum up to in a softmax: 8 bytes an item. Spares scoring the catalogue where candidates are ``teachers_top`` or rows
    are ordered by ``teacher_confidence``; ``null`` stores none."""

    @model_validator(mode="before")
    @classmethod
    def _from_short_form(cls, given: Any) -> Any:
        return {SHORT["signals"]: given} if isinstance(given, str) else given


class Domains(Section):
    """Several domains at once: a list of datasets, or what ``ckd data merge`` wrote."""

    users: Literal["apart", "joined"] = "apart"
    """Of a list of datasets: whether one who is in two of them is two users, or one whose history is that of both."""
    students: Literal["one", "each"] = "one"
    """Of a list of datasets: one student for all, or one for each."""
    teachers: Literal["shared", "each"] = "shared"
    """Whether a teacher learns all domains, or each has a teacher of its own, who knows nothing of the others."""
    temperature: Annotated[Number, Field(gt=0)] = 1.0
    """A domain's share of an epoch's rows goes with its size to the power of 1/temperature; 1 is as they are."""
    competence: Literal["across", "within"] = "across"
    """Whether a curriculum draws the easiest rows of all, or equally large a part of each domain."""
    rank: Literal["own", "all"] = "own"
    """Whether a held-out item is ranked among the items of its domain, or of all."""


IN_BATCH = Component(name="in_batch")
"""What scores are compared on where teachers are integrated in batches and no candidates are set."""


class CkdConfig(Section):
    """All settings of a distillation. The seed is RecBole's own ``seed``."""

    _implied: ClassVar[Mapping[str, Component]] = {"candidates": IN_BATCH}

    teachers: tuple[TeacherComponent, ...] = ()
    """Whose knowledge is taught; none means a plain run."""
    candidates: Component | None = None
    """The items that scores are compared on where teachers are integrated in batches: by default ``in_batch``. Naming
    any, ``in_batch`` too, means that they are (``targets``)."""
    integrator: Component = Component(name="confidence_consistency")
    """How several teachers become one target."""
    loss: Component = Component(name="kl")
    """How far the student is from the target."""
    targets: Targets = Targets()
    """When and over what the teachers are integrated."""
    weight: NotNegative | None = None
    """Weight (lambda) of the distillation loss beside the student's own; 0 is bit for bit the plain run. A number, or
    a schedule over epochs. By default 4 where the student's own loss is a softmax over the catalogue, ``loss`` is
    ``kl`` or ``cross_entropy`` and ``balance`` is ``fixed``; 1 elsewhere."""
    balance: Component = Component(name="fixed")
    """What the weight is a weight of: how the student's own loss and the distillation share a step."""
    temperature: Positive = 1.0
    """Softmax temperature (tau) of the student's scores. A number, or a schedule over epochs."""
    teacher_temperature: Annotated[Number, Field(gt=0)] = 1.0
    """Factor on each teacher's own softmax temperature: above 1 what it says is softer, below 1 sharper."""
    curriculum: Annotated[
        Curriculum | None, BeforeValidator(_switched, json_schema_input_type=Curriculum | bool | None)
    ] = None
    """Draw rows by difficulty; ``true`` means the defaults, ``null`` or ``false`` means all rows always."""
    pretrain_domains: tuple[Name, ...] = ()
    """Datasets on which teachers are pre-trained before they are fine-tuned on the student's."""
    text: Text = Text()
    """How items are read by teachers that read text; a list of columns stands for ``fields``."""
    signals: Signals = Signals()
    """How what teachers say is stored; a word stands for ``vectors``."""
    run_dir: Path = Path("ckd_runs")
    """Gets a folder per run: logs, checkpoints, results."""
    cache_dir: Path = Field(default_factory=lambda: default_cache_dir())
    """Keeps what is costly to compute: item vectors, teachers, their signals. ``CKD_CACHE`` sets another default."""
    domains: Domains = Domains()
    """Several domains at once: how they are merged, drawn from and ranked."""
    per_user: Flag = False
    """Keep each held-out item's rank, user by user, in the run's folder: what paired tests and slices are made of."""
    speed: Speed = Speed()
    """What makes training faster."""

    @field_validator("teachers", mode="before", json_schema_input_type=TeacherComponent | list[TeacherComponent])
    @classmethod
    def _one_or_many(cls, given: Any) -> Any:
        if isinstance(given, str):
            return [name.strip() for name in given.split(",") if name.strip()]
        return [given] if isinstance(given, Mapping | Component) else given

    @field_validator("teachers")
    @classmethod
    def _told_apart(cls, given: tuple[TeacherComponent, ...]) -> tuple[TeacherComponent, ...]:
        return labelled(given)

    @field_validator("pretrain_domains", mode="before", json_schema_input_type=str | list[str])
    @classmethod
    def _one_domain_or_many(cls, given: Any) -> Any:
        return [name.strip() for name in given.split(",") if name.strip()] if isinstance(given, str) else given

    @field_validator("run_dir", "cache_dir")
    @classmethod
    def _expand(cls, path: Path) -> Path:
        return path.expanduser()

    @classmethod
    def parse(cls, section: Mapping[str, Any]) -> CkdConfig:
        """Validate a ``ckd`` section.

        Raises:
            ConfigError: one line with the first thing that is wrong.
        """
        try:
            return cls.model_validate(dict(section))
        except ValidationError as error:
            raise config_error(error, cls, SECTION) from None


def default_cache_dir() -> Path:
    """``CKD_CACHE``, or the platform's folder for caches (``~/.cache/ckd_plugins`` on Linux)."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("CKD_CACHE")
    return Path(chosen).expanduser() if chosen else user_cache_path("ckd_plugins", appauthor=False)


def load_config(
    files: Iterable[str | os.PathLike[str]] = (), overrides: Mapping[str, Any] | None = None
) -> tuple[dict[str, Any], CkdConfig]:
    """Read config files and overrides, later ones above earlier ones, and part RecBole's settings from ours.

    Args:
        files: YAML files, as RecBole's ``config_file_list``.
        overrides: settings above all files, as RecBole's ``config_dict``; ours as a ``ckd`` mapping or with dotted keys
            (``"ckd.curriculum.epochs"``).

    Returns:
        RecBole's settings, untouched, and the validated ``ckd`` section.

    Raises:
        ConfigError: a file is missing or malformed, or a setting of ours is wrong.

    Example:
        >>> from ckd_plugins.config import load_config
        >>> recbole, ckd = load_config(overrides={"epochs": 3, "ckd": {"teachers": ["unisrec"], "weight": 0.5}})
        >>> recbole, ckd.weight, ckd.teachers[0].name
        ({'epochs': 3}, 0.5, 'unisrec')
    """
    listed = [files] if isinstance(files, str | os.PathLike) else list(files)
    sources = [(f"config file '{path}'", read_yaml(path)) for path in listed]
    sources.append(("config_dict", dict(overrides or {})))
    host: dict[str, Any] = {}
    own: dict[str, Any] = {}
    for source, settings in sources:
        theirs, ours = split(settings, source)
        host.update(theirs)
        own = overlay(own, ours)
    return host, CkdConfig.parse(own)


def json_schema() -> dict[str, Any]:
    """JSON Schema of a config file, for editors; RecBole's own settings are left open."""
    section = CkdConfig.model_json_schema(ref_template="#/$defs/{model}")
    definitions = section.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {SECTION: section},
        "$defs": definitions,
    }
