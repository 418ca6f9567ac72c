"""The data of the page of answers: scores by turn, reasons, rare words, texts that stay text."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.comparison import ComparisonSection
from bayling_study.core.files import read_jsonl, write_jsonl
from bayling_study.core.records import Hypothesis, Prompt, write_hypotheses, write_prompts
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.answer_marks import demands, outcome
from bayling_study.stages.report.answers import _row as row_of
from bayling_study.stages.report.answers import answer_suite, write_answers
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.dialogues import dialogue_section
from helpers import dialogue_study, report_study
from helpers.dialogue_study import SUITE


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return dialogue_study.make(tmp_path_factory.mktemp("talks"))


def blocks(page: Path) -> dict[str, Any]:
    """Returns what the page holds, by the names of its blocks."""
    text = page.read_text(encoding="utf-8")
    found = re.findall(r'<script type="application/gzip" id="([^"]+)">([^<]*)<', text)
    return {name: json.loads(gzip.decompress(base64.b64decode(data))) for name, data in found}


def test_scores_of_turns_are_lists_and_the_headline_comes_first(
    study: Study, tmp_path: Path
) -> None:
    write_answers(study, tmp_path / "answers.html")
    data = blocks(tmp_path / "answers.html")
    (about,) = data["index"]["suites"]
    assert about["metrics"][0] == "satisfaction"
    assert {"chrf2", "bleu", "satisfaction-all"} < set(about["metrics"])
    assert not {"kept", "satisfaction.replace-words", "chrf2.turn-1"} & set(about["metrics"])
    scores = data[f"scores {SUITE} satisfaction"]
    assert scores["foundation"] == [[0, 0], [100, 100], [0, 0], [100, 100, 0]]
    assert scores["tuned"] == [[100, 100], [0, 0], [0, 0], [100, 100, 100]]
    assert data[f"scores {SUITE} chrf2"]["tuned"][0] == [100, 100]


def test_each_demand_has_a_tick_or_a_cross_and_the_reason(study: Study) -> None:
    found = answer_suite(study, SUITE)
    assert found is not None
    reasons = found[1][f"texts {SUITE} 0"][0]["reasons"]
    assert reasons["foundation"] == [
        [
            (False, "demand not met"),
            (True, "in Latin script"),
            (False, "English, not copied from the user"),
        ],
        [
            (False, "demand not met"),
            (False, "has “castle”"),
            (False, "at least 80 % is as in the previous answer, with the change: 0 %"),
        ],
    ]
    assert [holds for turn in reasons["tuned"] for holds, _ in turn] == [True] * 6


def test_a_language_that_nobody_looked_at_has_neither_tick_nor_cross() -> None:
    prompt = Prompt("p", "s", "en-zh", {"target": "zh"}, ["x"], ["你好"], {})
    checks = [{"type": "script", "script": "Hans"}]
    prompt.meta["demands"] = [{"kind": "translate", "checks": checks}]
    (demand,) = demands(prompt)
    assert outcome(demand, 0.0, ["hello"], 0)[1:] == [
        (False, "in simplified Chinese script: 0 % of its words"),
        (None, "Chinese, not copied from the user: not looked at"),
    ]
    assert outcome(demand, None, ["hello"], 0) == []


def test_constraints_are_demands_of_their_own() -> None:
    prompt = Prompt(
        "p", "s", "zh-en", {"target": "en"}, ["x"], ["y"], {"constraints": ["A b", "c"]}
    )
    (demand,) = demands(prompt)
    assert outcome(demand, 0.0, ["an A b"], 0) == [
        (False, "demand not met"),
        (True, "has “A b” as it stands"),
        (False, "has “c” as it stands"),
    ]


def test_rare_words_are_those_of_one_reference_of_the_language(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    texts = {"de-en": ["the red house", "the RED castle"], "en-de": ["the", "rotes Haus"]}
    rows = [
        Prompt(f"{item}/{n}", "translation", item, {"target": item[3:]}, ["x"], [text])
        for item, found in texts.items()
        for n, text in enumerate(found)
    ]
    write_prompts(tmp_path / "prompts/translation.jsonl", rows)
    answers = [Hypothesis(row.id, ["a"], [1], ["stop"]) for row in rows]
    write_hypotheses(tmp_path / "generation/tuned/translation.jsonl", answers)
    found = answer_suite(study, "translation")
    assert found is not None
    index = found[1]["rows translation"]
    assert index["rare"] == [1, 1, 1, 2]
    assert index["words"] == [3, 3, 1, 2]


def test_answers_by_likelihood_are_shown_too(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    (tmp_path / "generation").rename(tmp_path / "harness")
    found = answer_suite(study, "translation")
    assert found is not None
    assert found[0]["systems"] == ["foundation", "tuned", "tuned-int8"]


def test_scores_of_a_judges_reviews_are_of_no_prompt(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    for path in (tmp_path / "scoring").glob("*/translation.segments.jsonl"):
        write_jsonl(path, [{"id": "zh-en/0/1", "metric": "win-share", "value": 100.0}])
    found = answer_suite(study, "translation")
    assert found is not None
    assert found[0]["metrics"] == []


def test_a_suite_without_answers_is_no_suite_of_the_page(tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study")
    (study.folder / "generation").rename(tmp_path / "gone")
    write_answers(study, tmp_path / "answers.html")
    assert blocks(tmp_path / "answers.html")["index"]["suites"] == []
    assert study.missing == {}


def test_a_damaged_file_of_scores_costs_one_suite_and_is_named(tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study")
    path = study.folder / "scoring/tuned/translation.segments.jsonl"
    path.write_text('{"id": "zh-en/0", "metric": "chrf2", "value": "high"}\n', encoding="utf-8")
    write_answers(study, tmp_path / "answers.html")
    assert blocks(tmp_path / "answers.html")["index"]["suites"] == []
    assert "is not a finite number" in study.missing["answers of translation"]


def test_the_page_is_the_same_each_time_and_has_no_text_of_others_in_it(tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study")
    write_report(study, tmp_path / "one")
    write_report(study, tmp_path / "two")
    page = (tmp_path / "one/answers.html").read_bytes()
    assert page == (tmp_path / "two/answers.html").read_bytes()
    assert b"owned" not in page and b"A small &lt;study&gt;" in page
    assert len(page) < 100_000  # an answer of a million characters is cut
    texts = blocks(tmp_path / "one/answers.html")["texts translation 0"]
    assert "⟨U+202E⟩" in texts[0]["answers"]["foundation"][0]


def test_the_main_page_unfolds_a_typical_dialogue_a_gain_and_a_loss(
    study: Study, tmp_path: Path
) -> None:
    shown = dialogue_section(study).samples
    assert [sample.id for sample in shown] == [
        "Typical: de-en/2, 0.0 → 0.0",
        "Gain: de-en/0, 0.0 → 100.0",
        "Loss: de-en/1, 100.0 → 0.0",
    ]
    assert "tuned is worse on 1 of 4 prompts" in dialogue_section(study).text
    assert shown[1].turns[1].reasons["tuned"][0] == (True, "demand met")
    write_report(study, tmp_path)
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert '<li class="no">has “castle”</li>' in page
    assert '<a href="answers.html">' in page
    assert study.missing == {}


def test_where_no_demand_was_lost_the_loss_is_of_a_first_answer(tmp_path: Path) -> None:
    study = dialogue_study.make(tmp_path)
    path = tmp_path / f"scoring/tuned/{SUITE}.segments.jsonl"
    rows = list(read_jsonl(path))
    for row in rows:
        row["value"] = 100.0 if row["metric"] == "satisfaction.follow-up" else row["value"]
    write_jsonl(path, rows)
    section = dialogue_section(study)
    assert "tuned is worse on 0 of 4 prompts" in section.text
    assert section.samples[-1].id.startswith("Loss of chrf2.turn-1: de-en/1, 100.0 → ")


def test_without_a_loss_none_is_shown(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    section = dialogue_section(study)
    assert "tuned is worse on 0 of 4 prompts" in section.text
    titles = [sample.id for sample in section.samples]
    assert titles == ["Typical: zh-en/0, 0.0 → 0.0"]


def test_an_answer_kept_in_part_is_shown_with_all_that_was_said() -> None:
    asked = Prompt("en-de/0", "text", "en-de", {"target": "de"}, ["Hi"], ["Hallo"])
    given = {
        "plug": {"turns": ["Hallo"], "whole": ["English response: Hi\nGerman response: Hallo"]},
        "plain": {"turns": ["Hallo"]},
    }
    row = row_of(asked, [], given, {})
    assert row["answers"] == {"plug": ["Hallo"], "plain": ["Hallo"]}
    (label, said), *more = row["said"]["plug"][0]
    assert label == "said in whole" and said.startswith("English response: Hi") and not more
    assert row["said"]["plain"] == [[]]
    assert "said" not in row_of(asked, [], {"plain": given["plain"]}, {})


def test_what_earlier_steps_said_stands_beside_each_answer() -> None:
    asked = Prompt("en-de/0", "text", "en-de", {"target": "de"}, ["Hi", "Du"], ["Hallo", "Du"])
    steps = [[{"step": "translate", "text": text}] for text in ("Halo", "D\u202eu")]
    row = row_of(asked, [], {"agents": {"turns": ["Hallo", "Du"], "steps": steps}}, {})
    assert row["said"]["agents"] == [[("translate", "Halo")], [("translate", "D⟨U+202E⟩u")]]


def test_the_page_knows_which_systems_are_compared(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    plain = answer_suite(study, "translation")
    assert plain is not None and plain[0]["compared"] == []
    section = ComparisonSection(reference="foundation", methods=["tuned", "gone"])
    object.__setattr__(study.config, "comparison", section)
    found = answer_suite(study, "translation")
    assert found is not None and found[0]["compared"] == ["foundation", "tuned"]
