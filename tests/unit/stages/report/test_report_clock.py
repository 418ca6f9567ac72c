"""What a study took: its own jobs, not the pauses between them nor what others ran for it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from bayling_study.core.files import write_json
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.cost import BusyClock, cost_facts
from bayling_study.stages.report.facts import jobs_section
from bayling_study.stages.report.overview import overview_section
from helpers import report_study
from helpers.report_study import START

YEAR = 365 * 86400.0


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """Four jobs of five seconds, the last one a year later; a download of a year before."""
    made = report_study.make(tmp_path / "study")
    late = made.own_records[-1]
    late |= {"start": late["start"] + YEAR, "end": late["end"] + YEAR}
    write_json(made.folder / f"runs/{late['stage']}/job.json", late)
    old = {**late, "stage": "download", "name": "corpus"}
    old |= {"start": START - YEAR, "end": START - YEAR + 600}
    write_json(tmp_path / "resources/runs/download/corpus.json", old)
    return Study(made.folder, made.config, [tmp_path / "resources/runs/download/corpus.json"])


def job(start: float, end: float | None, joules: float = 0.0) -> dict[str, Any]:
    return {"start": start, "end": end, "usage": {"energy_joules": {"cpu": joules}}}


def test_time_in_which_jobs_run_side_by_side_counts_once_and_pauses_never() -> None:
    clock = BusyClock([job(100, 110), job(0, 10), job(5, 15), job(6, 8), job(200, None)])
    assert clock.at() == 25
    assert [clock.at(moment) for moment in (0, 7, 50, 105, 300)] == [0, 7, 15, 20, 25]
    assert BusyClock([]).at() == 0


def test_the_first_page_counts_the_studys_own_jobs(study: Study) -> None:
    facts = dict(overview_section(study).facts)
    assert facts["jobs"] == "4, 0.3 minutes of work"
    assert facts["wall time"].startswith("0.3 minutes")
    assert facts["shared downloads and models"].startswith("1, 10.0 minutes of work")


def test_the_timeline_and_the_table_of_jobs_leave_pauses_out(study: Study) -> None:
    section = jobs_section(study)
    rows = {row[0].text: row for row in section.more["Every job"][0].rows}
    assert [rows[f"{stage}/job"][2].text for stage in ("corpora", "generation")] == ["0", "15"]
    assert rows["download/corpus"][2].text == "–"
    (timeline,) = (figure for figure in section.figures if figure.name == "timeline")
    ticks = re.findall(r"<text[^>]*>([\d.]+)</text>", timeline.svg)
    assert max(map(float, ticks)) <= 25
    assert "corpus" not in timeline.svg
    last = section.tables[0].rows[-1]
    assert [cell.text for cell in last[:3]] == ["shared, made once", "1", "10.0"]
    assert dict(section.facts)["longest job"].startswith("0.1 minutes")


def test_the_line_about_energy_says_what_it_adds_up() -> None:
    facts = dict(cost_facts([job(0, 10, 3.6e6), job(0, 10, 3.6e6)]))
    assert facts["energy"].startswith("2.000 kWh")
    assert "count the same energy" in facts["energy"]
