"""Writes one mixture's training set.

Produces OUT/train.parquet (id, recipe, source, direction, languages, messages),
OUT/audit.json (counts, lengths, rejections) and OUT/README.md (data card with
licences). ``datasets.load_dataset("parquet", data_files=...)`` reads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.cli import pairs, run_program, stage_parser
from bayling_study.config import load_settings
from bayling_study.corpora.types import CONVERSATIONS_FILE, PARALLEL_FILE
from bayling_study.errors import StudyError
from bayling_study.files import atomic_directory, read_json, write_json, write_text
from bayling_study.lookup import look_up
from bayling_study.synthesis.audit import audit
from bayling_study.synthesis.card import card
from bayling_study.synthesis.mixture import Made, make
from bayling_study.synthesis.types import SCHEMA
from bayling_study.tracking.record import run_record

TRAIN_FILE = "train.parquet"


def load_tokenizer(checkpoint: Path) -> Any:
    """Returns the tokenizer of a checkpoint on disk; nothing is fetched."""
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(str(checkpoint), local_files_only=True)


def read_rows(folder: Path, file: str) -> list[dict[str, Any]]:
    """Reads one table of the corpora.

    Raises:
        StudyError: the file is absent.
    """
    path = folder / file
    if not path.exists():
        raise StudyError("the corpora stage has not written this file", where=path)
    return list(pq.read_table(path).to_pylist())


def licences_of(manifests: dict[str, Path]) -> dict[str, str]:
    """Returns the licence of each source from its download's manifest."""
    return {
        name: str(read_json(folder / "manifest.json")["source"].get("licence", ""))
        for name, folder in manifests.items()
    }


def write(out: Path, made: Made, facts: dict[str, Any], text: str) -> None:
    """Writes the three files; the folder appears whole or not at all."""
    rows = [row.instruction.row() for row in made.conversations]
    with atomic_directory(out) as folder:
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), folder / TRAIN_FILE)
        write_json(folder / "audit.json", facts)
        write_text(folder / "README.md", text)


def main() -> None:
    """Makes the mixture that the command line names."""
    parser = stage_parser("synthesis", __doc__)
    parser.add_argument("--mixture", required=True, help="name of the mixture in the config")
    parser.add_argument("--corpora", type=Path, required=True, help="output of the corpora stage")
    parser.add_argument(
        "--tokenizer", type=Path, required=True, help="checkpoint of the foundation"
    )
    parser.add_argument("--source-manifest", action="append", default=[], metavar="ID=DIR")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    options = parser.parse_args()
    config = load_settings(options.settings, "study", "synthesis")
    mixture = look_up("mixture", options.mixture, config.synthesis.mixtures, "synthesis.mixtures")
    plain = mixture.model_dump(mode="json")
    study = config.study
    with run_record(options.record, "synthesis", options.mixture, study.name, options.code) as run:
        run.parameters(plain)
        run.input("corpora", options.corpora)
        run.input("tokenizer", options.tokenizer / "tokenizer.json")
        made = make(
            options.mixture,
            mixture,
            study.seed,
            read_rows(options.corpora, PARALLEL_FILE),
            read_rows(options.corpora, CONVERSATIONS_FILE),
            load_tokenizer(options.tokenizer),
        )
        facts = audit(made)
        licences = licences_of(pairs(options.source_manifest, "--source-manifest"))
        text = card(f"{study.title}: {options.mixture}", facts, plain, licences)
        write(options.out, made, facts, text)
        run.metrics(numbers(facts))
        run.artefact(options.out / "audit.json")
        run.artefact(options.out / "README.md")
        run.output("instructions", options.out)


def numbers(facts: dict[str, Any]) -> dict[str, float]:
    """Returns the audit's figures that are worth comparing between runs."""
    tokens = facts["tokens"]
    return {
        "conversations": facts["conversations"],
        "tokens.real": tokens["real"],
        "tokens.trained": tokens["trained"],
        "duplicates": facts["duplicates"],
        **{f"conversations.{name}": count for name, count in facts["by_recipe"].items()},
    }


if __name__ == "__main__":
    run_program(main)
