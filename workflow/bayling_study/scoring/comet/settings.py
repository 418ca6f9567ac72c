"""The part of a settings file that COMET reads, as plain JSON.

The file was written from checked pydantic models (``bayling_study.config.evaluation``), which the
COMET environment does not have; so values are taken as they are and only their presence is
checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from bayling_study.errors import StudyError
from bayling_study.files import read_json


@dataclass(frozen=True)
class EmbeddedSettings:
    """Size and training of the embedded model; see ``config.evaluation.EmbeddedComet``."""

    rows: int
    held_out: int
    epochs: int
    batch: int
    learning_rate: float
    hidden: int
    layers: int
    vocabulary: int
    min_spearman: float


@dataclass(frozen=True)
class CometSettings:
    """What both commands read.

    Attributes:
        study: name of the study.
        seed: root of every random choice.
        batch_tokens: tokens that one batch may hold, padding included.
        precision: ``fp32``, ``bf16`` or ``fp16``.
        samples, confidence: of the bootstrap interval.
        embedded: how to train the embedded model, or none.
    """

    study: str
    seed: int
    batch_tokens: int
    precision: str
    samples: int
    confidence: float
    embedded: EmbeddedSettings | None


def read_settings(path: Path) -> CometSettings:
    """Reads the sections ``study`` and ``scoring`` of a settings file.

    Raises:
        StudyError: a key is missing.
    """
    values = read_json(path)
    try:
        study, scoring = values["study"], values["scoring"]
        comet, bootstrap = scoring["comet"], scoring["bootstrap"]
        return CometSettings(
            study=study["name"],
            seed=study["seed"],
            batch_tokens=comet["batch_tokens"],
            precision=comet["precision"],
            samples=bootstrap["samples"],
            confidence=bootstrap["confidence"],
            embedded=_embedded(comet["embedded"]),
        )
    except KeyError as error:
        raise StudyError(f"the key {error} is missing", where=path) from error


def _embedded(values: Mapping[str, Any] | None) -> EmbeddedSettings | None:
    if values is None:
        return None
    return EmbeddedSettings(
        **{field.name: values[field.name] for field in fields(EmbeddedSettings)}
    )
