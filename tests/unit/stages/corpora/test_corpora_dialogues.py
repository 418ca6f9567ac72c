"""Alpaca and ShareGPT rows as real collections have them: optional fields, unwanted answers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.corpora import ConversationCorpus, CorporaSection
from bayling_study.core.errors import StudyError
from bayling_study.stages.corpora import __main__ as program
from bayling_study.stages.corpora.readers import reader_named
from bayling_study.stages.corpora.readers.exchanges import Draft
from helpers.fitting_rows import fitting

Q, A = ("user", "Q"), ("assistant", "A")
TURNS = [{"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}]


def put(download: Path, *rows: dict[str, Any]) -> None:
    (download / "files").mkdir(exist_ok=True)
    (download / "manifest.json").write_text("{}", encoding="utf-8")
    (download / "files/x.json").write_text(json.dumps(rows), encoding="utf-8")


def corpus(reader: str) -> ConversationCorpus:
    return ConversationCorpus(source="src", reader=reader, path="x.json", language="en")  # type: ignore[arg-type]


def one(download: Path, reader: str, row: dict[str, Any]) -> Draft:
    put(download, row)
    (draft,) = fitting(reader_named(reader)(download, corpus(reader)))
    assert isinstance(draft, Draft)
    return draft


def contents(draft: Draft) -> list[tuple[str, ...]]:
    return [tuple(message) for message in draft.conversation.messages]


def build(download: Path, reader: str, *rows: dict[str, Any]) -> dict[str, Any]:
    put(download, *rows)
    section = CorporaSection(conversations=[corpus(reader)])
    report = program.build(section, {"src": download}, 1, download / "out")
    return dict(report["conversations"])


class TestAlpaca:
    row = {"instruction": "Q", "output": "A"}

    @pytest.mark.parametrize("more", [{}, {"input": None}, {"input": ""}, {"history": None}])
    def test_what_is_absent_or_null_is_empty(self, tmp_path: Path, more: dict[str, Any]) -> None:
        draft = one(tmp_path, "alpaca", {**self.row, **more})
        assert contents(draft) == [Q, A] and draft.changes == ()

    @pytest.mark.parametrize("key", ["system", "system_prompt"])
    def test_system_and_history_become_turns(self, tmp_path: Path, key: str) -> None:
        history = [["Capital of France?", "Paris"], ["And of Italy?", "Rome"]]
        row = {"instruction": "And in German?", "output": "Rom", key: "Be brief"}
        assert contents(one(tmp_path, "alpaca", {**row, "history": history})) == [
            ("system", "Be brief"),
            ("user", "Capital of France?"),
            ("assistant", "Paris"),
            ("user", "And of Italy?"),
            ("assistant", "Rome"),
            ("user", "And in German?"),
            ("assistant", "Rom"),
        ]

    @pytest.mark.parametrize("history", ["Paris", 3, [["Paris"]], [["France?", 3]], [{"q": "a"}]])
    def test_a_history_of_another_form_is_told(self, tmp_path: Path, history: Any) -> None:
        with pytest.raises(StudyError, match=r"x\.json: row 1: .*'history'"):
            one(tmp_path, "alpaca", {**self.row, "history": history})

    @pytest.mark.parametrize("mark", [{"label": False}, {"kto_tag": False}, {"weight": 0}])
    def test_an_answer_that_is_marked_as_bad_is_counted(
        self, tmp_path: Path, mark: dict[str, Any]
    ) -> None:
        report = build(tmp_path, "alpaca", self.row, {**self.row, "instruction": "R", **mark})
        assert report["groups"]["src/x.json"]["rejected"] == {"no complete exchange": 1}
        assert report["repaired"] == {"cut at an answer that is not to be learnt": 1}


class TestShareGpt:
    @pytest.mark.parametrize("key", ["system", "system_prompt"])
    def test_a_system_text_of_the_row_comes_first(self, tmp_path: Path, key: str) -> None:
        draft = one(tmp_path, "sharegpt", {key: " Be kind ", "conversations": TURNS})
        assert contents(draft) == [("system", "Be kind"), Q, A]

    @pytest.mark.parametrize("text", ["", None])
    def test_an_empty_one_is_none(self, tmp_path: Path, text: str | None) -> None:
        assert contents(one(tmp_path, "sharegpt", {"system": text, "messages": []})) == []
        draft = one(tmp_path, "sharegpt", {"system": text, "conversations": TURNS})
        assert contents(draft) == [Q, A]

    def test_a_system_turn_goes_before_the_rows_system_text(self, tmp_path: Path) -> None:
        turns = [{"from": "system", "value": "Of the turn"}, *TURNS]
        draft = one(tmp_path, "sharegpt", {"system": "Of the row", "conversations": turns})
        assert contents(draft) == [("system", "Of the turn"), Q, A]
        assert draft.changes == ("second system text left out",)

    @pytest.mark.parametrize("mark", [{"label": False}, {"weight": 0}])
    def test_a_row_that_is_marked_as_bad_is_counted(
        self, tmp_path: Path, mark: dict[str, Any]
    ) -> None:
        other = [{"from": "human", "value": "R"}, TURNS[1]]
        rows = [{"conversations": TURNS, "label": True}, {"conversations": other, **mark}]
        report = build(tmp_path, "sharegpt", *rows)
        assert report["groups"]["src/x.json"]["rejected"] == {"no complete exchange": 1}
        assert report["repaired"] == {"cut at an answer that is not to be learnt": 1}

    @pytest.mark.parametrize("mark", [{"weight": 0}, {"weight": 0.0}, {"train": False}])
    def test_an_answer_without_weight_ends_the_dialogue(
        self, tmp_path: Path, mark: dict[str, Any]
    ) -> None:
        turns = [*TURNS, TURNS[0], {**TURNS[1], **mark}, *TURNS]
        draft = one(tmp_path, "sharegpt", {"conversations": turns})
        assert contents(draft) == [Q, A]
        assert draft.changes[0] == "cut at an answer that is not to be learnt"

    @pytest.mark.parametrize("mark", [{"weight": 1}, {"weight": None}, {"train": True}])
    def test_other_weights_change_nothing(self, tmp_path: Path, mark: dict[str, Any]) -> None:
        turns = [{**TURNS[0], "weight": 0}, {**TURNS[1], **mark}]
        draft = one(tmp_path, "sharegpt", {"conversations": turns, "label": True})
        assert contents(draft) == [Q, A] and draft.changes == ()

    def test_a_source_whose_roles_are_all_unknown_is_refused(self, tmp_path: Path) -> None:
        turns = [{"from": "Frage", "value": "Q"}, {"from": "Antwort", "value": "A"}]
        with pytest.raises(StudyError, match=r"no turn has a known role, only antwort, frage"):
            build(tmp_path, "sharegpt", {"conversations": turns}, {"conversations": turns})


@pytest.mark.parametrize(
    ("reader", "row"),
    [
        ("sharegpt", {"conversations": [TURNS[0], {"from": "Antwort", "value": "A"}]}),
        ("sharegpt", {"conversations": []}),
        ("alpaca", {"instruction": "", "output": "A"}),
    ],
)
def test_a_file_without_a_usable_dialogue_is_refused(
    tmp_path: Path, reader: str, row: dict[str, Any]
) -> None:
    with pytest.raises(StudyError, match=r"src/x\.json: none of 2 rows is a complete exchange"):
        build(tmp_path, reader, row, row)
    assert not (tmp_path / "out").exists()
