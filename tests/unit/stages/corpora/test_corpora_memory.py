"""Rows pass through the corpora stage: what it holds does not grow with their number."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bayling_study.config.corpora import CorporaSection
from bayling_study.stages.corpora import __main__ as program
from bayling_study.stages.corpora import tables
from bayling_study.stages.corpora.tables import Repeats, key_of

WORDS = ["lamp", "door", "fan", "pump", "lock", "clock", "radio", "stove", "heater", "valve"]
DISTINCT = 100


def sentence(number: int) -> str:
    return " ".join(WORDS[int(digit)] for digit in f"{number:06d}")


def build(root: Path, rows: int) -> tuple[int, int]:
    """Builds corpora of that many rows; returns the peak of Python's memory and rows written."""
    files = root / str(rows) / "files"
    files.mkdir(parents=True)
    (files.parent / "manifest.json").write_text("{}", encoding="utf-8")
    english = (sentence(row % DISTINCT) for row in range(rows))
    german = (f"Gerät {sentence(row % DISTINCT + 7)}" for row in range(rows))
    (files / "x.de-en.en").write_text("\n".join(english) + "\n", encoding="utf-8")
    (files / "x.de-en.de").write_text("\n".join(german) + "\n", encoding="utf-8")
    corpus = {"source": "s", "reader": "moses", "path": "x.{pair}.{side}", "languages": ["de"]}
    section = CorporaSection(parallel=[{**corpus, "role": "train"}])  # type: ignore[list-item]
    section = section.model_copy(
        update={"cleaning": section.cleaning.model_copy(update={"max_copied_share": 1.0})}
    )
    tracemalloc.start()
    program.build(section, {"s": files.parent}, 7, files.parent / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, pq.read_metadata(files.parent / "out" / "parallel.parquet").num_rows


def test_ten_times_the_rows_take_no_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 50)
    monkeypatch.setattr(tables, "BUFFER", 8)
    build(tmp_path, DISTINCT)  # fills the caches
    (small, kept), (large, same) = build(tmp_path, 300), build(tmp_path, 3000)
    assert kept == same == DISTINCT
    assert large < small + 300_000  # rows that stayed would take 1.5 MB


def build_distinct(root: Path, rows: int) -> tuple[int, dict[str, int]]:
    """Builds corpora of distinct conversations and terms, and one of each repeated."""
    files = root / f"distinct-{rows}" / "files"
    files.mkdir(parents=True)
    (files.parent / "manifest.json").write_text("{}", encoding="utf-8")
    with open(files / "a.jsonl", "w", encoding="utf-8") as stream:
        for row in (*range(rows), 0):
            item = {"instruction": sentence(row), "input": "", "output": "Yes."}
            stream.write(json.dumps(item) + "\n")
    pairs = (f"word{row} wort{row}\n" for row in (*range(rows), 0))
    (files / "en-de.txt").write_text("".join(pairs), encoding="utf-8")
    section = CorporaSection(
        conversations=[{"source": "s", "reader": "alpaca", "path": "a.jsonl", "language": "en"}],
        lexicons=[{"source": "s", "reader": "muse", "path": "en-de.txt", "languages": ["de"]}],
    )  # type: ignore[arg-type]
    tracemalloc.start()
    report = program.build(section, {"s": files.parent}, 7, files.parent / "out")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    group = report["conversations"]["groups"]["s/a.jsonl"]
    assert group["rejected"] == {"duplicate": 1}
    names = ("conversations", "terms")
    out = files.parent / "out"
    return peak, {n: pq.read_metadata(out / f"{n}.parquet").num_rows for n in names}


def test_distinct_conversations_and_terms_take_no_more_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "BATCH_ROWS", 50)
    monkeypatch.setattr(tables, "BUFFER", 8)
    build_distinct(tmp_path, 100)  # fills the caches
    (small, few), (large, many) = build_distinct(tmp_path, 1000), build_distinct(tmp_path, 10_000)
    assert few == {"conversations": 1000, "terms": 1000}
    assert many == {"conversations": 10_000, "terms": 10_000}
    assert large < small + 300_000  # their digests would take 0.7 MB, the terms 1.8 MB


@settings(max_examples=60, deadline=None)
@given(rows=st.lists(st.integers(0, 9), max_size=200), buffer=st.sampled_from([1, 3, 8192]))
def test_all_but_the_first_of_a_key_are_repeated(
    rows: list[int], buffer: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "BUFFER", buffer)
        found = Repeats(tmp_path_factory.mktemp("keys") / "k")
        for row in rows:
            found.add(key_of(f"{row}", "x"))
        repeated = found.find()
    expected = {place for place, row in enumerate(rows) if row in rows[:place]}
    assert {place for place in range(len(rows)) if repeated[place]} == expected
