"""The verdict of a study: a few sentences that the report writes and others repeat.

``STUDY/report/verdict.json`` is ``{"sentences": ["…", …]}``; each sentence names its test.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, write_json

NAME = "verdict.json"


def write_verdict(report: Path, sentences: Sequence[str]) -> None:
    """Writes the sentences into the folder of a report."""
    write_json(report / NAME, {"sentences": [*sentences]})


def read_verdict(study: Path) -> list[str]:
    """Returns the sentences of a study's report; none where it has none yet.

    Raises:
        StudyError: the file does not hold a list of sentences.
    """
    path = study / "report" / NAME
    found = read_json(path) if path.exists() else {"sentences": []}
    sentences = found.get("sentences") if isinstance(found, dict) else None
    if not isinstance(sentences, list) or not all(isinstance(text, str) for text in sentences):
        raise StudyError("no list of sentences", where=path, fix="remove it and run `make study`")
    return sentences
