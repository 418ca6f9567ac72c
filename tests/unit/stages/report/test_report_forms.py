"""The chapter about other forms: what 8 bits and another precision change, told alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Hypothesis, write_hypotheses
from bayling_study.stages.report.blocks import PageSection
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.conclusion import conclusion
from bayling_study.stages.report.exports import ROUNDING, export_section
from helpers import report_study

FP32 = {"kind": "precision", "base": "tuned", "precision": "fp32"}
TALKS = {"kind": "interactive", "directions": ["zh-en"]}


def with_systems(study: Study, **changes: Any) -> Study:
    """Returns the study with systems added or, where none, taken away."""
    values = study.config.model_dump(mode="json", exclude_unset=True)
    systems = values["systems"] | changes
    values["systems"] = {name: one for name, one in systems.items() if one is not None}
    values["suites"]["talks"] = TALKS
    return Study(study.folder, StudyConfig.model_validate(values))


def compared(system: str, value: float) -> dict[str, Any]:
    """Returns a test of a system with tuned, which has 45.5, that finds nothing."""
    change = 45.5 - value
    return {
        "suite": "translation", "item": "zh-en", "metric": "chrf2", "system_a": "tuned",
        "system_b": system, "value_a": 45.5, "value_b": value, "difference": change,
        "low": change - 0.5, "high": change + 0.25, "significant": False, "n": 4, "samples": 100,
    }  # fmt: skip


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study with a system in fp32: one answer of four is another, and one talk of two."""
    made = report_study.make(tmp_path / "study")
    ids = [f"{item}/{n}" for item in ("zh-en", "de-en") for n in range(2)]
    texts = dict.fromkeys(ids, "the green house") | {"de-en/1": "the green home"}
    talks = {"tuned": [["a", "b"], ["c", "d"]], "tuned-fp32": [["a", "b"], ["c", "e"]]}
    folder = made.folder / "generation"
    write_hypotheses(
        folder / "tuned-fp32/translation.jsonl",
        [Hypothesis(name, [text], [3], ["stop"]) for name, text in texts.items()],
    )
    for system, own in talks.items():
        rows = [Hypothesis(str(n), turns, [1, 1], ["stop"] * 2) for n, turns in enumerate(own)]
        write_hypotheses(folder / f"{system}/talks.jsonl", rows)
    path = made.folder / "significance/comparisons.json"
    found = read_json(path)
    write_json(path, found | {"comparisons": [*found["comparisons"], compared("tuned-fp32", 45.0)]})
    return with_systems(made, **{"tuned-fp32": FP32})


def told(section: PageSection, name: str) -> list[list[str]]:
    (table,) = (one for one in section.tables if one.name == name)
    return [[cell.text for cell in row] for row in table.rows]


def test_both_kinds_say_how_many_answers_differ_in_each_suite(study: Study) -> None:
    section = export_section(study)
    assert told(section, "differ-tuned-fp32") == [
        ["translation", "1 of 4", "25.0 %"],
        ["talks", "1 of 2", "50.0 %"],
    ]
    assert told(section, "differ-tuned-int8") == [["translation", "4 of 4", "100.0 %"]]


def test_both_kinds_show_the_change_of_the_scores_with_its_interval(study: Study) -> None:
    section = export_section(study)
    assert told(section, "change-tuned-fp32") == [
        ["translation", "zh-en", "chrf2", "45.50", "45.00", "-0.50", "no"],
    ]
    (table,) = (one for one in section.tables if one.name == "change-tuned-fp32")
    assert table.rows[0][5].detail == "-0.75 to 0.00"
    assert told(section, "change-tuned-int8")[0][3:] == ["45.50", "45.25", "-0.25", "no"]


def test_the_tables_stand_in_the_order_of_the_systems(study: Study) -> None:
    assert [table.name for table in export_section(study).tables] == [
        *("export-tuned-int8", "perplexity-tuned-int8", "change-tuned-int8", "differ-tuned-int8"),
        *("change-tuned-fp32", "differ-tuned-fp32"),
    ]


def test_the_title_names_what_there_is(study: Study) -> None:
    both = export_section(study)
    assert both.title == "8-bit export, perplexity and precision" and both.text == ROUNDING
    export = export_section(with_systems(study, **{"tuned-fp32": None}))
    assert export.title == "8-bit export and perplexity" and not export.text
    for name in ("export/tuned-int8/error.json", "perplexity/tuned-int8.json"):
        (study.folder / name).unlink()
    rest = with_systems(study, **{"tuned-int8": None})
    assert export_section(rest).title == "Precision"
    assert export_section(with_systems(rest, **{"tuned-fp32": None})).empty


def test_answers_that_are_not_there_are_not_counted(study: Study) -> None:
    path = study.folder / "generation/tuned-fp32/translation.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[2:]))
    (study.folder / "generation/tuned/talks.jsonl").unlink()
    section = export_section(Study(study.folder, study.config))
    assert told(section, "differ-tuned-fp32") == [["translation", "1 of 2", "50.0 %"]]


def test_the_verdict_says_of_it_only_how_it_differs_from_its_base(study: Study) -> None:
    path = study.folder / "significance/comparisons.json"
    found = read_json(path)
    better = found["comparisons"][0] | {"system_b": "tuned-fp32"}
    write_json(path, found | {"comparisons": [*found["comparisons"], better]})
    said = [one for one in conclusion(replace(study), []) if "fp32" in one]
    assert said == [
        "tuned-fp32 and tuned: 0 of 1 tests find a difference (paired bootstrap, p < 0.05 after "
        "correction)."
    ]
