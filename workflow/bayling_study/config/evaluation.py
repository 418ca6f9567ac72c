"""Sections ``export``, ``generation``, ``scoring`` and ``report``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bayling_study.config.base import Name, Section


class ExportSection(Section):
    """8-bit export."""

    group_size: int = Field(default=256, gt=0)
    """Input columns that share one scale (BayLing's ``--load-8bit``: 256)."""


class GenerationSection(Section):
    """How hypotheses are made."""

    precision: Literal["bf16", "fp32", "fp16"] = "bf16"
    """Compute precision of the model."""
    batch_tokens: int = Field(default=8192, gt=0)
    """Prompt and answer tokens that one batch may hold, padding included."""
    max_batch: int = Field(default=64, gt=0)
    """Largest number of prompts in one batch."""
    int8_compute: Literal["cached", "streamed"] = "cached"
    """``streamed`` dequantises a matrix each time it is used (least memory);
    ``cached`` keeps the dequantised matrix (fastest)."""


class EmbeddedComet(Section):
    """The small COMET model that the embedded study trains; reported as ``comet-embedded``."""

    rows: int = Field(default=2400, gt=0)
    """Training rows: training-side segments with known degradations."""
    epochs: int = Field(default=6, gt=0)
    hidden: int = Field(default=64, gt=0)
    """Width of the encoder."""
    layers: int = Field(default=2, gt=0)
    vocabulary: int = Field(default=4000, gt=0)
    """Pieces of the tokenizer trained for it."""


class CometSection(Section):
    """Which COMET model scores translations; none switches COMET off."""

    source: Name | None = None
    """Id of a checkpoint in the source manifest, such as ``wmt22-comet-da``."""
    path: str | None = None
    """A local checkpoint file that replaces ``source``."""
    embedded: EmbeddedComet | None = None
    """Train a small model instead of using a released one."""
    batch_tokens: int = Field(default=4096, gt=0)
    precision: Literal["fp32", "bf16"] = "fp32"


class BootstrapSection(Section):
    """Paired bootstrap resampling (Koehn 2004) and approximate randomisation."""

    samples: int = Field(default=1000, gt=0)
    confidence: float = Field(default=0.95, gt=0, lt=1)


class ScoringSection(Section):
    """Metrics and their uncertainty."""

    comet: CometSection = CometSection()
    bootstrap: BootstrapSection = BootstrapSection()


class ReportSection(Section):
    """What the report shows."""

    baseline: Name | None = None
    """System against which the others are tested; none means the first one."""
    published: str = "config/published.tsv"
    """Table of published values."""
    samples: int = Field(default=5, ge=0)
    """Sample hypotheses shown a suite and item."""
