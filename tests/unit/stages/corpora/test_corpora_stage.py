"""The corpora program: files, report, the same bytes each time, and clear mistakes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, sha256_path
from bayling_study.stages.corpora import __main__ as program
from bayling_study.stages.corpora import tables

NOUNS = ["lamp", "door", "fan", "pump", "lock", "clock"]
NOUNS += ["radio", "stove", "heater", "valve", "camera", "siren"]
VERBS = ["start", "stop", "open", "close", "reset", "check"]
SECTION = {
    "parallel": [
        {
            "source": "ha",
            "reader": "homeassistant",
            "languages": {"de": "de", "zh": "zh-Hans"},
        }
    ],
    "conversations": [
        {"source": "lf", "reader": "alpaca", "path": "a.json", "language": "en"},
        {"source": "lf", "reader": "sharegpt", "path": "s.json", "language": "en"},
    ],
    "split": {"test_share": 0.3},
}


@pytest.fixture
def downloads(tmp_path: Path) -> dict[str, Path]:
    """Two downloads: twelve components with six messages each, and three dialogues."""
    for noun in NOUNS:
        folder = tmp_path / f"ha/files/homeassistant/components/{noun}/translations"
        folder.mkdir(parents=True)
        english = {v: f"Please {v} this {noun} now or {noun} {v} later" for v in VERBS}
        german = {v: f"Bitte {noun}gerät jetzt mit Taste {v}{noun} bedienen" for v in VERBS}
        chinese = {v: f"请现在操作 {v} {noun} 这台设备" for v in VERBS}
        catalogues = {"en": english, "de": {**german, "start": "{kaputt}"}, "zh-Hans": chinese}
        for name, catalogue in catalogues.items():
            text = json.dumps({"services": catalogue}, ensure_ascii=False)
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
    files = tmp_path / "lf/files"
    files.mkdir(parents=True)
    for source in ("ha", "lf"):
        (tmp_path / source / "manifest.json").write_text("{}", encoding="utf-8")
    row = {"instruction": "Greet", "input": "", "output": "Hello"}
    (files / "a.json").write_text(json.dumps([row, row]), encoding="utf-8")
    turns = [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello"}]
    rows = [{"conversations": turns}, {"conversations": turns[:1]}]
    (files / "s.json").write_text(json.dumps(rows), encoding="utf-8")
    return {"ha": tmp_path / "ha", "lf": tmp_path / "lf"}


def make(downloads: dict[str, Path], out: Path, seed: int = 7, **changes: Any) -> dict[str, Any]:
    return program.build(CorporaSection(**{**SECTION, **changes}), downloads, seed, out)  # type: ignore[arg-type]


def test_report_accounts_for_every_row(downloads: dict[str, Path], tmp_path: Path) -> None:
    report = make(downloads, tmp_path / "out")
    rows = pq.read_table(tmp_path / "out/parallel.parquet").to_pylist()
    german = report["parallel"]["groups"]["ha/de"]
    assert german["read"] == 72
    assert german["rejected"]["placeholder"] == 12
    assert german["kept"] + sum(german["rejected"].values()) == 72
    assert sum(row["lang_b"] == "de" for row in rows) == german["kept"]
    assert len(report["parallel"]["samples"]["placeholder"]) == 4  # 1st, 2nd, 4th and 8th
    assert report["parallel"]["documents"]["test"] > 0
    splits = [row["split"] for row in rows]
    assert splits == sorted(splits, reverse=True)  # training rows come first
    assert {row["lang_a"] for row in rows} == {"en"}
    assert len({row["id"] for row in rows}) == len(rows)
    assert read_json(tmp_path / "out/report.json") == report


def test_conversations_are_unique_and_complete(downloads: dict[str, Path], tmp_path: Path) -> None:
    report = make(downloads, tmp_path / "out")["conversations"]
    rows = pq.read_table(tmp_path / "out/conversations.parquet").to_pylist()
    assert [(row["id"], row["recipe"]) for row in rows] == [
        ("lf/a.json/1", "alpaca"),
        ("lf/s.json/1", "sharegpt"),
    ]
    assert rows[1]["messages"] == [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
    ]
    assert report["groups"]["lf/a.json"]["rejected"] == {"duplicate": 1}
    assert report["groups"]["lf/s.json"]["rejected"] == {"no complete exchange": 1}
    assert report["repaired"] == {"last question without answer": 1}


def test_same_bytes_again_and_other_rows_with_another_seed(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        make(downloads, tmp_path / name, seed)
    assert sha256_path(tmp_path / "one") == sha256_path(tmp_path / "two")
    assert sha256_path(tmp_path / "one") != sha256_path(tmp_path / "other")
    assert sorted(f.name for f in (tmp_path / "one").iterdir()) == [
        "conversations.parquet",
        "parallel.parquet",
        "report.json",
        "terms.parquet",
    ]


def test_batches_lose_no_row(
    downloads: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(downloads, tmp_path / "whole")
    monkeypatch.setattr(tables, "BATCH_ROWS", 7)
    make(downloads, tmp_path / "cut")
    whole, cut = (pq.read_table(tmp_path / n / "parallel.parquet") for n in ("whole", "cut"))
    assert whole.equals(cut)


def test_a_language_without_a_segment_is_counted_and_stops_no_other(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    corpus = {**SECTION["parallel"][0], "languages": {"de": "de", "fr": "fr"}}  # type: ignore[dict-item]
    report = make(downloads, tmp_path / "out", parallel=[corpus])["parallel"]
    assert report["segments"]["fr"] == {"train": 0, "test": 0}
    assert report["segments"]["de"]["train"] > 0


def test_a_corpus_of_which_no_language_has_a_segment_is_a_mistake(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    corpus = {**SECTION["parallel"][0], "languages": {"fr": "fr"}}  # type: ignore[dict-item]
    with pytest.raises(StudyError, match=r"corpora\.parallel\.0.*no segment is left of fr"):
        make(downloads, tmp_path / "out", parallel=[corpus])
    assert not (tmp_path / "out").exists()


def test_languages_that_may_be_missing_are_counted_and_stop_no_other(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    """One has no file, one no segment that passes; without the key either ends the job."""
    text = {"de": ["Bitte nicht die rote Lampe drücken, sonst geht alles aus"] * 3, "sw": ["?"] * 3}
    files = tmp_path / "mined/files"
    files.mkdir(parents=True)
    (tmp_path / "mined/manifest.json").write_text("{}", encoding="utf-8")
    for code, lines in text.items():
        pair = "-".join(sorted(("en", code)))
        english = [f"Please do not press the red lamp number {n} or all is dark" for n in range(3)]
        for side, rows in (("en", english), (code, lines)):
            (files / f"{pair}.{side}").write_text("\n".join(rows), encoding="utf-8")
    given = {**downloads, "mined": tmp_path / "mined"}
    mined = {"source": "mined", "reader": "moses", "path": "{pair}.{side}", "role": "train"}
    corpora = [{**mined, "languages": [code]} for code in ("fr", "sw", "de")]
    found = make(given, tmp_path / "out", parallel=corpora, allow_missing=True)["parallel"]
    assert found["segments"]["de"]["train"] > 0
    assert found["segments"]["fr"] == found["segments"]["sw"] == {"train": 0, "test": 0}
    assert found["groups"]["mined/fr"] == {"read": 1, "kept": 0, "rejected": {"no file": 1}}
    assert "the download has no 'en-fr.en'" in str(found["samples"]["no file"])
    for number, why in enumerate(["the download has no", "no segment is left of sw"]):
        with pytest.raises(StudyError, match=why):
            make(given, tmp_path / "other", parallel=[corpora[number]])


def test_a_source_that_is_not_given_is_a_mistake(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(StudyError, match=r"'lf' is not given(.|\n)*--download lf=DIR"):
        make({"ha": downloads["ha"]}, tmp_path / "out")


def test_half_a_character_is_replaced_in_dialogues_and_rejected_in_segments(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    row = {"instruction": "Greet", "input": "", "output": "ok \ud83d"}
    fine = {"instruction": "Smile", "input": "", "output": "ok \U0001f600"}
    (downloads["lf"] / "files/a.json").write_text(json.dumps([row, fine]), encoding="utf-8")
    catalogue = downloads["ha"] / "files/homeassistant/components/lamp/translations/de.json"
    texts = json.loads(catalogue.read_text(encoding="utf-8"))
    texts["services"]["stop"] += " \udc00"
    catalogue.write_text(json.dumps(texts), encoding="utf-8")
    report = make(downloads, tmp_path / "out")
    assert report["conversations"]["repaired"]["half a character replaced"] == 1
    rows = pq.read_table(tmp_path / "out/conversations.parquet").to_pylist()
    answers = [row["messages"][1]["content"] for row in rows]
    assert answers[:2] == ["ok \ufffd", "ok \U0001f600"]
    rejected = report["parallel"]["groups"]["ha/de"]["rejected"]
    assert rejected["control"] == 1


def test_a_broken_file_is_named_and_leaves_nothing(
    downloads: dict[str, Path], tmp_path: Path
) -> None:
    (downloads["lf"] / "files/a.json").write_bytes(b'[{"instruction": "x", "input": "y"}]')
    with pytest.raises(StudyError, match=r"a\.json: row 1: the key 'output' is missing"):
        make(downloads, tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))


def test_program_writes_its_record(
    downloads: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"study": {"name": "s", "title": "S", "seed": 7}, "corpora": SECTION}
    (tmp_path / "settings.json").write_text(json.dumps(settings), encoding="utf-8")
    given = [f"--download={name}={folder}" for name, folder in downloads.items()]
    line = ["--settings=settings.json", "--record=run.json", *given, "--out=out"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["corpora", *line])
    program.main()
    record = read_json(tmp_path / "run.json")
    assert record["state"] == "finished"
    assert record["outputs"]["corpora"]["sha256"] == sha256_path(tmp_path / "out")
    assert record["metrics"]["conversations.lf/a.json"] == 1
    assert record["metrics"]["segments.zh.train"] > 0
