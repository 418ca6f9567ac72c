"""The part of a settings file that COMET reads, as plain JSON. The file was written from checked
pydantic models (``bayling_study.config.evaluation``), which the COMET environment does not have; so
values are taken as they are and only their presence is checked."""

from dataclasses import dataclass, fields
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json


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
    """What scoring reads; ``batch_tokens`` include padding, ``precision`` is fp32, bf16 or fp16."""

    study: str
    seed: int
    batch_tokens: int
    precision: str
    samples: int
    confidence: float


def read_training_settings(path: Path) -> tuple[str, int, EmbeddedSettings]:
    """Reads a study's name, seed and training of COMET (``StudyError`` if a key is missing)."""
    values = read_json(path)
    try:
        study, embedded = values["study"], values["comet"]["embedded"]
        found = {field.name: embedded[field.name] for field in fields(EmbeddedSettings)}
        return study["name"], study["seed"], EmbeddedSettings(**found)
    except (KeyError, TypeError) as error:
        raise StudyError(f"comet.embedded is not set ({error})", where=path) from error


def read_score_settings(path: Path, operations: Path) -> CometSettings:
    """Reads the settings of scoring and of its operation (``StudyError`` if a key is missing)."""
    values = read_json(path)
    try:
        study, bootstrap = values["study"], values["scoring"]["bootstrap"]
        batch_tokens = read_json(operations)["comet"]["batch_tokens"]
        how = values["comet"]["precision"], bootstrap["samples"], bootstrap["confidence"]
        return CometSettings(study["name"], study["seed"], batch_tokens, *how)
    except KeyError as error:
        raise StudyError(f"the key {error} is missing", where=path) from error
