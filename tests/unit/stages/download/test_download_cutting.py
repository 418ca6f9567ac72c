"""Each format is cut in the form that its publisher gave it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.core.errors import StudyError
from bayling_study.stages.download.cutting import Kept, Portion, cut_file
from bayling_study.stages.download.ranges import buffered

ROWS = [{"instruction": f"Name {number}, please", "output": ["ä", {"b": 1}]} for number in range(5)]
JSON_LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
"""Five rows of JSON, a line each."""


def cut(name: str, content: bytes, **portion: Any) -> tuple[Kept, bytes]:
    """Cuts after three rows; returns what is said and what was written."""
    sink = io.BytesIO()
    kept = cut_file(name, buffered(io.BytesIO(content)), sink, Portion(3, **portion))
    return kept, sink.getvalue()


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"indent": "\t", "ensure_ascii": False}])
@pytest.mark.parametrize("start", ["", "\ufeff", "\r\n "])
def test_an_array_is_cut_at_an_element_and_closed_as_it_is_laid_out(
    layout: dict[str, Any], start: str
) -> None:
    kept, content = cut("alpaca.json", (start + json.dumps(ROWS, **layout)).encode())
    assert kept == Kept(3, more=True)
    assert content.decode() == start + json.dumps(ROWS[:3], **layout)


def test_an_array_of_no_more_elements_stays_as_it_is() -> None:
    whole = json.dumps(ROWS[:3]).encode() + b"\n"
    assert cut("a.json", whole) == (Kept(3), whole)
    assert cut("a.json", b"[ ]\n") == (Kept(0), b"[ ]\n")


def test_an_array_is_told_from_rows_and_from_one_object_by_its_content() -> None:
    assert (
        cut("belle.json", JSON_LINES.encode())[1] == JSON_LINES.encode()[: 3 * len(JSON_LINES) // 5]
    )
    for text in (json.dumps({"a": ROWS}, indent=1), json.dumps({"a": ROWS}), "{\n}\n"):
        assert cut("catalogue.json", text.encode())[1] == text.encode()


def test_numbers_and_texts_of_an_array_end_where_they_end() -> None:
    assert cut("a.json", b"[1, 22, 333, 4444]") == (Kept(3, more=True), b"[1, 22, 333]")
    assert cut("a.json", b'["]", "[", "\\"]", "x"]')[1] == b'["]", "[", "\\"]"]'


def test_an_element_over_many_blocks_is_read_to_its_end() -> None:
    rows = [{"text": "é" * 400_000} for _ in range(4)]
    kept, content = cut("a.json", json.dumps(rows, ensure_ascii=False).encode())
    assert kept == Kept(3, more=True) and json.loads(content) == rows[:3]


@pytest.mark.parametrize(
    "text", ['[{"a": 1}, {"a" 2}, {"a": 3}, 4]', '[{"a": 1}, {"a": 2', '[{"a": 1} {"a": 2}]']
)
def test_an_array_that_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match=r"set/a.json: the file .*no JSON behind element"):
        cut("set/a.json", text.encode())


@pytest.mark.parametrize(
    ("name", "rows"), [("a.jsonl", 3), ("N.a-b.ast", 3), ("zh-en.src", 3), ("news.tsv", 4)]
)
def test_lines_end_only_at_their_ends_and_a_table_has_one_more(name: str, rows: int) -> None:
    lines = [b"a\xe2\x80\xa8b\n", b"\r\x0c\x85\n", b"\n", b"d\n", b"last"]
    assert cut(name, b"".join(lines)) == (Kept(rows, more=True), b"".join(lines[:rows]))
    assert cut(name, b"".join(lines[3:])) == (Kept(2), b"d\nlast")


def test_what_is_no_rows_stays_whole() -> None:
    text = b"one\n" * 9
    names = ("README.md", "LICENSE", "license", "copyright", "a.po", "a.html", "a.yaml", "a.xml")
    assert {cut(name, text) for name in names} == {(Kept(), text)}
    assert cut("spm.model", b"\0" + text) == (Kept(), b"\0" + text)
    with pytest.raises(StudyError, match="more than 0 MB must be read"):
        cut("spm.model", b"\0" + text, whole=20)


@pytest.mark.parametrize(("suffix", "library"), [(".gz", gzip), (".bz2", bz2), (".xz", lzma)])
def test_what_is_packed_is_packed_again_the_same_each_time(suffix: str, library: Any) -> None:
    packed = library.compress(b"row\n" * 5) + library.compress(b"more\n")
    first, second = (cut(f"a.txt{suffix}", packed) for _ in range(2))
    assert first == second and first[0] == Kept(3, more=True)
    assert library.decompress(first[1]) == b"row\n" * 3
    array = library.compress(json.dumps(ROWS).encode())
    assert json.loads(library.decompress(cut(f"a.json{suffix}", array)[1])) == ROWS[:3]
    with pytest.raises(StudyError, match="the file is damaged"):
        cut(f"a.txt{suffix}", library.compress(b"row\n" * 999)[:-9])


def test_parquet_keeps_schema_metadata_and_rows_over_row_groups() -> None:
    kind = pa.struct([("en", pa.string()), ("zh", pa.large_string())])
    values = [{"en": f"row {number}", "zh": None} for number in range(5)]
    table = pa.table({"translation": pa.array(values, kind), "n": pa.array(range(5), pa.int16())})
    table = table.replace_schema_metadata({"huggingface": '{"info": {}}'})
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2)
    kept, content = cut("train.parquet", sink.getvalue())
    part = pq.ParquetFile(io.BytesIO(content))
    assert kept == Kept(3, more=True)
    assert part.read().to_pylist() == table.slice(0, 3).to_pylist()
    assert part.schema_arrow.equals(table.schema, check_metadata=True)
    with pytest.raises(StudyError, match=r"train.parquet: the file is damaged \(Parquet magic"):
        cut("train.parquet", b"PAR1 and no more")


def test_a_budget_ends_a_file_early_and_is_told() -> None:
    assert cut("a.txt", b"12345\n" * 9, most=13) == (Kept(2, True, True), b"12345\n" * 2)
    long = [{"text": "x" * 300_000} for _ in range(3)]
    kept, content = cut("a.json", json.dumps(long).encode(), most=500_000)
    assert kept == Kept(1, True, True) and json.loads(content) == long[:1]
    table = io.BytesIO()
    pq.write_table(pa.table({"n": range(200)}), table)
    spent = Portion(100, most=1, spent=lambda: 2)
    assert cut_file("a.parquet", buffered(table), io.BytesIO(), spent) == Kept(64, True, True)
    with pytest.raises(StudyError, match=r"a.txt: its first row does not end within") as error:
        cut("a.txt", b"x" * 99, most=13)
    assert "rehearsal.file_megabytes" in str(error.value)


def test_the_first_rows_are_all_that_is_read_of_a_text(tmp_path: Path) -> None:
    class Endless(io.RawIOBase):
        read_bytes = 0

        def readable(self) -> bool:
            return True

        def readinto(self, target: Any) -> int:
            target[:] = (b"row\n" * len(target))[: len(target)]
            Endless.read_bytes += len(target)
            return len(target)

    with open(tmp_path / "a", "wb") as sink:
        assert cut_file("a", buffered(Endless()), sink, Portion(3)) == Kept(3, more=True)
    assert Endless.read_bytes < 1_000_000
