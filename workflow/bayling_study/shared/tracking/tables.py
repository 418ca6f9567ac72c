"""A system's scores and answers as tables that MLflow shows, and compares between runs."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bayling_study.core.files import read_jsonl
from bayling_study.core.records import Score, read_prompts
from bayling_study.shared.metrics.segment_scores import read_segment_scores
from bayling_study.shared.score_files import score_folders

Columns = dict[str, list[Any]]
"""Name of a column to its values, as ``mlflow.log_table`` takes a table."""
BETWEEN_TURNS = "\n\n"


def evaluation_tables(
    study: Path, system: str, scores: Sequence[Score]
) -> Iterator[tuple[str, Columns]]:
    """Yields the file and content of each table: ``scores.json``, and of each suite the answers.

    A row of ``answers/SUITE.json`` is a prompt: its turns, references and answers, and a column
    for every segment score that the scorers or COMET gave it (none where they gave it none).

    Raises:
        StudyError: a file of the study is malformed.
    """
    yield "scores.json", _columns([asdict(score) for score in scores])
    for suite in dict.fromkeys(score.suite for score in scores):
        prompts = study / "prompts" / f"{suite}.jsonl"
        answers = _answers(study, system, suite)
        if answers and prompts.is_file():
            segments = read_segment_scores(
                path for folder in score_folders(study, system)
                if (path := folder / f"{suite}.segments.jsonl").is_file()
            ).values  # fmt: skip
            rows = [
                {
                    "id": prompt.id, "item": prompt.item,
                    "prompt": BETWEEN_TURNS.join(prompt.turns),
                    "reference": BETWEEN_TURNS.join(prompt.references),
                    "answer": BETWEEN_TURNS.join(answers[prompt.id]),
                    **{metric: found.get(prompt.id) for metric, found in segments.items()},
                }
                for prompt in read_prompts(prompts) if prompt.id in answers
            ]  # fmt: skip
            yield f"answers/{suite}.json", _columns(rows)


def _answers(study: Path, system: str, suite: str) -> dict[str, list[str]]:
    """Returns a system's answers by prompt id, written or chosen; empty without any."""
    paths = [study / stage / system / f"{suite}.jsonl" for stage in ("generation", "harness")]
    rows = (row for path in paths if path.is_file() for row in read_jsonl(path))
    return {row["id"]: row["turns"] for row in rows}


def _columns(rows: Sequence[dict[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
