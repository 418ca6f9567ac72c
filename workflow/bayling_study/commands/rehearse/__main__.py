"""Rehearses a study: its whole DAG on a few rows of every source, with tiny models.

    make rehearse STUDY=bayling-2-8b

Without ``--page`` it writes what is laid over the study's configuration and prints its path, with
which ``make`` runs it as any study; with it, what the run left becomes one page.
"""

from bayling_study.commands.rehearse.overlay import overlay_path, write_overlay, write_profile
from bayling_study.commands.rehearse.page import write_page
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.dag.devices import cards
from bayling_study.dag.profiles import read_profile

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    profile=cli.path("folder of the profile", required=False),
    page=cli.option("write the page of the rehearsal that has run", action="store_true"),
)


def main() -> None:
    """Writes the configuration or the page."""
    options = COMMAND_LINE.parse_args()
    study = load_config(*options.study_config)
    if options.page:
        path = overlay_path(study)
        print(write_page(study, load_config(*options.study_config, path), path))
        return
    path = write_overlay(study, bool(cards()))
    if options.profile:
        profile = read_profile(options.profile)
        write_profile(profile, path.parent / "profiles" / options.profile.name)
    print(path)


if __name__ == "__main__":
    cli.run_program(main)
