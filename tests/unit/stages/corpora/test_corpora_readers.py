"""Readers: exact to the upstream formats and their quirks, clear about broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest

from bayling_study.config.corpora import ConversationCorpus, Lexicon, ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.stages.corpora.readers import (
    alpaca,
    json_catalogues,
    jsonitems,
    parallel_json,
    reader_named,
    sharegpt,
)
from bayling_study.stages.corpora.readers.exchanges import Draft
from bayling_study.stages.corpora.readers.html_text import strip_html
from bayling_study.stages.corpora.tally import CorpusTally
from helpers.fitting_rows import fitting


def put(download: Path, path: str, value: Any) -> Path:
    """Writes a JSON file of a download; bytes and text are written as they are."""
    file = download / "files" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    data = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
    file.write_bytes(data)
    (download / "manifest.json").write_text("{}", encoding="utf-8")
    return file


@pytest.mark.parametrize("kind", [ParallelCorpus, ConversationCorpus, Lexicon])
def test_every_reader_of_the_config_is_there(kind: Any) -> None:
    names = get_args(kind.model_fields["reader"].annotation)
    assert len({reader_named(name) for name in names}) == len(names) >= 2


def talk(reader: str, path: str, **more: Any) -> ConversationCorpus:
    return ConversationCorpus(source="src", reader=reader, path=path, language="en", **more)  # type: ignore[arg-type]


def contents(draft: Draft) -> list[tuple[str, str]]:
    return [tuple(message) for message in draft.conversation.messages]  # type: ignore[misc]


class TestHomeAssistant:
    corpus = ParallelCorpus(
        source="ha", reader="homeassistant", languages={"zh": "zh-Hans", "de": "de"}
    )

    def test_aligns_nested_keys_by_component_and_language(self, tmp_path: Path) -> None:
        root = "homeassistant/components/hue/translations"
        put(tmp_path, f"{root}/en.json", {"config": {"step": {"title": "Link hub"}}, "x": "Only"})
        put(tmp_path, f"{root}/zh-Hans.json", {"config": {"step": {"title": "连接"}}, "y": "多余"})
        put(tmp_path, "homeassistant/components/aaa/translations/en.json", {"t": "A"})
        put(tmp_path, "homeassistant/components/aaa/translations/de.json", {"t": "Ä"})
        found = list(json_catalogues.read_homeassistant(tmp_path, self.corpus))
        assert [(s.id, s.lang_b, s.text_a, s.text_b, s.document) for s in found] == [
            ("ha/de/aaa/t", "de", "A", "Ä", "ha/aaa"),
            ("ha/zh/hue/config::step::title", "zh", "Link hub", "连接", "ha/hue"),
        ]

    def test_refuses_a_leaf_that_is_not_text(self, tmp_path: Path) -> None:
        root = "homeassistant/components/hue/translations"
        put(tmp_path, f"{root}/en.json", {"config": {"step": 3}})
        put(tmp_path, f"{root}/de.json", {"config": {"step": "drei"}})
        with pytest.raises(StudyError, match=r"en\.json: config::step: the message is not text"):
            list(json_catalogues.read_homeassistant(tmp_path, self.corpus))

    def test_refuses_a_folder_without_catalogues(self, tmp_path: Path) -> None:
        (tmp_path / "files/homeassistant/components").mkdir(parents=True)
        (tmp_path / "manifest.json").write_text("{}", encoding="utf-8")
        with pytest.raises(StudyError, match=r"no \*/translations/en.json"):
            list(json_catalogues.read_homeassistant(tmp_path, self.corpus))


class TestJsonCatalogues:
    corpus = ParallelCorpus(
        source="mw",
        reader="json",
        path="share/**/i18n/**/{language}.json",
        languages={"zh": "zh-hans", "de": "de"},
    )

    def test_aligns_keys_file_by_file_without_remarks(self, tmp_path: Path) -> None:
        put(tmp_path, "share/core/i18n/en.json", {"@metadata": {"authors": ["A"]}, "k": "One"})
        put(tmp_path, "share/core/i18n/de.json", {"@metadata": {"authors": []}, "k": "Eins"})
        put(tmp_path, "share/core/i18n/zh-hans.json", {"k": "一", "other": "余"})
        put(tmp_path, "share/ext/i18n/ve/en.json", {"in": {"k": "Two"}})
        put(tmp_path, "share/ext/i18n/ve/de.json", {"in": {"k": "Zwei"}})
        found = list(json_catalogues.read(tmp_path, self.corpus))
        assert [(s.lang_b, s.text_a, s.text_b, s.document) for s in found] == [
            ("zh", "One", "一", "mw/share/core/i18n"),
            ("de", "One", "Eins", "mw/share/core/i18n"),
            ("de", "Two", "Zwei", "mw/share/ext/i18n/ve"),
        ]
        assert found[2].id == "mw/de/share/ext/i18n/ve/in::k"

    def test_needs_the_pivots_files(self, tmp_path: Path) -> None:
        put(tmp_path, "share/core/i18n/de.json", {"k": "Eins"})
        with pytest.raises(StudyError, match=r"the download has no 'share/.*/en\.json'"):
            list(json_catalogues.read(tmp_path, self.corpus))


class TestParallelJson:
    corpus = ParallelCorpus(
        source="alma", reader="parallel-json", path="valid.json", languages={"zh": "zh"}
    )

    def test_reads_the_hub_struct_in_blocks(self, tmp_path: Path) -> None:
        rows = [{"translation": {"zh": f"第{i}句", "en": f"Sentence {i}"}} for i in range(120)]
        put(tmp_path, "valid.json", rows)
        found = list(parallel_json.read(tmp_path, self.corpus))
        assert found[0].text_a == "Sentence 0"
        assert found[119].text_b == "第119句"
        assert [len([s for s in found if s.document.endswith(f"/{b}")]) for b in range(3)] == [
            50,
            50,
            20,
        ]

    def test_names_the_row_without_a_language(self, tmp_path: Path) -> None:
        put(
            tmp_path,
            "valid.json",
            [{"translation": {"zh": "一", "en": "One"}}, {"translation": {"en": "Two"}}],
        )
        tally = CorpusTally()
        assert [
            row.text_b for row in fitting(parallel_json.read(tmp_path, self.corpus), tally)
        ] == ["一"]
        (sample,) = tally.report()["samples"]["does not fit its format"]
        assert sample["problem"] == "the key 'zh' is missing"
        assert sample["where"].endswith("valid.json: row 2")

    def test_names_the_row_without_translation(self, tmp_path: Path) -> None:
        put(tmp_path, "valid.json", [{"text": "One"}])
        with pytest.raises(StudyError, match=r"row 1: the key 'translation'"):
            fitting(parallel_json.read(tmp_path, self.corpus))


class TestAlpaca:
    def test_joins_the_input_unless_there_is_none(self, tmp_path: Path) -> None:
        rows = [
            {"instruction": "Add", "input": "1 and 2", "output": "3"},
            {"instruction": "Greet", "input": "", "output": " Hello "},
            {"instruction": "Sing", "input": "<noinput>", "output": "La"},
            {"instruction": "Say nothing", "input": "", "output": ""},
        ]
        put(tmp_path, "data/alpaca.json", rows)
        drafts = list(alpaca.read(tmp_path, talk("alpaca", "data/alpaca.json")))
        assert [contents(draft) for draft in drafts] == [
            [("user", "Add\n1 and 2"), ("assistant", "3")],
            [("user", "Greet"), ("assistant", "Hello")],
            [("user", "Sing"), ("assistant", "La")],
            [],
        ]
        assert drafts[0].conversation.id == "src/alpaca.json/1"

    def test_reads_multialpaca_and_coig_cqia_as_they_are(self, tmp_path: Path) -> None:
        given = "「私は英語が苦手です。」"
        multialpaca = [
            {"instruction": '"都市は？"', "input": None, "output": "東京です。"},
            {"instruction": "平仮名に", "input": given, "output": "「わたし」"},
        ]
        cqia = {
            "instruction": "为什么？", "input": "", "output": "因为。",
            "task_type": {"major": ["问答"], "minor": ["逻辑问答"]}, "domain": ["通用"],
            "metadata": "来源", "answer_from": "human", "human_verified": True, "copyright": "无",
        }  # fmt: skip
        for name, rows in (("ja.jsonl", multialpaca), ("COIG-CQIA-full.jsonl", [cqia])):
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            put(tmp_path, name, lines.encode())
        ja = [contents(draft) for draft in alpaca.read(tmp_path, talk("alpaca", "ja.jsonl"))]
        assert ja == [
            [("user", '"都市は？"'), ("assistant", "東京です。")],
            [("user", f"平仮名に\n{given}"), ("assistant", "「わたし」")],
        ]
        (zh,) = alpaca.read(tmp_path, talk("alpaca", "COIG-CQIA-full.jsonl"))
        assert contents(zh) == [("user", "为什么？"), ("assistant", "因为。")]

    def test_accepts_an_archive_with_its_top_folder(self, tmp_path: Path) -> None:
        put(
            tmp_path,
            "pkg-1.0/data/a.json",
            [{"instruction": "Go", "input": "", "output": "Gone"}],
        )
        assert len(list(alpaca.read(tmp_path, talk("alpaca", "data/a.json")))) == 1

    @pytest.mark.parametrize("path", ["../a.json", "/etc/passwd", "data/none.json"])
    def test_refuses_a_path_outside_or_absent(self, tmp_path: Path, path: str) -> None:
        put(tmp_path, "a/b.json", [])
        with pytest.raises(StudyError, match=r"leaves the download|the download has no"):
            list(alpaca.read(tmp_path, talk("alpaca", path)))


class TestShareGpt:
    def one(self, tmp_path: Path, row: dict[str, Any], **more: Any) -> Draft:
        put(tmp_path, "s.json", [row])
        (draft,) = sharegpt.read(tmp_path, talk("sharegpt", "s.json", **more))
        return draft

    @staticmethod
    def turns(*pairs: tuple[str, str]) -> dict[str, Any]:
        return {"id": "x", "conversations": [{"from": role, "value": v} for role, v in pairs]}

    def test_maps_roles_and_keeps_the_system_turn(self, tmp_path: Path) -> None:
        row = self.turns(("system", "Be kind"), ("user", "Hi"), ("chatgpt", "Hello"))
        draft = self.one(tmp_path, row)
        assert contents(draft) == [("system", "Be kind"), ("user", "Hi"), ("assistant", "Hello")]
        assert draft.changes == ()

    @pytest.mark.parametrize(
        ("pairs", "length", "change"),
        [
            ([("gpt", "…"), ("human", "Q"), ("gpt", "A")], 2, "leading answer left out"),
            (
                [("human", "Q"), ("gpt", "A"), ("human", " "), ("gpt", "B")],
                2,
                "cut at an empty turn",
            ),
            ([("human", "Q"), ("gpt", "A"), ("tool", "x"), ("gpt", "B")], 2, "cut at an odd role"),
            (
                [("human", "Q"), ("gpt", "A"), ("gpt", "B")],
                2,
                "cut at a turn out of order",
            ),
            ([("human", "Q"), ("gpt", "A"), ("human", "R")], 2, "last question without answer"),
            ([("human", "Q")], 0, "last question without answer"),
            ([("gpt", "A")], 0, "leading answer left out"),
        ],
    )
    def test_keeps_the_longest_usable_start(
        self, tmp_path: Path, pairs: list[tuple[str, str]], length: int, change: str
    ) -> None:
        draft = self.one(tmp_path, self.turns(*pairs))
        assert len(draft.conversation.messages) == length
        assert draft.changes == (change,)

    def test_takes_the_chosen_answer_of_a_preference_pair(self, tmp_path: Path) -> None:
        row = self.turns(("human", "Q"))
        row["chosen"] = {"from": "gpt", "value": "good"}
        row["rejected"] = {"from": "gpt", "value": "bad"}
        assert contents(self.one(tmp_path, row)) == [("user", "Q"), ("assistant", "good")]

    def test_strips_html_only_when_told_and_never_in_code(self, tmp_path: Path) -> None:
        answer = "<p>Use &lt;b&gt;:</p>\n```html\n<b>x</b>\n```\n<div>Done</div>"
        row = self.turns(("human", "Q"), ("gpt", answer))
        assert contents(self.one(tmp_path, row))[1][1] == answer
        stripped = contents(self.one(tmp_path, row, strip_html=True))[1][1]
        assert stripped == "Use <b>:\n\n```html\n<b>x</b>\n```\nDone"

    @pytest.mark.parametrize(
        ("text", "plain"),
        [
            ("What does `vector<int>` do?", "What does `vector<int>` do?"),
            ("What does vector<int> do?", "What does vector<int> do?"),
            ("In C#, List<object> is slow.", "In C#, List<object> is slow."),
            ("Dear <your name>, a < b and c > d", "Dear <your name>, a < b and c > d"),
            ("Write `<b>x</b>` or ``a ` <i>y</i>``.", "Write `<b>x</b>` or ``a ` <i>y</i>``."),
            ("<b>bold</b> and `<b>`", "bold and `<b>`"),
            ("~~~\n<p>x</p>\n~~~\n<p>y</p>", "~~~\n<p>x</p>\n~~~\ny\n"),
            ("one<br>two<br/>three<hr class='x'>", "one\ntwo\nthree"),
            ("<ul><li>one<li>two</ul>", "onetwo"),
            ('<DIV class="a">Caf&eacute; &amp; bar</DIV>', "Café & bar\n"),
            ("it costs `5 & 6 <b>bold</b>", "it costs `5 & 6 bold"),
            ("an unclosed <b> stays", "an unclosed <b> stays"),
        ],
    )
    def test_only_elements_of_html_go(self, text: str, plain: str) -> None:
        assert strip_html(text) == plain

    def test_names_the_row_of_a_turn_without_text(self, tmp_path: Path) -> None:
        put(tmp_path, "s.json", [{"conversations": [{"from": "human"}]}])
        with pytest.raises(StudyError, match=r"s\.json: row 1: the key 'value' is missing"):
            fitting(sharegpt.read(tmp_path, talk("sharegpt", "s.json")))


class TestItems:
    @pytest.mark.parametrize("block", [1, 2, 7, 64, 1 << 20])
    def test_blocks_of_any_size_give_the_same_items(
        self, tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jsonitems, "BLOCK", block)
        rows = [{"a": 'é"\\n \u4e2d', "b": [True, None, -1.5e3]}, {}, {"c": {"d": "x" * 500}}]
        file = tmp_path / "items.json"
        file.write_text(json.dumps(rows, indent=2), encoding="utf-8")
        assert list(jsonitems.read_items(file)) == list(enumerate(rows, start=1))

    def test_reads_json_lines_and_an_empty_array(self, tmp_path: Path) -> None:
        (tmp_path / "a.jsonl").write_text('{"a": 1}\n{"a": 2}\n', encoding="utf-8")
        (tmp_path / "b.json").write_text(" [ ] ", encoding="utf-8")
        assert list(jsonitems.read_items(tmp_path / "a.jsonl")) == [(1, {"a": 1}), (2, {"a": 2})]
        assert list(jsonitems.read_items(tmp_path / "b.json")) == []

    @pytest.mark.parametrize("block", [1, 7, 1 << 20])
    def test_arrays_one_after_the_other_are_all_read(
        self, tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jsonitems, "BLOCK", block)
        file = tmp_path / "two.json"
        file.write_text('[{"a": 1}] \n[]\n[{"a": 2}, {"a": 3}]\n\n', encoding="utf-8")
        numbers = [(number, {"a": number}) for number in (1, 2, 3)]
        assert list(jsonitems.read_items(file)) == numbers

    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b'[{"a": 1}] x', r"row 1: 'x' follows the end of the JSON array"),
            (b'[{"a": 1}], [{"a": 2}]', r"row 1: ',' follows the end"),
            (b'[{"a": 1}]\n{"a": 2}', r"row 1: '\{' follows the end"),
            (b"[] \n]", r"row 0: '\]' follows the end"),
            (b'[{"a": 1}] \xff', "not UTF-8 text"),
            (b'[{"a": 1}, {"a": ]', r"row 2: not valid JSON"),
            (b'[{"a": 1}, {"a": 2}', r"row 2: the file ends in the middle"),
            (b'[{"a": 1}, {"a": "2', r"row 2: not valid JSON \(Unterminated string"),
            (b'[{"a": 1} {"a": 2}]', r"row 1: ',' expected"),
            (b'"a"', r"row 0: '\[' expected"),
            (b"", r"row 0: the file ends"),
            (b'[{"a": "\xff"}]', r"not UTF-8 text"),
        ],
    )
    def test_names_the_row_that_is_broken(self, tmp_path: Path, data: bytes, message: str) -> None:
        file = tmp_path / "broken.json"
        file.write_bytes(data)
        with pytest.raises(StudyError, match=message):
            list(jsonitems.read_items(file))

    def test_a_broken_row_is_found_without_reading_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(jsonitems, "BLOCK", 64)
        file = tmp_path / "broken.json"
        file.write_bytes(b'[{"a" 1}' + b" " * 10_000 + b"\xff")  # never decoded: not read
        with pytest.raises(StudyError, match="row 1: not valid JSON"):
            list(jsonitems.read_items(file))
