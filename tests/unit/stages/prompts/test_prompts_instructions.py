"""Conversations with instructions: own ones in eight languages, and Multi-IF's table."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bayling_study.config.suites import InstructionsSuite
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.metrics import instructions as metric
from bayling_study.shared.metrics.measurement import Answers, Options
from bayling_study.stages.prompts import PromptContext
from bayling_study.stages.prompts.instructions import ROWS, build

OWN = InstructionsSuite(kind="instructions", limit=12)
LANGUAGES = set(OWN.languages)
NO_COMMA, TITLE = "punctuation:no_comma", "detectable_format:title"


def obedient(instructions: list[dict[str, Any]]) -> str:
    """Writes an answer that meets a list of own instructions, whatever its order."""
    lines = ["<<Title>>", "so *one* *two* *three*", "[a] [b] [c]"]
    given = {one["id"]: one["arguments"] for one in instructions}
    sections = given.get("detectable_format:multiple_sections", {})
    word, number = sections.get("section_spliter", "part"), sections.get("num_sections", 0)
    lines += [f"{word} {count + 1}" for count in range(number)]
    bullets = given.get("detectable_format:number_bullet_lists", {}).get("num_bullets", 0)
    lines += ["- point"] * bullets
    lines += ["P.S. more", given.get("startend:end_checker", {}).get("end_phrase", "")]
    return '"' + "\n".join(lines) + '"'


def measured(prompts: list[Prompt], said: list[list[str]]) -> dict[str, tuple[float, int]]:
    rows = [
        Hypothesis(prompt.id, turns, [1] * len(turns), ["stop"] * len(turns))
        for prompt, turns in zip(prompts, said, strict=True)
    ]
    item = Answers("instructions", "en", "tuned", Path("answers.jsonl"), prompts, rows)
    return {found.metric: (found.value, found.n) for found in metric.measure(item, Options())}


def test_own_conversations_are_the_same_in_all_languages() -> None:
    prompts = list(build("instructions", OWN, PromptContext(7)))
    by_language = {
        language: [p for p in prompts if p.item == language] for language in OWN.languages
    }
    assert {row["language"] for row in ROWS} == LANGUAGES and len(prompts) == 12 * 8
    kinds = {
        language: [[[one["id"] for one in turn] for turn in p.meta["instructions"]] for p in own]
        for language, own in by_language.items()
    }
    assert all(found == kinds["en"] for found in kinds.values())
    assert all([len(turn) for turn in p.meta["instructions"]] == [1, 2, 3] for p in prompts)
    assert len({tuple(p.turns) for p in prompts}) == len(prompts)
    assert not [p for p in prompts if "{" in "".join(p.turns)]
    alone = list(
        build("instructions", OWN.model_copy(update={"languages": ["zh"]}), PromptContext(7))
    )
    assert alone == by_language["zh"]
    short = list(build("instructions", OWN.model_copy(update={"turns": 1}), PromptContext(7)))
    assert [p.turns for p in short] == [p.turns[:1] for p in prompts]


def test_all_own_instructions_can_be_met_together() -> None:
    prompts = list(build("instructions", OWN.model_copy(update={"limit": 60}), PromptContext(7)))
    said = [[obedient(turn) for turn in prompt.meta["instructions"]] for prompt in prompts]
    found = measured(prompts, said)
    assert found["multi-if"] == (100.0, len(prompts)) and found["followed-strict"][0] == 100.0
    silent = measured(prompts, [["x,"] * 3 for _ in prompts])
    assert silent["multi-if"][0] == silent["followed-loose"][0] == 0.0


def test_a_turns_score_is_the_mean_of_four_rates() -> None:
    both: list[dict[str, Any]] = [{"id": NO_COMMA, "arguments": {}}, {"id": TITLE, "arguments": {}}]
    meta = {"instructions": [both[:1], both]}
    prompts = [Prompt(f"en/{n}", "instructions", "en", {}, ["a", "b"], [], meta) for n in "01"]
    prompts[1] = Prompt("en/1", "instructions", "en", {}, ["a"], [], {"instructions": [both[:1]]})
    found = measured(prompts, [["a comma, here\nnone here", "no title"], ["none"]])
    # Turn 1: strict 1 of 2, loose 2 of 2, for prompts and instructions alike. Turn 2, of one
    # conversation: no prompt, and 1 of 2 instructions.
    assert found["multi-if.turn-1"][0] == 75.0 and found["multi-if.turn-2"][0] == 25.0
    assert found["multi-if"][0] == 50.0
    assert found["followed-strict"][0] == 50.0 and found["followed-loose"][0] == 75.0


def row(language: str = "French", **changed: str) -> dict[str, str]:
    """A row of Multi-IF's table in its form: JSON in strings, twice for the arguments."""
    said = {"role": "user", "content": 'Écris, "sans virgule"\nmerci'}
    ids, arguments = [NO_COMMA], ["{}"]
    made = {"language": language, "key": "1", "turns": "[]", "responses": "[]"}
    for turn in ("turn_1", "turn_2"):
        made[f"{turn}_prompt"] = json.dumps(said, ensure_ascii=False)
        made[f"{turn}_instruction_id_list"] = json.dumps(ids)
        made[f"{turn}_kwargs"] = json.dumps(arguments)
        ids, arguments = [*ids, "startend:end_checker"], [*arguments, '{"end_phrase": "fin"}']
    for column in ("prompt", "instruction_id_list", "kwargs"):
        made[f"turn_3_{column}"] = "None"
    return made | changed


def context(folder: Path, *rows: dict[str, str]) -> PromptContext:
    (folder / "files").mkdir(parents=True)
    with open(folder / "files" / "multiIF_20241018.csv", "w", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*rows[0]])
        writer.writeheader()
        writer.writerows(rows)
    write_json(folder / "manifest.json", {"files": []})
    return PromptContext(7, downloads={"multi-if": folder})


def released(**changed: Any) -> InstructionsSuite:
    known = {"kind": "instructions", "source": "multi-if", "languages": ["fr"]}
    return InstructionsSuite.model_validate(known | changed)


def test_multi_if_is_read_from_its_table(tmp_path: Path) -> None:
    prompts = list(build("if", released(), context(tmp_path, row("English"), row())))
    assert [p.id for p in prompts] == ["fr/0000"] and prompts[0].languages == {"target": "fr"}
    assert prompts[0].turns == ['Écris, "sans virgule"\nmerci'] * 2
    end = {"id": "startend:end_checker", "arguments": {"end_phrase": "fin"}}
    comma = {"id": NO_COMMA, "arguments": {}}
    assert prompts[0].meta["instructions"] == [[comma], [comma, end]]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (row(turn_1_instruction_id_list='["rhyme"]'), "unknown instruction rhyme"),
        (row(turn_2_kwargs="[]"), "no row of Multi-IF"),
        (row(turn_1_prompt="Bonjour"), "no row of Multi-IF"),
        (row("English"), "no conversation in 'fr'"),
    ],
)
def test_wrong_rows_are_told(tmp_path: Path, made: dict[str, str], message: str) -> None:
    with pytest.raises(StudyError, match=message):
        list(build("if", released(), context(tmp_path, made)))


@pytest.mark.parametrize("file", ["../x.csv", "a/../../x.csv", "/x.csv", ""])
def test_the_table_is_inside_the_source(file: str) -> None:
    with pytest.raises(ValidationError, match="file"):
        released(file=file)
