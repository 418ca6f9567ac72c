"""Writes the study's corpora: segments, conversations and terms as Parquet, and ``report.json``.

The report counts rows read, kept and rejected by source, language and reason,
with samples of each reason, and tells how the documents were split.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bayling_study.config import load_settings
from bayling_study.config.corpora import CorporaSection
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import atomic_directory, write_json
from bayling_study.shared.corpus_tables import REPORT_FILE
from bayling_study.shared.tracking.record import RunRecord, run_record
from bayling_study.stages.corpora import conversations, parallel, terms
from bayling_study.stages.corpora.tally import CorpusTally


def build(
    section: CorporaSection, downloads: Mapping[str, Path], seed: int, out: Path
) -> dict[str, Any]:
    """Makes the corpora folder, whole or not at all, and returns the report."""
    for source in section.sources:
        if source not in downloads:
            raise StudyError(f"the source {source!r} is not given", fix=f"--download {source}=DIR")
    lexicons = CorpusTally()
    with atomic_directory(out) as folder:
        report = {
            "seed": seed,
            "parallel": parallel.build(section, downloads, seed, folder),
            "conversations": conversations.build(section, downloads, folder),
            "terms": terms.build(section, downloads, folder, lexicons),
            "lexicons": lexicons.report(),
        }
        write_json(folder / REPORT_FILE, report)
    return report


OUT = cli.path("folder to write")
COMMAND_LINE = cli.command(__name__, **cli.STAGE, download=cli.DOWNLOADS, out=OUT)


def main() -> None:
    """Builds the corpora from the downloads that the command line names."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "study", "corpora")
    downloads = cli.pairs(options.download, "--download")
    with run_record(options.record, "corpora", "corpora", config.study.name, options.code) as run:
        run.parameters(config.corpora.model_dump(mode="json"))
        for source, folder in downloads.items():
            run.input(source, folder)
        _note(run, build(config.corpora, downloads, config.study.seed, options.out))
        run.output("corpora", options.out)
        run.artefact(options.out / REPORT_FILE)


def _note(run: RunRecord, report: dict[str, Any]) -> None:
    """Notes the counts that people compare between studies."""
    for language, counts in report["parallel"]["segments"].items():
        run.metrics({f"segments.{language}.{split}": n for split, n in counts.items()})
    for group, row in report["conversations"]["groups"].items():
        run.metrics({f"conversations.{group}": row["kept"]})
    run.metrics({f"terms.{pair}": n for pair, n in report["terms"].items()})
    run.metrics({f"documents.{s}": n for s, n in report["parallel"]["documents"].items()})


if __name__ == "__main__":
    cli.run_program(main)
