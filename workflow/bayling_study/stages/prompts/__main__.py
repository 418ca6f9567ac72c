"""Writes the prompts of one suite: one JSON row per item (``records.Prompt``).

The builder is the module of this package that is named after the suite's kind;
it is imported only when its kind is asked for.
"""

from __future__ import annotations

import importlib
from collections import Counter
from pathlib import Path
from typing import Protocol, cast

from bayling_study.config import load_settings
from bayling_study.config.suites import Suite
from bayling_study.core.cli import pairs, run_program, stage_parser
from bayling_study.core.lookup import look_up
from bayling_study.core.records import Prompt, write_prompts
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.prompts import PromptContext


class Builder(Protocol):
    """The one function of a builder module."""

    def build(self, name: str, suite: Suite, context: PromptContext) -> list[Prompt]:
        """Returns the suite's prompts in their order."""
        ...


def builder(kind: str) -> Builder:
    """Returns the builder module of a kind of suite, which the config has already checked."""
    return cast(Builder, importlib.import_module(f"bayling_study.stages.prompts.{kind}"))


def main() -> None:
    """Builds the prompts of the suite that the command line names."""
    parser = stage_parser("prompts", __doc__)
    parser.add_argument("--suite", required=True, help="name of the suite in the config")
    parser.add_argument("--corpora", type=Path, help="output of the corpora stage")
    parser.add_argument("--download", action="append", default=[], metavar="ID=DIR")
    parser.add_argument("--out", type=Path, required=True, help="prompt file to write")
    options = parser.parse_args()
    config = load_settings(options.settings, "study", "suites")
    suite = look_up("suite", options.suite, config.suites, "suites")
    downloads = pairs(options.download, "--download")
    context = PromptContext(config.study.name, config.study.seed, options.corpora, downloads)
    with run_record(
        options.record, "suites", options.suite, config.study.name, options.code
    ) as run:
        run.parameters(suite.model_dump(mode="json"))
        for source, folder in downloads.items():
            run.input(source, folder)
        if options.corpora is not None:
            run.input("corpora", options.corpora)
        prompts = builder(suite.kind).build(options.suite, suite, context)
        write_prompts(options.out, prompts)
        run.metrics({"prompts": len(prompts)})
        run.metrics({f"prompts.{item}": n for item, n in Counter(p.item for p in prompts).items()})
        run.output("prompts", options.out)


if __name__ == "__main__":
    run_program(main)
