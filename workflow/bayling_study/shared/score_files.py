"""Where the score files of a study are: of the scorers, of COMET and of people."""

from pathlib import Path

PEOPLE = "ranking/scores"
"""Where what people said of the systems goes."""
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
