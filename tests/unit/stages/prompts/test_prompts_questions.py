"""Questions that packages ship: upstream forms, leaks, languages, errors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bayling_study.config.multiple_choice import QuestionsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.stages.prompts import PromptContext, capitals, mmlu_development, school_exams
from bayling_study.stages.prompts.multiple_choice import lettered
from bayling_study.stages.prompts.questions import build

EXAM = {
    "input": [
        {"role": "system", "content": "Please answer with the letter."},
        {"role": "user", "content": "Was ist\nwahr?\nA. eins\nB. zwei\nC. drei\nAnswer:"},
    ],
    "ideal": "[C]",
}
DEFINITION = """
include: ../mmlu/_continuation_template_yaml
process_docs: !function utils.process_docs
fewshot_config:
  sampler: first_n
  samples:
  - input_question: Was?
    input_choice_list: {A: eins, B: zwei, C: drei, D: vier}
    input_correct_responses: [B]
"""


def write_exams(root: Path, text: str) -> None:
    path = root / school_exams.FOLDER / "german-exams-qa" / "samples.jsonl"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def write_definition(root: Path, text: str) -> None:
    path = root / mmlu_development.FOLDER / "mmlu_de" / "mmlu_de_anatomy.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")


def test_school_exams_keep_their_own_number_of_choices(tmp_path: Path) -> None:
    write_exams(tmp_path, json.dumps(EXAM) + "\n")
    (question,) = school_exams.questions("de", tmp_path)
    assert question.text == "Was ist\nwahr?\nA. eins\nB. zwei\nC. drei\nAnswer:"
    assert question.choices == ["A", "B", "C"] and question.gold == 2


@pytest.mark.parametrize(
    "row",
    [
        EXAM | {"ideal": "[D]"},
        EXAM | {"input": [{"role": "user", "content": "no choices\nAnswer:"}]},
        {"input": []},
    ],
)
def test_a_row_that_is_no_exam_question_names_its_line(tmp_path: Path, row: object) -> None:
    write_exams(tmp_path, f"{json.dumps(EXAM)}\n{json.dumps(row)}\n")
    with pytest.raises(StudyError) as caught:
        school_exams.questions("de", tmp_path)
    assert "samples.jsonl:2" in str(caught.value.where)


def test_development_items_are_read_without_running_code(tmp_path: Path) -> None:
    write_definition(tmp_path, DEFINITION)
    (question,) = mmlu_development.questions("de", tmp_path)
    assert question == lettered("Was?", ["eins", "zwei", "drei", "vier"], 1)
    with pytest.raises(StudyError, match="no task definitions"):
        mmlu_development.questions("fr", tmp_path)


@pytest.mark.parametrize("text", ["task: x\n", "a: [", "fewshot_config: {samples: [1]}\n"])
def test_other_definitions_are_refused(tmp_path: Path, text: str) -> None:
    write_definition(tmp_path, text)
    with pytest.raises(StudyError, match="not a definition"):
        mmlu_development.questions("de", tmp_path)


def test_capitals_are_the_same_questions_in_every_language() -> None:
    english = capitals.questions("en", seed=1)
    assert len(english) > 100
    for question in english:
        country = question.text.splitlines()[-1].removesuffix(":")
        right = question.choices[question.gold]
        assert len(set(question.choices)) == capitals.CHOICES
        assert question.text.count("\n") == capitals.EXAMPLES
        assert not any(choice in question.text for choice in question.choices), country
        assert right not in country
    chinese = {q.text.splitlines()[-1]: q for q in capitals.questions("zh", seed=1)}
    assert chinese["日本:"].choices[chinese["日本:"].gold] == "东京"
    japan = next(q for q in english if q.text.endswith("Japan:"))
    assert japan.gold == chinese["日本:"].gold


def test_a_capital_that_its_country_names_is_left_out() -> None:
    asked = {q.text.splitlines()[-1] for q in capitals.questions("en", seed=1)}
    assert "Tunisia:" not in asked and "Algeria:" in asked
    assert "Algérie:" not in {q.text.splitlines()[-1] for q in capitals.questions("fr", seed=1)}


def test_a_language_without_city_names_is_refused() -> None:
    with pytest.raises(StudyError, match="questions about capitals"):
        capitals.questions("bo", seed=1)


def test_questions_become_prompts_by_language(tmp_path: Path) -> None:
    suite = QuestionsSuite(kind="questions", collection="capitals", languages=["en", "de"], limit=5)
    prompts = build("s", suite, PromptContext(3))
    assert [p.item for p in prompts] == ["en"] * 5 + ["de"] * 5
    assert all(p.references == [p.meta["choices"][p.meta["gold"]]] for p in prompts)
    assert build("s", suite, PromptContext(3)) == prompts


def test_a_collection_without_its_source_or_language_is_told(tmp_path: Path) -> None:
    suite = QuestionsSuite(kind="questions", collection="school-exams", languages=["de"])
    with pytest.raises(StudyError, match="read from a source"):
        build("s", suite, PromptContext(1))
    write_json(tmp_path / "manifest.json", {})
    (tmp_path / "files").mkdir()
    for collection in ("school-exams", "mmlu-development"):
        changed = {"collection": collection, "source": "x", "languages": ["zh"]}
        with pytest.raises(StudyError, match="zh"):
            build(
                "s",
                suite.model_copy(update=changed),
                PromptContext(1, downloads={"x": tmp_path}),
            )


def test_capitals_in_a_second_script_have_cldrs_names_of_it() -> None:
    traditional = {q.text.splitlines()[-1] for q in capitals.questions("zht", seed=1)}
    simplified = {q.text.splitlines()[-1] for q in capitals.questions("zh", seed=1)}
    assert "法國:" in traditional and "法国:" in simplified
    assert "Francuska:" in {q.text.splitlines()[-1] for q in capitals.questions("qsr", seed=1)}
    with pytest.raises(StudyError, match="CLDR has no data in the language 'umb'"):
        capitals.questions("umb", seed=1)
