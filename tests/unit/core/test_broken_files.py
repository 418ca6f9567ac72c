"""Files that are damaged, nested too deeply or of another kind: one error that names the file."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core import parquet
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl
from bayling_study.core.rowlog import whole_rows
from bayling_study.core.tables import read_table
from bayling_study.shared.harness_tasks import read_rows
from bayling_study.stages.corpora.readers import flores
from bayling_study.stages.corpora.readers.json_catalogues import messages
from bayling_study.stages.corpora.readers.jsonitems import object_of, read_items

DEEP = "[" * 10_000 + "]" * 10_000
DIGITS = "9" * 5_000
READERS: dict[str, Callable[[Path], Any]] = {
    "document": read_json,
    "rows": lambda path: list(read_jsonl(path)),
    "items": lambda path: [object_of(row, str(path)) for _, row in read_items(path)],
    "task": read_rows,
}


@pytest.mark.parametrize("value", [DEEP, DIGITS], ids=["deep", "digits"])
@pytest.mark.parametrize("reader", READERS)
def test_json_that_python_cannot_hold_names_the_file(tmp_path: Path, reader, value) -> None:
    suffix = {"document": "json", "rows": "jsonl"}.get(reader, "json")
    path = tmp_path / f"x.{suffix}"
    path.write_text(f'[{{"a": {value}}}]\n')
    with pytest.raises(StudyError, match=r"x\.jsonl?"):
        READERS[reader](path)


@pytest.mark.parametrize("value", [DEEP, DIGITS], ids=["deep", "digits"])
def test_json_text_in_parquet_names_file_and_row(tmp_path: Path, value) -> None:
    storage = pa.array(["{}", value], pa.string())
    column = pa.ExtensionArray.from_storage(pa.json_(pa.string()), storage)
    pq.write_table(pa.table({"messages": column}), tmp_path / "x.parquet")
    with pytest.raises(StudyError, match=r"x\.parquet: row 2: text is not JSON"):
        list(parquet.rows(tmp_path / "x.parquet"))


def test_a_journal_ends_before_a_row_that_cannot_be_read() -> None:
    assert whole_rows(f'{{"a":1}}\n{{"a":{DEEP}}}\n'.encode()) == ([{"a": 1}], 8)


def test_a_catalogue_that_is_nested_too_deeply_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "de.json"
    path.write_text('{"a":' * 960 + '"b"' + "}" * 960)  # JSON's limit is just above
    with pytest.raises(StudyError, match=r"de\.json"):
        messages(path)


def test_a_folder_in_place_of_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").mkdir()
    with pytest.raises(StudyError, match="a folder is where the file should be"):
        read_json(tmp_path / "manifest.json")
    with pytest.raises(StudyError, match="the table cannot be read: Is a directory"):
        list(read_table(tmp_path, ("id",)))
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(StudyError, match="the table does not exist"):
        list(read_table(tmp_path / "link", ("id",)))


def test_only_a_line_feed_ends_a_row_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "x.tsv"
    path.write_bytes("id\ttext\r\na\tone\u2028two\x85\x1cthree\r\n\r\nb\tfour".encode())
    cells = [row["text"] for _, row in read_table(path, ("id", "text"))]
    assert cells == ["one\u2028two\x85\x1cthree", "four"]
    path.write_bytes(b"")
    with pytest.raises(StudyError, match="the first line must name the columns"):
        list(read_table(path, ("id", "text")))


def test_a_csv_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    for content in (b"a,b\n\xff,1\n", b"a,b\n" + b"x" * 200_000 + b",1\n"):
        path.write_bytes(content)
        with pytest.raises(StudyError, match=r"x\.csv: not CSV"):
            read_rows(path)


@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
def test_flipped_bytes_of_parquet_never_end_in_a_librarys_error(tmp_path, compression) -> None:
    path, refused, rng = tmp_path / "x.parquet", 0, random.Random(5)
    rows = [{"de": f"Satz {n}", "en": f"text {n}"} for n in range(50)]
    pq.write_table(pa.table({"translation": rows}), path, compression=compression)
    whole = path.read_bytes()
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(rng.choice((1, 2, 8))):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        try:
            list(parquet.rows(path))
        except StudyError:
            refused += 1
    assert refused > 50


@pytest.mark.parametrize("articles", [1, 3])
def test_flores_metadata_of_another_length_is_refused(tmp_path: Path, articles) -> None:
    folder = tmp_path / "files" / "devtest"
    folder.mkdir(parents=True)
    (tmp_path / "manifest.json").write_text("{}")
    for name in ("eng", "deu"):
        (folder / f"{name}.devtest").write_text("one\ntwo\n")
    table = "URL\tdomain\n" + "http://a\tnews\n" * articles
    (folder.parent / "metadata_devtest.tsv").write_text(table)
    corpus = ParallelCorpus(
        source="f", reader="flores", path="devtest/{language}.devtest",
        languages={"en": "eng", "de": "deu"},
    )  # fmt: skip
    with pytest.raises(StudyError, match=rf"{articles} articles of 2 sentences in eng\.devtest"):
        list(flores.read(tmp_path, corpus))
