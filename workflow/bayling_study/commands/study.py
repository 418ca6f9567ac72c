"""``make study``: one run of a study's workflow, in one process.

    python -m bayling_study.commands.study --study-config FILE --summary -- --cores 2

What is wrong in the configuration is said here, before any work; what a killed run left is mended.
Snakemake runs in this process, which has imported what its Snakefile needs.
"""

import logging
import sys

from bayling_study.commands import summary
from bayling_study.config import load_config
from bayling_study.core import cli
from bayling_study.dag.exclusive import begin
from bayling_study.dag.layout import Layout

COMMAND_LINE = cli.command(
    __name__,
    study_config=cli.STUDY_CONFIG,
    folder=cli.option("run nothing, print where its results are", action="store_true"),
    summary=cli.option("print the main results at the end", action="store_true"),
    keep_locks=cli.option(
        "leave stale locks in place: jobs of a scheduler may still run", action="store_true"
    ),
    words=cli.option("after --: options and targets of Snakemake", positional=True, nargs="*"),
)


def main() -> int:
    """Runs the workflow to its end; returns Snakemake's status."""
    options = COMMAND_LINE.parse_args()
    study = Layout(load_config(*options.study_config)).study
    if options.folder:
        print(study)
        return 0
    begin(study, options.keep_locks)
    status = run_snakemake(options.words)
    if options.summary and not status:
        summary.show(study)
    return status


def run_snakemake(words: list[str]) -> int:
    """Runs Snakemake with its own log, as its command does, and returns its status."""
    from snakemake.cli import main as snakemake  # takes longer than a mistake is told

    logging.getLogger().handlers.clear()
    sys.argv = ["snakemake", *words]
    try:
        snakemake()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else bool(end.code)
    return 0


if __name__ == "__main__":
    cli.run_program(main)
