"""Rehearses a study: its whole DAG on a few rows of every source, with tiny models.

    make rehearse STUDY=bayling-2-8b

Without ``--page`` it writes the rehearsal's configuration and prints its path, which ``make`` runs
as any study; with it, what the run left becomes one page. Ends with 1 where a job did not end.
"""

from bayling_study.commands.rehearse.overlay import overlay_path, write_overlay
from bayling_study.commands.rehearse.page import write_page
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.dag.devices import cards

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    page=cli.option("write the page of the rehearsal that has run", action="store_true"),
)


def main() -> None:
    """Writes the configuration or the page."""
    options = COMMAND_LINE.parse_args()
    study = load_config(*options.study_config)
    if options.page:
        path = overlay_path(study)
        print(write_page(study, load_config(path), path))
    else:
        print(write_overlay(study, options.study_config, bool(cards())))


if __name__ == "__main__":
    cli.run_program(main)
