"""Encodes a training set and audits its loss mask: ``python -m bayling_study.stages.masks``.

A job before training: it needs no GPU, and a conversation that has nothing to learn ends the
study before one is granted. Writes to ``--out`` the encoded conversations (``tokens/``) and
``mask_audit.json``: counts, lengths, what was cut or left out, and a sample of each recipe.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoTokenizer

from bayling_study.config.loading import load_settings
from bayling_study.config.systems import TemplateName, TunedSystem
from bayling_study.core import cli
from bayling_study.core.files import atomic_directory, write_json
from bayling_study.core.lookup import look_up_kind
from bayling_study.shared import templates, token_set
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.masks import encoding

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.option("name of the tuned system", required=True),
    foundation=cli.path("whose tokenizer is used"),
    synthesis=cli.path("folder of the mixture"),
    out=cli.path("folder to write"),
)


def main() -> None:
    """Runs the stage."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "study", "tuning", "systems")
    system = look_up_kind(TunedSystem, "tuned system", options.system, config.systems, "--system")
    name, study = options.system, config.study.name
    with run_record(options.record, "masks", name, study, options.code) as run:
        run.input("synthesis", options.synthesis)
        run.input("foundation", options.foundation)
        with atomic_directory(options.out) as folder:
            template, length = system.template, config.tuning.max_length
            audit = encode(folder, options.synthesis, options.foundation, template, length)
        run.parameters({"template": template, "max_length": length})
        run.metrics({key: value for key, value in audit.items() if isinstance(value, int | float)})
        run.output("tokens", options.out)
        run.artefact(options.out / token_set.AUDIT)


def encode(
    folder: Path, instructions: Path, foundation: Path, template: TemplateName, max_length: int
) -> dict[str, Any]:
    """Encodes a training set into an existing folder and returns its audit (``StudyError`` if a
    conversation has no supervised token, or none is left)."""
    tokenizer = AutoTokenizer.from_pretrained(foundation)
    rows, tokens = token_set.read_conversations(instructions), folder / token_set.TOKENS
    audit = encoding.encode_all(rows, tokenizer, template, max_length, tokens)
    audit["made_from"] = token_set.made_from(instructions, foundation, template, max_length)
    audit |= templates.pinned_date(tokenizer, template)
    rows = token_set.read_conversations(instructions, ["id", "recipe"])
    audit["samples"] = samples(rows, token_set.load(tokens), tokenizer)
    write_json(folder / token_set.AUDIT, audit)
    return audit


def samples(
    rows: Iterable[dict[str, Any]], tokens: token_set.TokenSet, tokenizer: Any
) -> list[dict[str, Any]]:
    """Returns each recipe's first encoded conversation with its supervised and its other texts.
    Every run of equally masked tokens is one text, as the model sees it."""
    first: dict[str, int] = {}
    index = 0  # of the next encoded conversation; they are in the order of the rows
    for row in rows:
        if index < len(tokens) and tokens.names[index] == row["id"]:
            first.setdefault(row["recipe"], index)
            index += 1
    found = []
    for recipe, index in sorted(first.items()):
        ids, mask = tokens.conversation(index)
        edges = [0, *(np.flatnonzero(np.diff(mask)) + 1)]
        runs = [
            {"supervised": bool(mask[start]), "text": tokenizer.decode(ids[start:end].tolist())}
            for start, end in zip(edges, [*edges[1:], len(ids)], strict=True)
        ]
        found.append({"recipe": recipe, "id": tokens.names[index], "spans": runs})
    return found


if __name__ == "__main__":
    cli.run_program(main)
