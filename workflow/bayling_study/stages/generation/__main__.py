"""Writes one system's hypotheses to all given suites: OUT/SUITE.jsonl and OUT/system.json.

A system with a checkpoint is run (one model load for all suites), one behind a
server is asked, a published one is converted from the release it names. A
killed job is started again with the same command and goes on from its journals
in WORK.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bayling_study.config import StudyConfig, load_settings
from bayling_study.core.cli import EXIT_INTERRUPTED, run_program, stage_parser
from bayling_study.core.lookup import require
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.generation.backends import GenerationJob, answer
from bayling_study.stages.generation.meter import Meter
from bayling_study.stages.generation.outputs import SuiteAnswers, counts, write_outputs
from bayling_study.stages.generation.prompts import PromptSet


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = stage_parser("generation", __doc__, operations=True)
    result.add_argument("--system", required=True, help="name of the system in the config")
    result.add_argument("--checkpoint", type=Path, help="folder of the model to run")
    result.add_argument("--download", type=Path, help="download of a published system's source")
    result.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    result.add_argument("--suites", nargs="*", required=True, metavar="SUITE")
    result.add_argument("--work", type=Path, required=True, help="folder of the journals")
    result.add_argument("--threads", type=int, help="CPU threads; default: OMP_NUM_THREADS")
    result.add_argument("--out", type=Path, required=True, help="output folder")
    return result


def main() -> None:
    """Generates or converts what the command line asks for."""
    options = parser().parse_args()
    config = load_settings(options.settings, "systems", "suites", operations=options.operations)
    _check_names(config, options.system, options.suites)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    with run_record(
        options.record, "generation", options.system, config.study.name, options.code
    ) as run:
        for name in options.suites:
            run.input(f"prompts/{name}", options.prompts / f"{name}.jsonl")
        prompts = {name: PromptSet.load(options.prompts, name) for name in options.suites}
        answered = answer(GenerationJob(config, options.system, options, prompts, run))
        write_outputs(options.out, answered.system, answered.suites)
        run.metrics(_metrics(answered.suites, answered.meter))
        run.output("hypotheses", options.out)


def _check_names(config: StudyConfig, system: str, suites: list[str]) -> None:
    require("system", system, config.systems, "systems")
    for suite in suites:
        require("suite", suite, config.suites, "suites")


def _metrics(suites: dict[str, SuiteAnswers], meter: Meter) -> dict[str, float]:
    """Returns the run record's metrics: rates, and counts a suite."""
    values: dict[str, float] = dict(meter.rates())
    for name, suite in suites.items():
        values |= {f"{name}.{key}": value for key, value in counts(suite.hypotheses).items()}
        values[f"{name}.absent_items"] = len(suite.absent)
    return values


if __name__ == "__main__":
    run_program(main)
