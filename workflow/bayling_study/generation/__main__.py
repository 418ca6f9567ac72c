"""Writes one system's hypotheses to all given suites: OUT/SUITE.jsonl and OUT/system.json.

A system with a checkpoint is run (one model load for all suites); a published
system is converted from the release it names. A killed job is started again
with the same command and goes on from its journals in WORK.
"""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from bayling_study.cli import EXIT_INTERRUPTED, run_program, stage_parser
from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.systems import PublishedSystem
from bayling_study.errors import StudyError
from bayling_study.files import sha256_path
from bayling_study.generation.journal import locked
from bayling_study.generation.outputs import SuiteAnswers, System, counts, write_outputs
from bayling_study.generation.progress import Meter
from bayling_study.generation.prompts import PromptSet
from bayling_study.generation.published import convert
from bayling_study.sources import files_root
from bayling_study.tracking.record import RunRecord, run_record


def parser() -> argparse.ArgumentParser:
    """Returns the command line's parser."""
    result = stage_parser("generation", __doc__)
    result.add_argument("--system", required=True, help="name of the system in the config")
    result.add_argument("--checkpoint", type=Path, help="folder of the model to run")
    result.add_argument("--download", type=Path, help="download of a published system's source")
    result.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    result.add_argument("--suites", nargs="+", required=True, metavar="SUITE")
    result.add_argument("--work", type=Path, required=True, help="folder of the journals")
    result.add_argument("--threads", type=int, help="CPU threads; default: OMP_NUM_THREADS")
    result.add_argument("--out", type=Path, required=True, help="output folder")
    return result


def main() -> None:
    """Generates or converts what the command line asks for."""
    options = parser().parse_args()
    config = load_settings(options.settings, "systems", "suites", "generation")
    _check_names(config, options.system, options.suites)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_INTERRUPTED))
    prompts = {name: PromptSet.load(options.prompts, name) for name in options.suites}
    with run_record(
        options.record, "generation", options.system, config.study.name, options.code
    ) as run:
        for name in prompts:
            run.input(f"prompts/{name}", options.prompts / f"{name}.jsonl", prompts[name].sha256)
        section = config.systems[options.system]
        if isinstance(section, PublishedSystem):
            system, suites, meter = _convert(config, section, options, prompts, run)
        else:
            with locked(options.work):
                system, suites, meter = _generate(config, options, prompts, run)
        write_outputs(options.out, system, suites, meter.rates())
        run.metrics(_metrics(suites, meter))
        run.output("hypotheses", options.out)


def _check_names(config: StudyConfig, system: str, suites: list[str]) -> None:
    for kind, name, known in [("system", system, config.systems)] + [
        ("suite", suite, config.suites) for suite in suites
    ]:
        if name not in known:
            raise StudyError(
                f"no {kind} is called {name!r}", where=f"{kind}s", fix=f"one of: {', '.join(known)}"
            )


Result = tuple[System, dict[str, SuiteAnswers], Meter]


def _convert(
    config: StudyConfig,
    section: PublishedSystem,
    options: argparse.Namespace,
    prompts: dict[str, PromptSet],
    run: RunRecord,
) -> Result:
    """The ``published`` backend."""
    if options.download is None:
        raise StudyError(f"{options.system} is a published system", fix="--download DIR")
    root = files_root(options.download)
    system = System(options.system, section.kind, "published", section.model_dump(mode="json"))
    run.parameters(system.details)
    run.input("release", options.download / "manifest.json")
    suites = {name: convert(section, root, config.suites[name], prompts[name]) for name in prompts}
    return system, suites, Meter()


def _generate(
    config: StudyConfig, options: argparse.Namespace, prompts: dict[str, PromptSet], run: RunRecord
) -> Result:
    """The ``transformers`` backend. Its imports take seconds, so they wait until needed."""
    import torch
    import transformers

    from bayling_study.generation.running import Runner
    from bayling_study.models.loading import load
    from bayling_study.models.template import template_of

    if options.checkpoint is None:
        raise StudyError(f"{options.system} has to be run", fix="--checkpoint DIR")
    if options.threads:
        torch.set_num_threads(options.threads)
    template = template_of(config, options.system)
    loaded = load(options.checkpoint, config.generation)
    details = {
        "template": template,
        "precision": config.generation.precision,
        "format": loaded.format,
        "checkpoint_sha256": sha256_path(options.checkpoint),
        "transformers": transformers.__version__,
    }
    system = System(options.system, config.systems[options.system].kind, "transformers", details)
    run.parameters(details)
    run.input("checkpoint", options.checkpoint, details["checkpoint_sha256"])
    meter = Meter()
    runner = Runner(
        loaded, template, config.generation, system.sha256, config.study.seed, options.work, meter
    )
    suites = {name: runner.answer(config.suites[name], prompts[name]) for name in prompts}
    return system, suites, meter


def _metrics(suites: dict[str, SuiteAnswers], meter: Meter) -> dict[str, float]:
    """Returns the run record's metrics: rates, and counts a suite."""
    values: dict[str, float] = dict(meter.rates())
    for name, suite in suites.items():
        values |= {f"{name}.{key}": value for key, value in counts(suite.hypotheses).items()}
        values[f"{name}.absent_items"] = len(suite.absent)
    return values


if __name__ == "__main__":
    run_program(main)
