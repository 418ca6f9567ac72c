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


def evaluation_tables(
    study: Path, system: str, scores: Sequence[Score]
) -> Iterator[tuple[str, Columns]]:
    """Yields the file and content of each table: ``scores.json``, and of each suite the answers.

    A row of ``answers/SUITE.json`` is a prompt: turns, references and answers, with blank lines
    between turns, and a column for every segment score. A malformed file is a ``StudyError``.
    """
    text = "\n\n".join
    yield "scores.json", _columns([asdict(score) for score in scores])
    for suite in dict.fromkeys(score.suite for score in scores):
        folders = [study / stage / system for stage in ("generation", "harness")]
        files = [path for folder in folders if (path := folder / f"{suite}.jsonl").is_file()]
        prompts = study / "prompts" / f"{suite}.jsonl"
        if files and prompts.is_file():
            answers = {row["id"]: row["turns"] for path in files for row in read_jsonl(path)}
            found = [f / f"{suite}.segments.jsonl" for f in score_folders(study, system)]
            segments = read_segment_scores(found)
            rows = []
            for prompt in (p for p in read_prompts(prompts) if p.id in answers):
                row = {"id": prompt.id, "item": prompt.item, "prompt": text(prompt.turns)}
                row |= {"reference": text(prompt.references), "answer": text(answers[prompt.id])}
                rows.append(row | {name: own.get(prompt.id) for name, own in segments.items()})
            yield f"answers/{suite}.json", _columns(rows)


def _columns(rows: Sequence[dict[str, Any]]) -> Columns:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
