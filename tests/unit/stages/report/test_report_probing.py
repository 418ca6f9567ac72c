"""The chapter about hidden states: before and after, a dash where there is no model, and scores."""

from __future__ import annotations

from pathlib import Path

from bayling_study.core.files import write_json
from bayling_study.stages.report.probing import probing_section
from helpers import report_study

CURVES = [
    ("retrieval", "en-zh", 100, 0.01, [0.02, 0.10, 0.05]),
    ("probe", "en > zh", 120, 0.5, [0.5, 0.55, 0.6]),
    ("probe", "zh > en", 120, 0.5, [0.5, 0.5, 0.5]),
    ("cosine", "en, zh", 120, 0.5, [0.1, -0.2, 0.3]),
]


def write(folder: Path, system: str, gain: float) -> None:
    rows = [
        {"kind": k, "name": name, "n": n, "chance": c, "values": [v + gain for v in values]}
        for k, name, n, c, values in CURVES
    ]
    write_json(folder / "probing" / f"{system}.json", {"curves": rows})


def test_without_any_there_is_no_chapter(tmp_path: Path) -> None:
    assert probing_section(report_study.make(tmp_path / "study")).empty


def test_curves_and_scores_stand_side_by_side(tmp_path: Path) -> None:
    study = report_study.make(tmp_path / "study")
    write(study.folder, "foundation", 0.0)
    write(study.folder, "tuned", 0.2)
    section = probing_section(study)
    (table,) = section.tables
    systems = ["foundation", "tuned"]
    assert table.columns == ["what", "languages", "n", "chance", *systems]
    assert table.plain == [
        ["retrieval", "en-zh", "100", "1.0", "10.0 [layer 1]", "30.0 [layer 1]"],
        ["probe", "en > zh", "120", "50.0", "60.0 [layer 2]", "80.0 [layer 2]"],
        ["probe", "zh > en", "120", "50.0", "50.0 [layer 0]", "70.0 [layer 0]"],
        ["cosine", "en, zh", "120", "–", "0.30 [layer 2]", "0.50 [layer 2]"],
        ["chrF2, translation", "zh-en", "100", "–", "20.0", "45.5"],
    ]
    assert "need not mean better answers" in table.note
    (figure,) = section.figures
    assert (
        "retrieval en-zh (n = 100, chance 1.0)" in figure.svg and "probe en &gt; zh" in figure.svg
    )
    assert "zh &gt; en" not in figure.svg and "foundation" in figure.svg
