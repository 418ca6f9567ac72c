"""The comparison of methods: marks need both tests, Holm's correction and the sign of each seed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.comparison import ComparisonSection
from bayling_study.config.model import StudyConfig
from bayling_study.core.files import write_json
from bayling_study.core.records import write_scores
from bayling_study.stages.report.__main__ import write_report
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.comparison import Compared, comparison_sentences
from bayling_study.stages.report.significance import BETTER, WORSE
from helpers import report_study

COLUMN = ("translation", "chrf2", "zh-en")
VALUES = {
    "plain": 40.0, "good": 45.0, "lucky": 44.0, "bad": 30.0,
    "plain.seed2": 41.0, "good.seed2": 43.0, "lucky.seed2": 39.0, "bad.seed2": 31.0,
}  # fmt: skip
P = {"good": 0.01, "lucky": 0.001, "bad": 0.02}
"""Uncorrected p-values of both tests."""


def compared(folder: Path, p: dict[str, float], seeds: int = 2) -> Study:
    """Returns a finished study of a reference, three methods and a second seed of each."""
    base = report_study.make(folder).config
    tuned = {"kind": "tuned", "base": "foundation", "mixture": "default"}
    systems = {name: tuned | {"seed": 1 + name.endswith("2")} for name in VALUES}
    values = base.model_dump(mode="json", exclude={"systems"}, exclude_defaults=True)
    config = StudyConfig.model_validate(
        values
        | {
            "systems": {"foundation": base.systems["foundation"].model_dump(), **systems},
            "tuning": {"batch_tokens": 1024, "max_steps": 40, "epochs": "auto"},
            "comparison": {"reference": "plain", "methods": ["good", "lucky", "bad"],
                           "seeds": seeds},
        }
    )  # fmt: skip
    for name, value in VALUES.items():
        scores = [report_study.score(name, "chrf2", "zh-en", value)]
        write_scores(folder / f"scoring/{name}/translation.json", scores)
    method = {"tests": ["paired bootstrap (Koehn)"], "samples": 100, "level": 0.05,
              "significant": "below", "baseline": "plain"}  # fmt: skip
    rows = [_row(name, value) for name, value in p.items()]
    write_json(folder / "significance/comparisons.json", {"method": method, "comparisons": rows})
    return Study(folder, config)


def _row(name: str, p: float) -> dict[str, Any]:
    difference = VALUES["plain"] - VALUES[name]
    return {
        "suite": "translation", "item": "zh-en", "metric": "chrf2", "signature": "chrf2",
        "system_a": "plain", "system_b": name, "value_a": VALUES["plain"],
        "value_b": VALUES[name], "difference": difference, "low": difference - 1,
        "high": difference + 1, "significant": True, "n": 100, "samples": 1000,
        "bootstrap": p, "randomisation": p, "family": "baseline",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("p", "seeds", "marks"),
    [
        # lucky wins by the tests, and loses with the second seed
        (P, 2, {"good": BETTER, "lucky": "", "bad": WORSE}),
        (P, 1, {"good": BETTER, "lucky": BETTER, "bad": WORSE}),
        # 0.03 holds alone, and not as the second of three (Holm: 2 times 0.03)
        ({"good": 0.03, "lucky": 0.001, "bad": 0.9}, 2, {"good": "", "lucky": "", "bad": ""}),
    ],
)
def test_a_mark_needs_the_corrected_tests_and_every_seed(
    tmp_path: Path, p: dict[str, float], seeds: int, marks: dict[str, str]
) -> None:
    study = compared(tmp_path, p, seeds)
    assert study.config.comparison
    found = Compared(study, study.config.comparison).findings(COLUMN)
    assert {name: one.mark for name, one in found.items()} == marks


def test_differences_are_to_the_reference_of_the_same_seed(tmp_path: Path) -> None:
    study = compared(tmp_path, P)
    assert study.config.comparison
    found = Compared(study, study.config.comparison).findings(COLUMN)
    assert found["good"].seeds == [5.0, 2.0]
    assert (found["good"].low, found["good"].high) == (4.0, 6.0)
    assert found["lucky"].p == pytest.approx(0.003)


def test_the_sentences_say_by_which_tests_and_in_how_many_seeds(tmp_path: Path) -> None:
    study = compared(tmp_path, P)
    assert study.config.comparison
    good, lucky, bad = comparison_sentences(study, study.config.comparison)
    how = "(paired tests after correction over 3 methods, and in each of the 2 seeds)."
    assert good == f"good is better than plain in 1 of 1 columns: translation: chrF2, zh-en {how}"
    assert lucky == f"lucky is neither better nor worse than plain in any of 1 columns {how}"
    assert "bad is worse than plain" in bad


def test_the_page_begins_with_the_figure_and_prints_what_each_cost(tmp_path: Path) -> None:
    study = compared(tmp_path, P)
    for name, tokens in (("good", 40_970), ("plain", 40_950)):
        record = {
            "stage": "tuning", "name": name, "start": 1.0, "end": 61.0, "state": "finished",
            "metrics": {"trained_tokens": tokens, "steps": 40},
            "parameters": {"tuning.batch_tokens": 1024, "tuning.max_steps": 40},
            "inputs": {},
            "outputs": {}, "host": {"name": "h", "peak_memory_bytes": 1}, "usage": {},
            "history": [],
        }  # fmt: skip
        write_json(tmp_path / f"runs/tuning/{name}.json", record)
    sections = write_report(study, tmp_path / "report")
    first = next(section for section in sections if section.name != "missing")
    assert first.name == "comparison" and first.figures
    assert "ablations" not in [section.name for section in sections]
    costs = (tmp_path / "report/tables/comparison-costs.tsv").read_text().splitlines()
    row = next(line for line in costs if line.startswith("good\t")).split("\t")
    assert row[1:3] == ["40,960", "40,970"] and row[6] == "–"
    assert not [name for name in study.missing if "comparison" in name or "verdict" in name]


def test_a_study_without_the_section_has_no_such_chapter(tmp_path: Path) -> None:
    study = report_study.make(tmp_path)
    assert "comparison" not in [section.name for section in write_report(study, tmp_path / "out")]
    assert ComparisonSection(reference="a", methods=["b"]).seeds == 1
