"""The score files of a study: of the scorers, of COMET and of people. Standard library only."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bayling_study.core.files import write_jsonl
from bayling_study.core.records import Score, write_scores

PEOPLE = "ranking/scores"  # where what people said of the systems goes
FOLDERS = ("scoring/*", "comet/score/*", PEOPLE)
"""Patterns of the folders that hold ``SUITE.json``, in a study's results."""


def score_files(study: Path) -> list[Path]:
    """Returns all score files of a study, sorted within each kind."""
    return [path for folder in FOLDERS for path in sorted(study.glob(f"{folder}/*.json"))]


def score_folders(study: Path, system: str) -> list[Path]:
    """Returns where jobs write what they say of a system: scores and scores of segments."""
    return [study / "scoring" / system, study / "comet" / "score" / system]


def score_files_of(study: Path, system: str) -> list[Path]:
    """Returns the score files of one system that jobs wrote; people's hold all systems."""
    folders = score_folders(study, system)
    return [path for folder in folders for path in sorted(folder.glob("*.json"))]


def write_suite(
    folder: Path, suite: str, scores: list[Score], rows: Iterable[dict[str, Any]]
) -> None:
    """Writes ``SUITE.json``, and ``SUITE.segments.jsonl`` of ``{id, metric, value}``."""
    write_scores(folder / f"{suite}.json", scores)
    write_jsonl(folder / f"{suite}.segments.jsonl", rows)
