"""What was cut or left out stands on the first page, with the tokens, and warns above a share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.files import write_json
from bayling_study.stages.report.blocks import Table
from bayling_study.stages.report.cautions import warning_table
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.overview import overview_section
from helpers import report_study


def body(table: Table) -> list[list[str]]:
    return [[cell.text for cell in row] for row in table.rows]


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def cut(prompts: int, tokens: int, turns: int = 1000) -> dict[str, Any]:
    return {"turns": turns, "prompts_cut": prompts, "prompt_tokens_cut": tokens}


def test_everything_that_was_counted_is_in_one_table(study: Study) -> None:
    write_json(
        study.folder / "masks/tuned/mask_audit.json",
        {
            "conversations": 990,
            "truncated": {"count": 30, "tokens": 4321, "ids": ["a"]},
            "left_out_as_too_long": {"count": 10, "tokens": 9000, "ids": ["b"]},
        },
    )
    suites = {"translation": cut(11, 347), "released": {"turns": 4}}
    write_json(study.folder / "generation/tuned/system.json", {"suites": suites})
    suites = {"exams": cut(10, 99)}
    write_json(study.folder / "harness/foundation/system.json", {"suites": suites})
    [table] = overview_section(study).more["Cut or left out"]
    assert body(table) == [
        ["tuned", "training set", "cut at the end", "30", "1,000", "3.0 %", "4,321"],
        ["tuned", "training set", "left out as too long", "10", "1,000", "1.0 %", "9,000"],
        ["tuned", "translation", "cut at the front", "11", "1,000", "1.1 %", "347"],
        ["foundation", "exams", "cut at the front", "10", "1,000", "1.0 %", "99"],
    ]
    warned = [row[0] for row in body(warning_table(study)) if "tokens lost" in row[0]]
    assert warned == [  # above one per cent, not at it
        "tuned, training set: 30 of 1,000 (3.0 %) cut at the end, 4,321 tokens lost",
        "tuned, translation: 11 of 1,000 (1.1 %) cut at the front, 347 tokens lost",
    ]


def test_counts_of_earlier_results_have_no_tokens(study: Study) -> None:
    suites = {
        "translation": {"turns": 10, "prompts_cut": 4},
        "other": {"turns": 5, "prompts_cut": 0},
    }
    write_json(study.folder / "generation/tuned/system.json", {"suites": suites})
    found = [row[0] for row in body(warning_table(study))]
    assert "tuned, translation: 4 of 10 (40.0 %) cut at the front" in found
    [table] = overview_section(study).more["Cut or left out"]
    assert [row[-1] for row in body(table)] == ["–"]
