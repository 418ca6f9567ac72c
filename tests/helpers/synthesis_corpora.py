"""Small corpora on disk, a tokenizer without files, and a mixture made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bayling_study.config.synthesis import Mixture
from bayling_study.shared.corpus_tables import CONVERSATION_SCHEMA, PARALLEL_SCHEMA, TERM_SCHEMA
from bayling_study.stages.synthesis.mixture import FinishedMixture, MixtureTask, make
from helpers.interactive_corpus import rows

TEST_BRANDS = 100
TALKS = 10


class CharacterTokenizer:
    """Counts one token a character: lengths without a model's files."""

    bos_token_id = None
    eos_token_id = 0
    eos_token = "</s>"

    def __call__(self, text: str, **options: Any) -> dict[str, list[int]]:
        return {"input_ids": [ord(letter) for letter in text]}

    def convert_ids_to_tokens(self, ids: int | list[int]) -> Any:
        return chr(ids) if isinstance(ids, int) else [chr(number) for number in ids]

    def decode(self, ids: list[int]) -> str:
        return "".join(map(chr, ids))


def parallel() -> list[dict[str, Any]]:
    test = [
        {
            **row,
            "text_a": f"{row['text_a']} Unseen {row['id'][-9:]}",
            "text_b": f"{row['text_b']} ({row['id'][-9:]})",
        }
        for row in rows("test", TEST_BRANDS)
    ]
    return [*rows(), *test]


def talks(count: int = TALKS, language: str = "en") -> list[dict[str, Any]]:
    return [
        {
            "id": f"g/{language}/{number}",
            "recipe": "alpaca",
            "source": "chat",
            "languages": [language],
            "messages": [
                {"role": "user", "content": f"Count to {number} in {language}."},
                {"role": "assistant", "content": "One, two, and so on."},
            ],
        }
        for number in range(count)
    ]


def write_corpora(
    folder: Path,
    aligned: Iterable[Mapping[str, Any]] | None = None,
    general: Iterable[Mapping[str, Any]] | None = None,
    group: int = 16_384,
    terms: Iterable[Mapping[str, Any]] = (),
) -> Path:
    """Writes the three tables of the corpora stage, in row groups of a size."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = (
        ("parallel", PARALLEL_SCHEMA, parallel() if aligned is None else aligned),
        ("conversations", CONVERSATION_SCHEMA, talks() if general is None else general),
        ("terms", TERM_SCHEMA, terms),
    )
    for name, schema, values in tables:
        table = pa.Table.from_pylist([dict(value) for value in values], schema=schema)
        pq.write_table(table, folder / f"{name}.parquet", row_group_size=group)
    return folder


def mixture(**changes: Any) -> Mixture:
    values: dict[str, Any] = {
        "conversations": 60,
        "shares": {"translation": 0.5, "interactive": 0.3, "constrained": 0.1, "general": 0.1},
        "directions": {"zh-en": 0.3, "en-zh": 0.3, "de-en": 0.2, "en-de": 0.2},
    }
    return Mixture(**{**values, **changes})


def made(
    folder: Path, corpora: Path, wanted: Mixture, **changes: Any
) -> tuple[FinishedMixture, pa.Table]:
    """Makes a mixture; returns what is reported and the rows."""
    values: dict[str, Any] = {
        "name": "mix",
        "mixture": wanted,
        "seed": 4,
        "corpora": corpora,
        "tests": {},
        "load_tokenizer": CharacterTokenizer,
    }
    folder.mkdir(parents=True)
    out = folder / "train.parquet"
    result = make(MixtureTask(**{**values, **changes}), out, folder)
    return result, pq.read_table(out)
