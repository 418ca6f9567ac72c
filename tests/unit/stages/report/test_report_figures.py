"""Heat maps, stacked bars, ablations, cost and masks: what they show and when."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bayling_study.config.model import StudyConfig
from bayling_study.core.files import read_json, write_json
from bayling_study.core.records import Score, write_scores
from bayling_study.stages.report.ablations import ablation_section, means_of
from bayling_study.stages.report.blocks import PageSection
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.cost import cost_facts, cost_table
from bayling_study.stages.report.data import add_audit
from bayling_study.stages.report.figures import evaluation_losses, score_bars, training_curve
from bayling_study.stages.report.heatmap import directions_of, heat_map, pivots_of, place_of
from bayling_study.stages.report.results import result_sections
from helpers import report_study

LANGUAGES = [a + b for a in "abcdefghij" for b in "mnopqrstuv"]


def score(system: str, item: str, value: float, metric: str = "chrf2") -> Score:
    return Score("translation", item, system, metric, value, None, None, 100, f"{metric}|v:1")


def texts(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return report_study.make(tmp_path / "study")


def with_scores(study: Study, scores: list[Score]) -> Study:
    """Returns the study anew with other scores of its first system."""
    write_scores(study.folder / "scoring" / "foundation" / "translation.json", scores)
    return Study(study.folder, study.config)


def test_a_direction_has_its_place_around_the_pivots() -> None:
    items = ["de-en", "en-de", "zh-en", "average-to-en", "fra_Latn-eng_Latn", "all"]
    assert directions_of(items) == ["de-en", "en-de", "zh-en", "fra_Latn-eng_Latn"]
    many = [
        d for code in LANGUAGES for d in (f"{code}-en", f"en-{code}", f"{code}-zh", f"zh-{code}")
    ]
    pivots = pivots_of(many)
    assert sorted(pivots) == ["en", "zh"]
    assert place_of("de-en", ["en", "zh"]) == ("de", "→en")
    assert place_of("zh-de", ["en", "zh"]) == ("de", "zh→")
    assert place_of("de-fr", ["en", "zh"]) is None


def test_a_heat_map_of_a_hundred_languages_names_each_once() -> None:
    scores = [
        score(system, item, float(place))
        for place, code in enumerate(LANGUAGES)
        for item in (f"{code}-en", f"en-{code}")
        for system in ("foundation", "tuned")
    ]
    shown = texts(heat_map(scores, ["foundation", "tuned"]))
    assert [name for name in shown if name in LANGUAGES] == LANGUAGES[::-1]
    assert {"→en  foundation", "en→  tuned"} <= set(shown)


def test_many_directions_get_a_map_and_a_folded_table_and_few_do_not(study: Study) -> None:
    assert not [t for t in result_sections(study)[0].all_figures if t.name.endswith("languages")]
    many = [score("foundation", f"{code}-en", 10.0 + n) for n, code in enumerate(LANGUAGES)]
    section = result_sections(with_scores(study, [*many, score("foundation", "average", 20.0)]))[0]
    assert "translation-chrf2-languages" in [figure.name for figure in section.all_figures]
    (folded,) = (tables for title, tables in section.more.items() if "of all" in title)
    assert len(folded[0].rows) > len(LANGUAGES)
    assert [row[0].text for row in section.tables[0].rows] == ["average"]


def test_every_score_links_to_the_file_it_stands_in(study: Study) -> None:
    tables = [table for section in result_sections(study) for table in section.all_tables]
    assert tables
    for table in tables:
        cells = [c for row in table.rows for c in row[2:] if c.text != "–"]
        assert cells
        assert all((study.folder / "report" / c.link).resolve().is_file() for c in cells)


def test_a_mask_example_marks_what_is_learnt_and_shows_what_is_hidden() -> None:
    section = PageSection("data", "Data")
    spans = [["USER: a\u202eb ", False], ["answer", True]]
    add_audit(section, "default", {"mask_samples": {"translation": [{"spans": spans}]}})
    ((first, second),) = section.masks["Training set default: supervised tokens"]["translation"]
    assert (first.text, first.new) == ("USER: a⟨U+202E⟩b ", False)
    assert (second.text, second.new) == ("answer", True)
    assert not section.empty


def record(stage: str, seconds: float, **usage: Any) -> dict[str, Any]:
    host = {"peak_memory_bytes": 2**30}
    return {"stage": stage, "start": 0.0, "end": seconds, "host": host, "usage": usage}


def test_the_cost_counts_gpu_hours_and_energy_only_where_measured() -> None:
    plain = [record("corpora", 60.0)]
    assert dict(cost_facts(plain))["GPU-hours"] == "none: no GPU was used"
    assert "energy" not in dict(cost_facts(plain))
    assert cost_table(plain).columns[-1] == "peak GiB"
    sample = {"time": 1.0, "cpu_percent": 200.0}
    gpu = record("tuning", 1800.0, gpus=4, samples=[sample], energy_joules={"gpu": 3.6e6})
    facts = dict(cost_facts([*plain, gpu]))
    assert facts["GPU-hours"] == "2.00"
    assert facts["energy"].startswith("1.000 kWh")
    table = cost_table([*plain, gpu])
    cells = [[cell.text for cell in row] for row in table.rows]
    assert cells[1] == ["tuning", "1", "30.0", "1.000", "2.00", "1.00", "1.000"]
    assert [row[-1] for row in cells] == ["–", "1.000", "1.000"]


def test_several_tuned_systems_are_set_side_by_side(study: Study) -> None:
    assert ablation_section(study).empty
    values = study.config.model_dump(mode="json")
    values["systems"]["small"] = {**values["systems"]["tuned"], "mixture": "small"}
    wider = Study(study.folder, StudyConfig.model_validate(values))
    write_scores(
        study.folder / "scoring" / "small" / "translation.json",
        [
            score("small", "zh-en", 30.0),
            score("small", "de-en", 20.0),
            score("small", "mean", 99.0),
        ],
    )
    for name, conversations in (("tuned", 4000), ("small", 1000)):
        job = read_json(study.folder / "runs" / "tuning" / "job.json") | {"name": name}
        job["metrics"] = {"conversations": conversations, "loss": 1.5}
        write_json(study.folder / "runs" / "tuning" / f"{name}.json", job)
    section = ablation_section(wider)
    (table,) = section.tables
    assert table.columns[:2] == ["system", "mixture"]
    rows = {row[0].text: [cell.text for cell in row] for row in table.rows}
    assert rows["small"][1:3] == ["small", "1,000"]
    assert means_of(wider, ["small"])["translation", "chrf2"] == {"small": 25.0}
    assert {"small", "tuned"} <= set(texts(section.figures[0].svg))


def test_losses_on_held_out_text_are_curves_of_their_own() -> None:
    history = [{"step": n, "values": {"loss": 3.0, "learning_rate": 1e-4}} for n in range(4)]
    history[3] = replace_values(history[3], validation_loss=2.5)
    assert evaluation_losses(history) == {"validation loss": [(3, 2.5)]}
    assert "validation loss" in texts(training_curve(history))


def replace_values(point: dict[str, Any], **values: float) -> dict[str, Any]:
    return {**point, "values": {**point["values"], **values}}


def test_a_score_that_was_derived_links_nowhere(study: Study) -> None:
    first = study.scores[0]
    assert study.link(first).startswith("../scoring/")
    assert study.link(replace(first, metric="derived")) == ""


def texts_of(svg: str) -> list[str]:
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg)


def test_every_bar_has_its_system_and_its_value() -> None:
    systems = [f"system-{n}" for n in range(11)]
    items = ["zh-en", "en-zh", "de-en", "en-de", "cs-en"]
    values = {
        (item, system): (10.0 * i + s + 0.25, 10.0 * i + s, 10.0 * i + s + 1)
        for i, item in enumerate(items)
        for s, system in enumerate(systems)
    }
    del values["cs-en", "system-3"]
    shown = texts_of(score_bars(items, systems, values))
    assert [text for text in shown if text in systems] == systems * 2  # once a row of small figures
    assert [text for text in shown if text in items] == items
    assert "50.2" in shown and shown.count("–") == 1  # cs-en of system-10; the one without a value


def test_bars_stand_on_zero_also_below_it_and_without_any_value() -> None:
    systems = [f"system-{n}" for n in range(8)]
    below = {("all", system): (-20.0, -25.0, -15.0) for system in systems}
    assert texts_of(score_bars(["all"], systems, below)).count("-20.0") == 8
    shown = texts_of(score_bars(["all"], systems, {("all", systems[0]): (0.0, None, None)}))
    assert shown.count("–") == 7 and "0.0" in shown
