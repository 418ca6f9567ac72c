"""Encodes a training set and audits its loss mask: ``python -m bayling_study.tuning.masks``.

A job of its own before training: it needs no GPU, and a conversation that has
nothing to learn ends the study before one is granted. Writes to ``--out`` the
encoded conversations (``tokens/``) and ``mask_audit.json``: counts, lengths, what
was cut or left out, and for each recipe a conversation with its learnt text.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bayling_study.cli import run_program, stage_parser
from bayling_study.config.loading import load_settings
from bayling_study.config.systems import TemplateName, TunedSystem
from bayling_study.errors import StudyError
from bayling_study.files import (
    atomic_directory,
    link_file,
    read_json,
    sha256_file,
    sha256_json,
    write_json,
)
from bayling_study.tracking.record import run_record
from bayling_study.tuning import data, encoding

AUDIT = "mask_audit.json"
TOKENS = "tokens"
TOKENIZER_FILES = ("tokenizer*", "special_tokens_map.json", "chat_template*", "added_tokens.json")


def parser() -> argparse.ArgumentParser:
    """Returns the program's options."""
    result = stage_parser("tuning.masks", __doc__ or "")
    result.add_argument("--system", required=True, help="name of the tuned system")
    result.add_argument("--foundation", type=Path, required=True, help="whose tokenizer is used")
    result.add_argument("--instructions", type=Path, required=True, help="folder of the mixture")
    result.add_argument("--out", type=Path, required=True, help="folder to write")
    return result


def main() -> None:
    """Runs the stage."""
    options = parser().parse_args()
    config = load_settings(options.settings, "study", "tuning", "systems")
    system = config.systems.get(options.system)
    if not isinstance(system, TunedSystem):
        raise StudyError(f"{options.system!r} is not a tuned system", where="--system")
    name, study = options.system, config.study.name
    with run_record(options.record, "masks", name, study, options.code) as run:
        run.input("instructions", options.instructions)
        run.input("foundation", options.foundation)
        with atomic_directory(options.out) as folder:
            audit = encode(
                folder,
                options.instructions,
                options.foundation,
                system.template,
                config.tuning.max_length,
            )
        run.parameters({"template": system.template, "max_length": config.tuning.max_length})
        run.metrics({key: value for key, value in audit.items() if isinstance(value, int | float)})
        run.output("tokens", options.out)
        run.artefact(options.out / AUDIT)


def encode(
    folder: Path, instructions: Path, foundation: Path, template: TemplateName, max_length: int
) -> dict[str, Any]:
    """Encodes a training set into an existing folder and returns its audit.

    Raises:
        StudyError: a conversation has nothing to learn, or none is left.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(foundation)
    audit = encoding.encode_all(
        data.read_conversations(instructions), tokenizer, template, max_length, folder / TOKENS
    )
    audit["made_from"] = made_from(instructions, foundation, template, max_length)
    rows = data.read_conversations(instructions, ["id", "recipe"])
    audit["samples"] = samples(rows, data.load(folder / TOKENS), tokenizer)
    write_json(folder / AUDIT, audit)
    return audit


def samples(
    rows: Iterable[dict[str, Any]], tokens: data.TokenSet, tokenizer: Any
) -> list[dict[str, Any]]:
    """Returns each recipe's first encoded conversation with the texts that are and are not learnt.

    Every run of equally masked tokens is one text, as the model sees it.
    """
    first: dict[str, int] = {}
    index = 0  # of the next encoded conversation; they are in the order of the rows
    for row in rows:
        if index < len(tokens) and tokens.names[index] == row["id"]:
            first.setdefault(row["recipe"], index)
            index += 1
    found = []
    for recipe, index in sorted(first.items()):
        ids, mask = tokens.conversation(index)
        edges = [0, *(place for place in range(1, len(ids)) if mask[place] != mask[place - 1])]
        runs = [
            {"learnt": bool(mask[start]), "text": tokenizer.decode(ids[start:end].tolist())}
            for start, end in zip(edges, [*edges[1:], len(ids)], strict=True)
        ]
        found.append({"recipe": recipe, "id": tokens.names[index], "parts": runs})
    return found


def made_from(
    instructions: Path, foundation: Path, template: TemplateName, max_length: int
) -> dict[str, Any]:
    """Returns what decides the encoding: hashes of the data and of the tokenizer, and settings."""
    files = sorted({file for name in TOKENIZER_FILES for file in foundation.glob(name)})
    hashes = {file.name: sha256_file(file) for file in files if file.is_file()}
    return {
        "instructions": sha256_file(instructions / "train.parquet"),
        "tokenizer": sha256_json(hashes),
        "template": template,
        "max_length": max_length,
    }


def adopt(masks: Path, folder: Path, expected: dict[str, Any]) -> dict[str, Any]:
    """Takes an earlier job's encoding into a training job's folder; returns the audit.

    Args:
        masks: what the program wrote.
        folder: of the training job.
        expected: ``made_from`` of the training job.

    Raises:
        StudyError: it was made from other data, another tokenizer or with other settings.
    """
    audit: dict[str, Any] = read_json(masks / AUDIT)
    differing = sorted(key for key in expected if audit["made_from"].get(key) != expected[key])
    if differing:
        raise StudyError(f"the encoding is of other {', '.join(differing)}", where=masks)
    if not (folder / AUDIT).exists():
        with atomic_directory(folder / TOKENS) as scratch:
            shutil.copytree(masks / TOKENS, scratch, dirs_exist_ok=True, copy_function=link_file)
        write_json(folder / AUDIT, audit)
    return audit


if __name__ == "__main__":
    run_program(main)
