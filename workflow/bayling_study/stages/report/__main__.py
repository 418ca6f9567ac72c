"""Writes the report of a finished study: two pages, tables, figures, verdicts.

``OUT/index.html`` and ``OUT/answers.html``, all answers side by side, open from disk and need
nothing beside them; ``tables/*.tsv``, ``tables/*.tex`` and ``figures/*.svg`` hold the same for use
elsewhere; ``verdicts.tsv`` compares every score with the published value, and ``verdict.json``
says in sentences what was found.
"""

import shutil
from pathlib import Path

from bayling_study.config import load_settings
from bayling_study.core import cli
from bayling_study.core.files import write_json, write_text
from bayling_study.shared.score_files import score_files
from bayling_study.shared.tracking.record import run_record
from bayling_study.shared.verdict import VERDICT
from bayling_study.stages.report.ablations import ablation_section
from bayling_study.stages.report.answers import write_answers
from bayling_study.stages.report.blocks import PageSection
from bayling_study.stages.report.cautions import missing_section
from bayling_study.stages.report.collect import Study
from bayling_study.stages.report.comparison import comparison_sections
from bayling_study.stages.report.conclusion import conclusion
from bayling_study.stages.report.data import data_section
from bayling_study.stages.report.dialogues import dialogue_section
from bayling_study.stages.report.exports import export_section
from bayling_study.stages.report.facts import environment_section, jobs_section, tuning_section
from bayling_study.stages.report.metrics import metrics_section
from bayling_study.stages.report.overview import overview_section
from bayling_study.stages.report.page import render
from bayling_study.stages.report.probing import probing_section
from bayling_study.stages.report.published_table import read_published
from bayling_study.stages.report.reproduction import summary_table, verdict_section
from bayling_study.stages.report.results import result_sections
from bayling_study.stages.report.verdicts import HEADING, Verdict, write_verdicts

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    study=cli.STUDY,
    shared=cli.path("records of shared jobs", required=False, nargs="*", default=[]),
    out=cli.path("folder of the report"),
)
CHAPTERS = (
    *(ablation_section, tuning_section, export_section, probing_section),
    *(data_section, jobs_section, environment_section),
)


def sections_of(study: Study, verdicts: list[Verdict]) -> list[PageSection]:
    """Returns the chapters that have something to show."""
    chapters: list[PageSection] = []
    with study.block("chapter: comparison"):  # what such a study is for comes first
        chapters += comparison_sections(study)
    chapters.append(overview_section(study))
    with study.block("chapter: dialogues"):
        chapters.append(dialogue_section(study))
    with study.block("chapter: verdicts"):
        chapters.append(verdict_section(study, verdicts))
    chapters += result_sections(study)
    for make in CHAPTERS:
        with study.block(f"chapter: {make.__name__.removesuffix('_section')}"):
            chapters.append(make(study))
    explained = [name for part in chapters for table in part.all_tables for name in table.about]
    chapters.append(metrics_section(name for name in explained if " " not in name))
    return [chapter for chapter in chapters if not chapter.empty]


def write_report(study: Study, out: Path) -> list[PageSection]:
    """Writes the page, its tables and figures, and the verdicts; returns the chapters. A block
    that fails leaves all others: a first chapter and ``tables/missing.tsv`` name it (``StudyError``
    if there are no scores, or the table of published values is malformed)."""
    config, scores = study.config, study.scores
    verdicts, sentences = list[Verdict](), list[str]()
    published = read_published(Path(config.report.published))
    write_text(out / "verdicts.tsv", HEADING)
    with study.block("verdicts"):
        verdicts = write_verdicts(out / "verdicts.tsv", scores, published, study)
    with study.block("the verdict in sentences"):
        sentences = conclusion(study, verdicts)
    write_json(out / VERDICT, {"sentences": sentences})
    sections = sections_of(study, verdicts)
    for folder in ("tables", "figures"):  # nothing of an earlier report may stay
        shutil.rmtree(out / folder, ignore_errors=True)
    for section in sections:
        for table in section.all_tables:
            with study.block(f"files of {table.name}"):
                table.write(out / "tables")
        for figure in section.all_figures:
            figure.write(out / "figures")
    with study.block("summary at the end of `make study`"):
        write_text(out / "tables" / "summary.tsv", summary_table(study, verdicts).tsv())
    write_answers(study, out / "answers.html")
    if study.missing:
        sections.insert(0, missing_section(study))
        sections[0].tables[0].write(out / "tables")
    subtitle = f"Study {config.study.name}, seed {config.study.seed}"
    write_text(out / "index.html", render(config.study.title, subtitle, sections, sentences))
    return sections


def main() -> None:
    """Writes the report of the study that the command line names."""
    arguments = COMMAND_LINE.parse_args()
    config = load_settings(arguments.settings, "systems", "suites", "report")
    with run_record(arguments.record, "report", "report", config.study.name, arguments.code) as run:
        study = Study(arguments.study, config, arguments.shared)
        sections = write_report(study, arguments.out)
        tables = sum(len(section.all_tables) for section in sections)
        tests = arguments.study / "significance" / "comparisons.json"
        for path in [*score_files(arguments.study), tests]:
            run.input(str(path.relative_to(arguments.study)), path)
        run.output("report", arguments.out)
        run.metrics({"tables": tables, "scores": len(study.scores)})
        run.parameters({"missing": study.missing})
        run.artefact(arguments.out / "index.html")
        run.artefact(arguments.out / "verdicts.tsv")


if __name__ == "__main__":
    cli.run_program(main)
