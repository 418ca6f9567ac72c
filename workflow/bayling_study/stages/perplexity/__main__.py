"""Compares the perplexity of an 8-bit export with that of the system it was made from.

Produces one JSON file: both perplexities of the reference answers of held-out conversations (the
suites' prompts), their difference with a paired interval, and how often both find the same token
most probable. One model is in memory at a time; both read the same tokens in the same batches.
"""

import argparse
import gc
from pathlib import Path
from typing import Any

from bayling_study.config import StudyConfig, load_settings
from bayling_study.config.systems import Int8System
from bayling_study.core import cli
from bayling_study.core.errors import StudyError
from bayling_study.core.files import write_json
from bayling_study.core.lookup import look_up_kind
from bayling_study.core.records import Prompt
from bayling_study.shared.models import load
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.perplexity.comparison import compare
from bayling_study.stages.perplexity.measure import Conversation, Opinion, draw, encode, opinions

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.option("name of an int8 system of the study", required=True),
    checkpoint=cli.path("folder of the export"),
    base_checkpoint=cli.path("folder of what it was made from"),
    prompts=cli.PROMPTS,
    suites=cli.SUITES,
    out=cli.path("JSON file to write"),
)


def main() -> None:
    """Measures one export."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "perplexity", "generation", "scoring", "systems")
    system = look_up_kind(Int8System, "int8 system", options.system, config.systems, "--system")
    study = config.study.name
    with run_record(options.record, "perplexity", options.system, study, options.code) as run:
        limit = config.perplexity.conversations
        run.parameters({"conversations": limit, "precision": config.generation.precision})
        run.input("base", options.base_checkpoint)
        run.input("export", options.checkpoint)
        for suite in options.suites:
            run.input(f"prompts/{suite}", options.prompts / f"{suite}.jsonl")
        prompts = draw(options.prompts, options.suites, limit, config.study.seed)
        result = measure(config, options.system, prompts, options)
        result["base"]["system"], result["export"]["system"] = system.base, options.system
        write_json(options.out, {"schema": 1, **result})
        numbers = {key: value for key, value in result.items() if isinstance(value, int | float)}
        sides = {f"perplexity.{side}": result[side]["perplexity"] for side in ("base", "export")}
        change = {"perplexity.difference": result["difference"]["value"]}
        run.metrics({**numbers, **sides, **change})
        run.output("perplexity", options.out)


def measure(
    config: StudyConfig, system: str, prompts: list[Prompt], options: argparse.Namespace
) -> dict[str, Any]:
    """Loads one model after the other and compares what they think of the same tokens. Checkpoints
    that cannot be loaded, and tokenizers that differ, are a ``StudyError``."""
    conversations, base = _opinions(config, system, prompts, options.base_checkpoint)
    gc.collect()  # the first model goes before the second comes
    same, export = _opinions(config, system, prompts, options.checkpoint)
    if same != conversations:
        what = "the export's tokenizer gives other tokens than the tokenizer of its base"
        raise StudyError(what, where=options.checkpoint, fix="export the system again")
    bootstrap = config.scoring.bootstrap
    samples, percent = f"{bootstrap.samples} samples", f"{100 * bootstrap.confidence:g} %"
    result = compare(base, export, bootstrap, config.study.seed)
    size = sum(conversation.bytes for conversation in conversations)
    for side in (result["base"], result["export"]):  # comparable between vocabularies
        side["bits_per_byte"] = side["bits"] * result["tokens"] / size
    return {
        **result,
        "left_out": len(prompts) - len(conversations),
        "precision": config.generation.precision,
        "method": f"percentile bootstrap over conversations, {samples}, {percent}, paired",
    }


def _opinions(
    config: StudyConfig, system: str, prompts: list[Prompt], checkpoint: Path
) -> tuple[list[Conversation], list[Opinion]]:
    loaded = load(checkpoint, config.generation)
    conversations = encode(prompts, loaded.tokenizer, config.template_of(system), loaded.context)
    limit = config.generation.batch_tokens
    return conversations, opinions(loaded.model, conversations, limit, checkpoint.name)


if __name__ == "__main__":
    cli.run_program(main)
