"""Writes the report of a finished study: one page, tables, figures, verdicts.

``OUT/index.html`` opens from disk and needs nothing beside it; ``tables/*.tsv``
and ``figures/*.svg`` hold the same for use elsewhere; ``verdicts.tsv`` compares
every score with the published value.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from bayling_study.cli import run_program, stage_parser
from bayling_study.config import load_settings
from bayling_study.files import write_text
from bayling_study.report.blocks import Section
from bayling_study.report.collect import Study
from bayling_study.report.facts import (
    data_section,
    environment_section,
    export_section,
    jobs_section,
    tuning_section,
)
from bayling_study.report.overview import overview_section, verdict_section
from bayling_study.report.page import render
from bayling_study.report.results import result_sections
from bayling_study.report.verdicts import write_verdicts
from bayling_study.tracking.record import run_record


def parser() -> argparse.ArgumentParser:
    """Returns the command line."""
    options = stage_parser("report", __doc__ or "")
    options.add_argument("--study", type=Path, required=True, help="results folder of the study")
    options.add_argument(
        "--shared", type=Path, nargs="*", default=[], help="records of shared jobs"
    )
    options.add_argument("--out", type=Path, required=True, help="folder of the report")
    return options


def sections_of(study: Study, verdicts: Path) -> list[Section]:
    """Returns the chapters that have something to show."""
    chapters = [
        overview_section(study),
        verdict_section(verdicts),
        *result_sections(study),
        tuning_section(study),
        export_section(study),
        data_section(study),
        jobs_section(study),
        environment_section(study),
    ]
    return [c for c in chapters if c.facts or c.tables or c.figures or c.samples]


def main() -> None:
    """Writes the report."""
    arguments = parser().parse_args()
    config = load_settings(arguments.settings, "systems", "suites", "report")
    with run_record(arguments.record, "report", "report", config.study.name, arguments.code) as run:
        study = Study(arguments.study, config, arguments.shared)
        verdicts = arguments.out / "verdicts.tsv"
        published = Path(config.report.published)
        write_verdicts(verdicts, study.scores, published, config, study.systems)
        sections = sections_of(study, verdicts)
        for section in sections:
            write_parts(section, arguments.out)
        subtitle = f"Study {config.study.name}, seed {config.study.seed}"
        write_text(arguments.out / "index.html", render(config.study.title, subtitle, sections))
        run.metrics({"tables": sum(len(s.tables) for s in sections), "scores": len(study.scores)})
        run.artefact(arguments.out / "index.html")
        run.artefact(verdicts)


def write_parts(section: Section, folder: Path) -> None:
    """Writes a chapter's tables and figures as files of their own."""
    for table in section.tables:
        table.write(folder / "tables")
    for figure in [*section.figures, *(f for table in section.tables for f in table.figures)]:
        figure.write(folder / "figures")


if __name__ == "__main__":
    run_program(main)
