"""Rows for a suite's directions: few are kept, and they say what the whole file says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.suites import InteractiveSuite
from bayling_study.shared import aligned_rows as aligned
from bayling_study.shared.corpus_tables import PARALLEL_SCHEMA
from bayling_study.shared.interactive.library import Library
from bayling_study.stages.prompts import PromptContext, interactive
from helpers.interactive_corpus import rows

DIRECTIONS = ["zh-en", "en-de", "de-zh", "zh-de"]


def table(folder: Path) -> tuple[Path, list[dict[str, Any]]]:
    """Writes both sides of three languages; a Chinese pivot text occurs twice."""
    made = rows("train") + rows("test", 50)
    made += [row | {"lang_b": "fr", "id": f"fr/{row['id']}"} for row in made]
    made.insert(40, made[1] | {"id": "again", "text_b": "又一次"})
    path = folder / "parallel.parquet"
    pq.write_table(pa.Table.from_pylist(made, PARALLEL_SCHEMA), path)
    return path, made


@pytest.fixture(autouse=True)
def short_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aligned, "BATCH_ROWS", 7)


def segments(given: list[dict[str, Any]], direction: str) -> list[Any]:
    return Library(given, [direction], 1).segments(direction)


def test_the_test_side_of_the_languages_is_whole(tmp_path: Path) -> None:
    path, made = table(tmp_path)
    kept = aligned.rows_of(path, "test", ["zh-en"])
    assert kept == [row for row in made if row["split"] == "test" and row["lang_b"] == "zh"]


@pytest.mark.parametrize("limit", [1, 25, 10_000])
def test_the_first_segments_are_those_of_the_whole_file(tmp_path: Path, limit: int) -> None:
    path, made = table(tmp_path)
    train = [row for row in made if row["split"] == "train"]
    kept = aligned.first_rows(path, "train", DIRECTIONS, limit)
    assert [row for row in train if row in kept] == kept
    assert all(row["lang_b"] != "fr" for row in kept)
    for direction in DIRECTIONS:
        whole = segments(train, direction)
        assert whole and segments(kept, direction)[:limit] == whole[:limit]
    if limit == 1:
        assert len(kept) < 10


def test_a_direction_without_rows_has_none(tmp_path: Path) -> None:
    path, _ = table(tmp_path)
    assert aligned.first_rows(path, "train", ["ja-en", "ja-ko"], 5) == []


def test_the_interactive_suite_learns_terms_from_few_rows_of_its_languages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table(tmp_path)
    taken: dict[str, list[dict[str, Any]]] = {}

    class Watched(Library):
        def __init__(self, given: Any, *others: Any, **options: Any) -> None:
            taken["test"], taken["train"] = given, options["lexicon_rows"]
            super().__init__(given, *others, **options)

    monkeypatch.setattr(interactive, "Library", Watched)
    monkeypatch.setattr(interactive, "MAX_SEGMENTS", 30)
    demands = {"first-sentence": 1.0, "next-sentence": 1.0}
    suite = InteractiveSuite(
        kind="interactive", directions=["zh-en"], conversations=2, demands=demands
    )
    list(interactive.build("talk", suite, PromptContext(4, tmp_path)))
    assert len(taken["train"]) == 30
    languages = {row["lang_b"] for side in taken.values() for row in side}
    assert languages == {"zh"}
