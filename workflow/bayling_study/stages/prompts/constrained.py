"""Lexically constrained translation: the released zh-en and en-zh sets. The sources are those of
WMT22 in another order; each comes with one to three fragments of its reference that the translation
must contain."""

from pathlib import Path
from typing import Any

from bayling_study.config.suites import ConstrainedSuite
from bayling_study.core.errors import StudyError
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import item_rows
from bayling_study.stages.prompts.translation import segment_prompt

FOLDER = Path("data/constrained_translation")


def build(name: str, suite: ConstrainedSuite, context: PromptContext) -> Prompts:
    """Returns one prompt per row, direction by direction. ``meta`` holds ``constraints``, the
    fragments in the file's order, and ``source_text``. A direction without a file is skipped with a
    message, a malformed row refused (``StudyError``)."""
    folder = context.files_of(suite.source) / FOLDER
    for direction in suite.directions:
        path = folder / f"constraints.{direction}.{direction.split('-')[1]}.jsonl"
        for number, (where, row) in enumerate(item_rows(name, direction, path), start=1):
            _check(row, where)
            place, texts = f"{direction}/{number}", (row["src"], row["tgt"])
            meta = {"constraints": row["constraint"], "prompt_language": suite.prompt_language}
            yield segment_prompt(name, place, texts, suite.prompt_language, meta)


def _check(row: Any, where: str) -> None:
    """Raises a ``StudyError`` unless the row has text, translation and constraints."""
    match row:
        case {"src": str(), "tgt": str(), "constraint": [*words]}:
            if all(isinstance(word, str) and word for word in words):
                return
    raise StudyError("a row has src, tgt and a list of texts called constraint", where=where)
