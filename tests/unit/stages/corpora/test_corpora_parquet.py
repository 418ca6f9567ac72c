"""Parquet as programs write it: JSON columns as text are read, what is no text is refused."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.corpora import ConversationCorpus, ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.flores_rows import read_table
from bayling_study.shared.harness_tasks import read_rows
from bayling_study.stages.corpora.readers import reader_named
from helpers.fitting_rows import fitting

JSON = pa.json_()
TURNS = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]


def as_json(*values: Any) -> pa.Array:
    """Returns a column in the form in which datasets 5.2.0 writes rows with differing keys."""
    texts = pa.array([json.dumps(value, ensure_ascii=False) for value in values], pa.string())
    return pa.ExtensionArray.from_storage(JSON, texts)


def put(download: Path, **columns: Any) -> Path:
    folder = download / "files" / "de-en"
    folder.mkdir(parents=True, exist_ok=True)
    (download / "manifest.json").write_text("{}", encoding="utf-8")
    pq.write_table(pa.table(columns), folder / "x.parquet")
    return folder / "x.parquet"


def pairs(download: Path, reader: str = "parquet", **more: Any) -> list[tuple[str, str]]:
    path = "{pair}/*.parquet" if reader == "parquet" else "de-en/x.parquet"
    section = {"source": "src", "reader": reader, "path": path, "languages": ["de"], **more}
    corpus = ParallelCorpus(**section)  # type: ignore[arg-type]
    return [(row.text_a, row.text_b) for row in fitting(reader_named(reader)(download, corpus))]


def dialogues(download: Path, reader: str) -> list[list[tuple[str, ...]]]:
    corpus = ConversationCorpus(
        source="src",
        reader=reader,  # type: ignore[arg-type]
        path="de-en/*.parquet",
        language="en",
    )
    drafts = reader_named(reader)(download, corpus)
    return [[tuple(turn) for turn in draft.conversation.messages] for draft in drafts]


@pytest.mark.parametrize("reader", ["parquet", "parallel-json"])
def test_a_translation_of_json_is_read(tmp_path: Path, reader: str) -> None:
    rows = [{"en": "One", "de": "Eins"}, {"en": "Two", "de": "Zwei", "fr": "Deux"}]
    put(tmp_path, translation=as_json(*rows))
    assert pairs(tmp_path, reader) == [("One", "Eins"), ("Two", "Zwei")]


def test_a_null_or_absent_text_of_json_is_empty_as_in_a_struct(tmp_path: Path) -> None:
    put(tmp_path, translation=as_json({"en": "One", "de": None}, {"en": "Two"}, {"de": "Drei"}))
    assert pairs(tmp_path) == [("One", ""), ("Two", ""), ("", "Drei")]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"en": "One"}, {"en": "Two"}], r"x\.parquet: 'translation' has no 'de', only en"),
        ([{"en": "1", "de": "1"}, {"en": "2", "de": 2}], r"row 2: .*translation\.de.* not text"),
        ([{"en": "1", "de": ["1"]}], r"row 1: .*translation\.de.* not text"),
        ([{"en": "1", "de": "1"}, ["Two", "Zwei"]], r"row 2: no struct column 'translation'"),
    ],
)
def test_json_that_holds_no_texts_is_refused_with_its_row(
    tmp_path: Path, rows: list[Any], message: str
) -> None:
    put(tmp_path, translation=as_json(*rows))
    with pytest.raises(StudyError, match=message):
        pairs(tmp_path)


def test_text_that_is_declared_as_json_but_broken_is_told(tmp_path: Path) -> None:
    storage = pa.array(['{"en": "One", "de": "Eins"}', "{oops"], pa.string())
    put(tmp_path, translation=pa.ExtensionArray.from_storage(JSON, storage))
    with pytest.raises(StudyError, match=r"x\.parquet: row 2: text is not JSON"):
        pairs(tmp_path)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([b"Eins", b"Zwei"], pa.binary()),
        ([date(2024, 5, 1), date(2024, 5, 2)], pa.date32()),
        ([1, 2], pa.int64()),
        ([1.5, 2.5], pa.float64()),
        ([["Eins"], ["Zwei"]], pa.list_(pa.string())),
        ([None, {"a": "b"}], pa.struct([("a", pa.string())])),
    ],
)
@pytest.mark.parametrize("reader", ["parquet", "parallel-json"])
def test_a_struct_of_other_things_than_texts_is_refused(
    tmp_path: Path, values: list[Any], kind: pa.DataType, reader: str
) -> None:
    other = pa.array(values, kind)
    english = pa.array(["One", "Two"])
    put(tmp_path, translation=pa.StructArray.from_arrays([english, other], ["en", "de"]))
    with pytest.raises(StudyError, match=r"x\.parquet: row [12]: .*de.* not text"):
        pairs(tmp_path, reader)


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.null()])
def test_any_kind_of_text_is_read(tmp_path: Path, kind: pa.DataType) -> None:
    value = None if kind == pa.null() else "Eins"
    german = pa.array([value], kind)
    put(tmp_path, translation=pa.StructArray.from_arrays([pa.array(["One"]), german], ["en", "de"]))
    assert pairs(tmp_path) == [("One", value or "")]


class TestConversations:
    def test_turns_of_json_are_read(self, tmp_path: Path) -> None:
        weighted = [*TURNS, TURNS[0], {**TURNS[1], "weight": 0}]
        put(tmp_path, conversations=as_json(TURNS, weighted))
        turns = [("user", "Q"), ("assistant", "A")]
        assert dialogues(tmp_path, "sharegpt") == [turns, turns]

    def test_json_deeper_in_a_column_is_read(self, tmp_path: Path) -> None:
        turns = pa.StructArray.from_arrays(
            [pa.array(["human", "gpt"]), as_json("Q", "A")], ["from", "value"]
        )
        put(tmp_path, conversations=pa.ListArray.from_arrays(pa.array([0, 2]), turns))
        assert dialogues(tmp_path, "sharegpt") == [[("user", "Q"), ("assistant", "A")]]

    def test_fields_and_history_of_alpaca_are_read(self, tmp_path: Path) -> None:
        columns = {
            "instruction": as_json("Q"),
            "input": as_json(None),
            "output": as_json("A"),
            "history": as_json([["R", "B"]]),
        }
        put(tmp_path, **columns)
        turns = [("user", "R"), ("assistant", "B"), ("user", "Q"), ("assistant", "A")]
        assert dialogues(tmp_path, "alpaca") == [turns]


class TestOtherReaders:
    def test_harness_rows_have_their_values(self, tmp_path: Path) -> None:
        path = put(tmp_path, choices=as_json(["a", "b"], {"text": ["c"]}), gold=as_json(0, None))
        assert read_rows(path) == [
            {"choices": ["a", "b"], "gold": 0},
            {"choices": {"text": ["c"]}, "gold": None},
        ]

    def test_a_broken_table_is_told(self, tmp_path: Path) -> None:
        path = put(tmp_path, n=[1])
        path.write_bytes(b"not parquet")
        with pytest.raises(StudyError, match=r"x\.parquet: not a Parquet file"):
            read_rows(path)

    def test_flores_rows_have_texts_and_ids(self, tmp_path: Path) -> None:
        path = put(tmp_path, id=as_json(3, 4), text=as_json("One", "Two"))
        assert [(row.id, row.text) for row in read_table(path)] == [("3", "One"), ("4", "Two")]

    def test_flores_bytes_are_refused(self, tmp_path: Path) -> None:
        path = put(tmp_path, id=[3, 4], text=pa.array([b"One", b"Two"]))
        with pytest.raises(StudyError, match=r"x\.parquet: row 1: 'text' is missing or not text"):
            read_table(path)

    @pytest.mark.parametrize(
        "columns",
        [{"id": [b"1"]}, {"id": [date(2024, 5, 1)]}, {"id": [["1"]]}, {"id": [1], "url": [b"u"]}],
    )
    def test_flores_ids_and_urls_are_refused_that_are_no_text(
        self, tmp_path: Path, columns: dict[str, list[Any]]
    ) -> None:
        path = put(tmp_path, text=["One"], **columns)
        with pytest.raises(StudyError, match=r"x\.parquet: row 1: the id is no number or text"):
            read_table(path)

    def test_text_that_is_not_utf8_is_told(self, tmp_path: Path) -> None:
        data = pa.array([b"One", b"Gr\xfc\xdfe"], pa.binary())
        text = pa.Array.from_buffers(pa.string(), 2, data.buffers())
        path = put(tmp_path, text=text)
        with pytest.raises(StudyError, match=r"x\.parquet: not a Parquet file .*utf-8"):
            read_rows(path)
