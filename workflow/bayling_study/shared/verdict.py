"""What comes first of a study: the verdict in sentences, and the headline metrics."""

from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.core.tables import beside

VERDICT = "verdict.json"  # name of the file in the report's folder: ``{"sentences": ["…", …]}``
HEADLINE: tuple[str, ...] = tuple(beside(__file__))
"""Metrics of the first page, of ``make study``'s table and of MLflow's run, in this order."""


def read_verdict(study: Path) -> list[str]:
    """Returns the sentences of a study's report, none where it has none yet (``StudyError`` if the
    file does not hold a list of sentences)."""
    path = study / "report" / VERDICT
    found = read_json(path) if path.exists() else {"sentences": []}
    match found:
        case {"sentences": [*sentences]} if all(isinstance(text, str) for text in sentences):
            return sentences
    raise StudyError("no list of sentences", where=path, fix="remove it and run `make study`")
