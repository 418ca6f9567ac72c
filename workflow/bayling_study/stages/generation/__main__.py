"""Writes one system's hypotheses to all given suites: OUT/SUITE.jsonl and OUT/system.json.

A checkpoint is loaded once for all suites. A killed job is started again with the same command
and goes on from its journals in WORK.
"""

import signal
import sys

from bayling_study.config import load_settings
from bayling_study.core import cli
from bayling_study.core.lookup import require
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.generation.backends import GenerationJob, answer
from bayling_study.stages.generation.outputs import PromptSet, counts, write_outputs

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    operations=cli.OPERATIONS,
    system=cli.SYSTEM,
    checkpoint=cli.path("folder of the model to run", required=False),
    download=cli.path("download of a published system's source", required=False),
    corpora=cli.path("folder of parallel.parquet, for answering.examples", required=False),
    members=cli.path("folder with the outputs of a routed system's members", required=False),
    prompts=cli.PROMPTS,
    suites=cli.SUITES | {"nargs": "*"},
    work=cli.path("folder of the journals"),
    threads=cli.THREADS,
    out=cli.path("output folder"),
)


def main() -> None:
    """Generates or converts what the command line asks for."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "systems", "suites", operations=options.operations)
    require("system", options.system, config.systems, "systems")
    for suite in options.suites:
        require("suite", suite, config.suites, "suites")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.EXIT_INTERRUPTED))
    study = config.study.name
    with run_record(options.record, "generation", options.system, study, options.code) as run:
        for name in options.suites:
            run.input(f"prompts/{name}", options.prompts / f"{name}.jsonl")
        prompts = {name: PromptSet.load(options.prompts, name) for name in options.suites}
        system, suites, meter = answer(GenerationJob(config, options.system, options, prompts, run))
        write_outputs(options.out, system, suites)
        run.metrics(meter.rates())
        for name, suite in suites.items():
            run.metrics({f"{name}.{what}": n for what, n in counts(suite.hypotheses).items()})
            run.metrics({f"{name}.absent_items": len(suite.absent)})
        run.output("hypotheses", options.out)


if __name__ == "__main__":
    cli.run_program(main)
