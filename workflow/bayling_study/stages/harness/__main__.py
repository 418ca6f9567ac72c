"""Has one system answer all suites of multiple-choice questions.

Writes ``OUT/SUITE.jsonl`` (the chosen answers, as hypotheses), ``OUT/SUITE.marks.jsonl`` (``{id,
metrics, likelihoods}``) and ``OUT/system.json``. A killed job goes on behind the last task in WORK.
"""

import os
import signal
import sys
import time
from argparse import Namespace
from statistics import fmean
from typing import Any

from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.multiple_choice import HarnessSuite, NliSuite, QuestionsSuite
from bayling_study.core import cli, files
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up
from bayling_study.core.records import Hypothesis, Prompt, by_item, read_prompts, write_hypotheses
from bayling_study.shared.sources.fetched import files_root
from bayling_study.shared.tracking.record import RunRecord, run_record

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.SYSTEM,
    checkpoint=cli.path("folder of the model"),
    prompts=cli.PROMPTS,
    suites=cli.SUITES,
    download=cli.DOWNLOADS,
    work=cli.path("folder of finished tasks"),
    threads=cli.THREADS,
    out=cli.path("output folder"),
)


def main() -> None:
    """Asks the system that the command line names."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "systems", "suites", "generation")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(cli.EXIT_INTERRUPTED))
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    prompts = {name: read_prompts(options.prompts / f"{name}.jsonl") for name in options.suites}
    study = config.study.name
    with run_record(options.record, "harness", options.system, study, options.code) as run:
        for name in prompts:
            run.input(f"prompts/{name}", options.prompts / f"{name}.jsonl")
        answered, details = _answers(config, options, prompts, run)
        _write(options, config, answered, prompts, details)
        run.output("answers", options.out)


Answered = dict[str, dict[str, Any]]
"""Suite to item to its answers (``asking.Item``)."""


def _answers(
    config: StudyConfig, options: Namespace, prompts: dict[str, list[Prompt]], run: RunRecord
) -> tuple[Answered, dict[str, Any]]:
    """Loads the system and asks it everything. Imports take seconds and wait until here."""
    import torch
    import transformers

    from bayling_study.shared.models import load
    from bayling_study.stages.harness.asking import ExaminedSystem
    from bayling_study.stages.harness.model import StudyModel

    if options.threads:
        torch.set_num_threads(options.threads)
    template = config.template_of(options.system)
    loaded = load(options.checkpoint, config.generation)
    details = {
        "template": template,
        "precision": config.generation.precision,
        "format": loaded.format,
        "checkpoint_sha256": files.sha256_path(options.checkpoint),
        "transformers": transformers.__version__,
    }
    run.parameters(details)
    run.input("checkpoint", options.checkpoint, details["checkpoint_sha256"])
    model = StudyModel(loaded, template, config.generation)
    asker = ExaminedSystem(model, files.sha256_json(details), config.study.seed, options.work)
    downloads = cli.pairs(options.download, "--download")
    started = time.monotonic()
    answered: Answered = {}
    for name, rows in prompts.items():
        suite = look_up("suite", name, config.suites, "--suites")
        if not isinstance(suite, HarnessSuite | QuestionsSuite | NliSuite):
            raise StudyError(f"{name} is a suite of kind {suite.kind!r}", where="--suites")
        root = None
        if isinstance(suite, HarnessSuite):
            root = files_root(look_up("download", suite.source, downloads, "--download"))
        groups = by_item(rows)
        answered[name] = {item: asker.item(name, suite, own, root) for item, own in groups.items()}
        for item, found in answered[name].items():
            right = fmean(row.metrics.get("acc", 0.0) for row in found.marked)
            run.metrics({f"{name}.{item}.acc": right})
    run.metrics({"seconds": round(time.monotonic() - started, 1)})
    return answered, details


def _cut(items: dict[str, Any]) -> dict[str, int]:
    """Returns how many of a suite's questions lost how many tokens at their front."""
    cut = [row.cut for found in items.values() for row in found.marked]
    return {"turns": len(cut), "prompts_cut": sum(map(bool, cut)), "prompt_tokens_cut": sum(cut)}


def _write(
    options: Namespace,
    config: StudyConfig,
    answered: Answered,
    prompts: dict[str, list[Prompt]],
    details: dict[str, Any],
) -> None:
    """Writes the output folder; it appears whole or not at all."""
    with files.atomic_directory(options.out) as scratch:
        for name, items in answered.items():
            marked = {row.id: row for found in items.values() for row in found.marked}
            rows = [marked[prompt.id] for prompt in prompts[name]]
            chosen = (Hypothesis(row.id, [row.choice], [0], ["stop"]) for row in rows)
            write_hypotheses(scratch / f"{name}.jsonl", chosen)
            keys = ("id", "metrics", "likelihoods")
            marks = ({key: getattr(row, key) for key in keys} for row in rows)
            files.write_jsonl(scratch / f"{name}.marks.jsonl", marks)
        signatures = {
            name: {item: found.signature for item, found in items.items()}
            for name, items in answered.items()
        }
        declared = {
            "schema": 1,
            "system": options.system,
            "kind": config.systems[options.system].kind,
            "backend": "lm-evaluation-harness",
            "details": details,
            "items": {name: list(items) for name, items in answered.items()},
            "suites": {name: _cut(items) for name, items in answered.items()},
            "signatures": signatures,
        }
        files.write_json(scratch / "system.json", declared)


if __name__ == "__main__":
    cli.run_program(main)
