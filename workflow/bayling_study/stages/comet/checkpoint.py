"""Finding a COMET checkpoint, checking its hash, and giving it an identity.

A checkpoint is a folder ``X`` with ``X/checkpoints/model.ckpt`` and ``X/hparams.yaml``, as
unbabel-comet writes it. It names its encoder by a hub name or by the absolute path it was trained
from: a folder ``X/encoder`` (configuration and tokenizer) or ``--encoder DIR`` replaces that, so
that it can be moved and needs no network. A ``.ckpt`` file is a pickle: its hash is compared with
the download's manifest, and it is read with ``weights_only`` (``model``), which runs no code.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from bayling_study.core import tables
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_file, sha256_json, sha256_path
from bayling_study.shared.sources.fetched import MANIFEST, files_root

MARKER = "embedded.json"
"""File beside ``hparams.yaml`` that says the model is a study's own, and what its files hash to."""

METRICS: dict[str, str] = tables.beside(__file__)
"""Model classes of unbabel-comet that give a segment a score, and what their scores are called."""


@dataclass(frozen=True)
class CometCheckpoint:
    """A COMET model's weights ``X/checkpoints/model.ckpt``, and its encoder's folder unless only
    the hub's local cache can have that; ``source`` names one of several models."""

    file: Path
    encoder: Path | None
    source: str = ""

    @property
    def folder(self) -> Path:
        """The folder ``X``."""
        return self.file.parents[1]

    @property
    def metric(self) -> str:
        """``comet-embedded`` for a study's own model; of a list's further models ``comet-SOURCE``;
        else what the model's class says, so that only a regression model is called ``comet``."""
        if (self.folder / MARKER).exists():
            return "comet-embedded"
        named = f"comet-{self.source.replace('.', '-')}" if self.source else ""
        return named or METRICS[self.identifier]

    @property
    def identifier(self) -> str:
        """The model's class as unbabel-comet calls it, a key of ``METRICS``."""
        return str(self.hparams["class_identifier"])

    @cached_property
    def hparams(self) -> dict[str, Any]:
        """The hyper-parameters (``StudyError`` if absent, no YAML, or of an unfit model class)."""
        path = self.folder / "hparams.yaml"
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as error:
            raise StudyError(f"not a COMET checkpoint ({error})", where=path) from error
        found = values.get("class_identifier") if isinstance(values, dict) else None
        if found not in METRICS:
            fix = f"a checkpoint of one of the classes {', '.join(METRICS)}, such as"
            fix += " Unbabel/wmt22-comet-da or Unbabel/XCOMET-XL"
            raise StudyError(f"the model's class is {found!r}", where=path, fix=fix)
        return dict(values)

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of the weights file."""
        return sha256_file(self.file)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of all that decides the scores: weights, hyper-parameters and encoder files."""
        encoder = sha256_path(self.encoder) if self.encoder else self.hparams["pretrained_model"]
        return sha256_json([self.weights_hash, sha256_file(self.folder / "hparams.yaml"), encoder])

    def verify(self) -> str:
        """Compares files with their manifest, named in return (``StudyError`` if one differs)."""
        if (self.folder / MARKER).exists():
            for name, sha256 in read_json(self.folder / MARKER)["files"].items():
                file = self.folder / name
                _insist(file, file.is_file() and sha256_file(file) == sha256)
            return MARKER
        for root in (self.folder, *self.folder.parents[:2]):
            manifest = root / MANIFEST
            if manifest.exists():
                place = self.file.as_posix()
                rows = [r for r in read_json(manifest)["files"] if place.endswith(f"/{r['path']}")]
                if not rows:
                    raise StudyError(f"{self.file.name} is not in its manifest", where=manifest)
                _insist(self.file, self.weights_hash == rows[0]["sha256"])
                return str(manifest)
        return "nothing"


def _insist(path: Path, same: bool) -> None:
    if not same:
        what, fix = "the file is not the one in its manifest", "download or train it again"
        raise StudyError(what, where=path, fix=fix)


def _folder(path: Path) -> Path:
    return files_root(path.parent) if path.name == MANIFEST else path


def find_checkpoint(model: Path, encoder: Path | None = None, source: str = "") -> CometCheckpoint:
    """Finds the one checkpoint at a path (``StudyError`` if there is none, or more than one).
    ``model`` is the ``.ckpt`` file or a folder with exactly one ``checkpoints/*.ckpt``, ``encoder``
    a folder with its ``config.json`` and tokenizer files; the ``manifest.json`` of a download
    stands for its folder. A further model is named by its ``source``."""
    model, encoder = _folder(model), encoder and _folder(encoder)
    files = [model] if model.is_file() else sorted(model.rglob("checkpoints/*.ckpt"))
    if len(files) != 1:
        fix = "the path of a file X/checkpoints/model.ckpt with X/hparams.yaml beside it"
        raise StudyError(f"{len(files)} checkpoints found, one expected", where=model, fix=fix)
    file = files[0].absolute()
    beside = file.parents[1] / "encoder"
    chosen = encoder or (beside if beside.is_dir() else None)
    if chosen is not None and not (chosen / "config.json").exists():
        raise StudyError("no config.json in the encoder's folder", where=chosen)
    return CometCheckpoint(file, chosen, source)
