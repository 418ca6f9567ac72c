"""Rows that stand alone and do not fit are left out, counted and shown; too many are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from bayling_study.config.corpora import CorporaSection
from bayling_study.core.errors import StudyError
from bayling_study.stages.corpora import __main__ as program

ENGLISH = "The committee adopted the report number {} without a vote"
GERMAN = "Der Ausschuss nahm Bericht Nummer {} ohne Abstimmung an"
ODD = "does not fit its format"


def build(folder: Path, text: str, section: dict[str, Any], kind: str) -> dict[str, Any]:
    (folder / "files").mkdir()
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    (folder / "files/x").write_text(text, encoding="utf-8")
    part = {"source": "src", "path": "x", **section}
    config = CorporaSection(**{kind: [part]}, split={"test_share": 0})  # type: ignore[arg-type]
    return program.build(config, {"src": folder}, 1, folder / "out")


def pair(number: int) -> tuple[str, str]:
    """Returns a sentence with a word of its own; numbers alone make no other sentence."""
    name = chr(97 + number % 26) * 3 + chr(97 + number // 26) * 2
    return ENGLISH.format(name), GERMAN.format(name)


def tsv(*odd: str, rows: int = 30) -> str:
    lines = ["\t".join(pair(n)) for n in range(rows)]
    return "\n".join([*lines[:5], *odd, *lines[5:]]) + "\n"


TSV = {"reader": "tsv", "languages": ["de"]}


@pytest.mark.parametrize("odd", ["one cell", "a\tb\tc", "a\tb\t"])
def test_an_odd_row_of_a_tsv_is_left_out_counted_and_shown(tmp_path: Path, odd: str) -> None:
    report = build(tmp_path, tsv(odd), TSV, "parallel")["parallel"]
    assert report["groups"]["src/de"]["read"] == 31
    assert report["groups"]["src/de"]["rejected"][ODD] == 1
    (sample,) = report["samples"][ODD]
    assert sample["text"] == odd.strip()
    assert sample["where"].endswith("x:6")
    rows = pq.read_table(tmp_path / "out/parallel.parquet").to_pylist()
    assert (rows[5]["text_a"], rows[5]["text_b"]) == pair(5)
    assert rows[5]["id"].endswith("/7")  # its line in the file, the odd one counted


def test_empty_lines_are_counted_and_never_refused(tmp_path: Path) -> None:
    report = build(tmp_path, tsv(*[""] * 40), TSV, "parallel")["parallel"]
    assert report["groups"]["src/de"]["rejected"]["empty line"] == 40
    assert report["segments"]["de"]["train"] > 0


def test_a_score_that_is_no_number_is_odd(tmp_path: Path) -> None:
    lines = [f"1.{n}\t" + "\t".join(pair(n)) for n in range(20)]
    lines[3] = "n/a\t" + "\t".join(pair(3))
    section = {**TSV, "columns": ["score", "en", "de"], "min_score": 1.0}
    report = build(tmp_path, "\n".join(lines), section, "parallel")["parallel"]
    assert report["groups"]["src/de"]["rejected"][ODD] == 1
    assert report["samples"][ODD][0]["problem"] == "'n/a' is not a score"


@pytest.mark.parametrize(("odd", "refused"), [(2, False), (3, True)])
def test_more_than_a_tenth_of_the_rows_is_another_format(
    tmp_path: Path, odd: int, refused: bool
) -> None:
    text = tsv(*["one cell"] * odd, rows=25 - odd)
    if not refused:
        report = build(tmp_path, text, TSV, "parallel")["parallel"]
        assert report["groups"]["src/de"]["rejected"][ODD] == odd
        return
    with pytest.raises(StudyError, match=r"x:6: 1 cells where 2 .*3 of 25 rows"):
        build(tmp_path, text, TSV, "parallel")


def test_a_large_file_of_another_format_is_refused_early(tmp_path: Path) -> None:
    text = tsv() + "one cell\n" * 5000
    with pytest.raises(StudyError, match=r"x:31: 1 cells .*101 of 131 rows"):
        build(tmp_path, text, TSV, "parallel")


def test_an_odd_line_of_muse_is_left_out_counted_and_shown(tmp_path: Path) -> None:
    lines = ["house haus", "alone", "", "tree baum", "new york stadt", *["dog hund"] * 30]
    section = {"reader": "muse", "languages": ["de"]}
    report = build(tmp_path, "\n".join(lines), section, "lexicons")
    assert report["terms"] == {"en-de": 3}
    assert report["lexicons"]["groups"]["src/de"]["rejected"] == {
        **{ODD: 2, "duplicate": 29, "empty line": 1}
    }
    assert [row["text"] for row in report["lexicons"]["samples"][ODD]] == [
        "alone",
        "new york stadt",
    ]


@pytest.mark.parametrize(
    "odd",
    [
        {"translation": {"en": "One"}},
        {"translation": {"en": "One", "de": 3}},
        {"text": "One"},
        None,
        ["One", "Eins"],
    ],
)
@pytest.mark.parametrize("form", ["array", "lines"])
def test_an_odd_row_of_json_is_left_out(tmp_path: Path, odd: object, form: str) -> None:
    texts = [dict(zip(("en", "de"), pair(n), strict=True)) for n in range(20)]
    rows: list[Any] = [{"translation": row} for row in texts]
    rows.insert(2, odd)
    text = json.dumps(rows) if form == "array" else "\n".join(map(json.dumps, rows))
    section = {"reader": "parallel-json", "languages": ["de"]}
    report = build(tmp_path, text, section, "parallel")["parallel"]
    assert report["groups"]["src/de"]["rejected"][ODD] == 1
    assert report["samples"][ODD][0]["where"].endswith("row 3")


def test_empty_and_broken_json_lines_are_left_out(tmp_path: Path) -> None:
    rows = [json.dumps({"instruction": f"Q {n}", "output": f"A {n}"}) for n in range(30)]
    text = "\n".join([*rows[:2], "", '{"instruction": "cut', *rows[2:], "", ""])
    section = {"reader": "alpaca", "language": "en"}
    report = build(tmp_path, text, section, "conversations")["conversations"]
    assert report["groups"]["src/x"]["rejected"] == {ODD: 1, "empty line": 2}
    assert report["groups"]["src/x"]["kept"] == 30


def test_an_odd_dialogue_is_left_out(tmp_path: Path) -> None:
    turns = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]
    rows: list[Any] = [{"conversations": turns}, {"conversations": "Q"}]
    section = {"reader": "sharegpt", "language": "en"}
    report = build(tmp_path, json.dumps(rows), section, "conversations")["conversations"]
    assert report["groups"]["src/x"]["rejected"] == {ODD: 1}


def test_files_that_are_paired_by_line_are_still_refused(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
    for side, lines in (("en", "One\n\nTwo\n"), ("de", "Eins\nZwei\n")):
        (tmp_path / f"files/x.{side}").write_text(lines, encoding="utf-8")
    corpus = {"source": "src", "reader": "moses", "path": "x.{side}", "languages": ["de"]}
    section = CorporaSection(parallel=[corpus])  # type: ignore[list-item]
    with pytest.raises(StudyError, match="lines"):
        program.build(section, {"src": tmp_path}, 1, tmp_path / "out")
