"""What other programs write: compressed JSON, keys twice, nulls for absent keys, maps, scores."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bayling_study.config.corpora import ConversationCorpus, ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.parquet import rows
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.readers.odd import OddRow

ROW = '{"instruction": "Say hi", "output": "hi"}'
TURNS = [("user", "Say hi"), ("assistant", "hi")]


def zstd(data: bytes) -> bytes:
    return bytes(pa.compress(data, codec="zstd", asbytes=True))


PACKERS = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstd}


def put(download: Path, name: str, data: bytes) -> None:
    (download / "files").mkdir(exist_ok=True)
    (download / "manifest.json").write_text("{}", encoding="utf-8")
    (download / "files" / name).write_bytes(data)


def dialogues(download: Path, name: str, reader: str = "alpaca") -> list[Any]:
    """Returns the turns of each row, or what is odd about it."""
    section = {"source": "src", "reader": reader, "path": name, "language": "en"}
    found = reader_named(reader)(download, ConversationCorpus(**section))  # type: ignore[arg-type]
    return [
        row.problem if isinstance(row, OddRow) else [tuple(m) for m in row.conversation.messages]
        for row in found
    ]


def pairs(download: Path, name: str, **more: Any) -> list[Any]:
    corpus = ParallelCorpus(source="src", path=name, languages=["de"], **more)
    found = reader_named(corpus.reader)(download, corpus)
    return [r.problem if isinstance(r, OddRow) else (r.text_a, r.text_b) for r in found]


@pytest.mark.parametrize("suffix", PACKERS)
class TestCompressed:
    @pytest.mark.parametrize(
        ("name", "text"), [("x.json", f"[{ROW}, {ROW}]"), ("x.jsonl", f"{ROW}\n{ROW}\n")]
    )
    def test_json_is_read(self, tmp_path: Path, suffix: str, name: str, text: str) -> None:
        put(tmp_path, name + suffix, PACKERS[suffix](text.encode()))
        assert dialogues(tmp_path, name + suffix) == [TURNS, TURNS]

    def test_all_members_are_read(self, tmp_path: Path, suffix: str) -> None:
        pack: Callable[[bytes], bytes] = PACKERS[suffix]
        put(tmp_path, f"x.tsv{suffix}", pack(b"One\tEins\nTw") + pack(b"o\tZwei\n"))
        found = pairs(tmp_path, f"x.tsv{suffix}", reader="tsv")
        assert found == [("One", "Eins"), ("Two", "Zwei")]

    @pytest.mark.parametrize("name", ["x.json", "x.jsonl"])
    def test_a_cut_file_is_told(self, tmp_path: Path, suffix: str, name: str) -> None:
        text = "\n".join(json.dumps({"output": str(n**9)}) for n in range(9000))
        put(tmp_path, name + suffix, PACKERS[suffix](f"[{text}]".encode())[:-100])
        with pytest.raises(StudyError, match="compressed file is damaged"):
            dialogues(tmp_path, name + suffix)


@pytest.mark.parametrize("lines", [True, False])
class TestJson:
    """A row that is not to be trusted is odd, of lines and of an array alike."""

    def read(self, folder: Path, lines: bool, row: str) -> list[Any]:
        text = f"{ROW}\n{row}\n{ROW}\n" if lines else f"[{ROW}, {row}, {ROW}]"
        put(folder, "x.json", text.encode())
        return dialogues(folder, "x.json")

    @pytest.mark.parametrize(
        ("row", "problem"),
        [
            ('{"instruction": "a", "output": "b", "output": "c"}', "'output' occurs twice"),
            ('{"instruction": "a", "more": {"k": 1, "k": 2}, "output": "c"}', "'k' occurs twice"),
            ('{"instruction": "a", "input": NaN, "output": "b"}', "NaN is not a number"),
            ('{"instruction": "a", "output": "b", "n": -Infinity}', "-Infinity is not a number"),
            ('{"instruction": "a", "n": ' + "9" * 5000 + "}", "4300 digits"),
        ],
    )
    def test_it_is_odd(self, tmp_path: Path, lines: bool, row: str, problem: str) -> None:
        first, odd, last = self.read(tmp_path, lines, row)
        assert (first, last) == (TURNS, TURNS)
        assert odd.startswith("not a JSON row (") and problem in odd

    def test_an_odd_item_longer_than_a_block_is_left_whole(
        self, tmp_path: Path, lines: bool
    ) -> None:
        long = '{"a": {"k": 1, "k": 2}, "output": "' + "x" * (3 << 20) + '"}'
        found = self.read(tmp_path, lines, long)
        assert found == [TURNS, "not a JSON row (the key 'k' occurs twice)", TURNS]

    def test_a_byte_order_mark_is_no_text(self, tmp_path: Path, lines: bool) -> None:
        put(tmp_path, "x.json", b"\xef\xbb\xbf" + (ROW if lines else f"[{ROW}]").encode())
        assert dialogues(tmp_path, "x.json") == [TURNS]


def test_a_row_nested_too_deeply_is_odd(tmp_path: Path) -> None:
    deep = '{"output": ' + "[" * 9000 + "]" * 9000 + "}"
    put(tmp_path, "x.jsonl", f"{ROW}\n{deep}\n".encode())
    first, odd = dialogues(tmp_path, "x.jsonl")
    assert first == TURNS
    assert odd.startswith("not a JSON row (maximum recursion depth")


def test_a_score_that_is_not_finite_is_odd(tmp_path: Path) -> None:
    put(tmp_path, "x.tsv", b"nan\tOne\tEins\n2\tTwo\tZwei\ninf\tThree\tDrei\n0.5\tFour\tVier\n")
    columns = ["score", "en", "de"]
    found = pairs(tmp_path, "x.tsv", reader="tsv", columns=columns, min_score=1)
    assert found == ["'nan' is not a score", ("Two", "Zwei"), "'inf' is not a score"]


class TestParquet:
    def put(self, folder: Path, table: pa.Table) -> Path:
        put(folder, "x.parquet", b"")
        pq.write_table(table, folder / "files/x.parquet")
        return folder / "files/x.parquet"

    def test_a_null_stands_for_an_absent_key_as_in_json_lines(self, tmp_path: Path) -> None:
        ask, answer = {"from": "human", "value": "Say hi"}, {"from": "gpt", "value": "hi"}
        new = [{"role": "user", "content": "Say hi"}, {"role": "assistant", "content": "hi"}]
        records: list[dict[str, Any]] = [
            {"conversations": [ask, answer]},
            {"messages": new},
            {"conversations": [ask], "chosen": answer},
        ]
        put(tmp_path, "x.jsonl", "".join(json.dumps(row) + "\n" for row in records).encode())
        assert dialogues(tmp_path, "x.jsonl", "sharegpt") == [TURNS] * 3
        absent = dict.fromkeys(("conversations", "messages", "chosen"))
        self.put(tmp_path, pa.Table.from_pylist([absent | row for row in records]))
        assert dialogues(tmp_path, "x.parquet", "sharegpt") == [TURNS] * 3

    @pytest.mark.parametrize("reader", ["parquet", "parallel-json"])
    @pytest.mark.parametrize("value", [pa.string(), pa.json_()])
    def test_a_map_of_texts_is_read(self, tmp_path: Path, reader: str, value: pa.DataType) -> None:
        quote = json.dumps if value == pa.json_() else str
        entries = [[("de", quote("Eins")), ("en", quote("One"))]]
        kind = pa.map_(pa.string(), pa.string())
        column = pa.array(entries, kind)
        if value == pa.json_():
            texts = pa.ExtensionArray.from_storage(value, column.items)
            column = pa.MapArray.from_arrays(column.offsets, column.keys, texts)
        self.put(tmp_path, pa.table({"translation": column}))
        assert pairs(tmp_path, "x.parquet", reader=reader) == [("One", "Eins")]

    def test_a_list_view_and_dictionaries_are_read(self, tmp_path: Path) -> None:
        roles = pa.array(["human", "gpt"]).dictionary_encode()
        texts = pa.array(["Say hi", "hi"], pa.large_string())
        turns = pa.StructArray.from_arrays([roles, texts], ["from", "value"])
        view = pa.ListViewArray.from_arrays(pa.array([0], pa.int32()), pa.array([2]), turns)
        self.put(tmp_path, pa.table({"conversations": view}))
        assert dialogues(tmp_path, "x.parquet", "sharegpt") == [TURNS]

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            ([("a", ["1"]), ("a", ["2"])], "more than one column is called 'a'"),
            ([("t", pa.array([2**62], pa.timestamp("us")))], "out of range"),
            ([("m", pa.array([[("k", 1), ("k", 2)]], pa.map_(pa.string(), pa.int8())))], "'k'"),
            (
                [("s", pa.StructArray.from_arrays([pa.array([1]), pa.array([2])], ["k", "k"]))],
                "duplicate field names",
            ),
        ],
    )
    def test_what_a_dict_cannot_hold_is_refused(
        self, tmp_path: Path, columns: list[tuple[str, Any]], message: str
    ) -> None:
        arrays = [pa.array(values) for _, values in columns]
        path = self.put(tmp_path, pa.table(arrays, names=[name for name, _ in columns]))
        with pytest.raises(StudyError, match=message):
            list(rows(path))
