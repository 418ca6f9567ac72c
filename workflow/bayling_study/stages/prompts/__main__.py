"""Writes the prompts of one suite: one JSON row per item (``records.Prompt``).

The builder is the module of this package that is named after the suite's kind;
it is imported only when its kind is asked for.
"""

import importlib
from collections import Counter
from collections.abc import Callable

from bayling_study.config import load_settings
from bayling_study.config.suites import ConstrainedSuite, ExamsSuite, FileSuite, Suite, Wmt22Suite
from bayling_study.core import cli
from bayling_study.core.lookup import look_up
from bayling_study.core.records import write_prompts
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.prompts import PromptContext, Prompts
from bayling_study.stages.prompts.released import limited


def builder(kind: str) -> Callable[[str, Suite, PromptContext], Prompts]:
    """Returns what makes the prompts of a kind of suite, which the config has already checked."""
    build: Callable[[str, Suite, PromptContext], Prompts]
    build = importlib.import_module(f"bayling_study.stages.prompts.{kind}").build
    return build


COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    suite=cli.option("name of the suite in the config", required=True),
    corpora=cli.path("output of the corpora stage", required=False),
    download=cli.DOWNLOADS,
    out=cli.path("prompt file to write"),
)


def main() -> None:
    """Builds the prompts of the suite that the command line names."""
    options = COMMAND_LINE.parse_args()
    config = load_settings(options.settings, "study", "suites")
    suite = look_up("suite", options.suite, config.suites, "suites")
    downloads = cli.pairs(options.download, "--download")
    study = config.study
    context = PromptContext(study.seed, options.corpora, downloads)
    with run_record(options.record, "prompts", options.suite, study.name, options.code) as run:
        run.parameters(suite.model_dump(mode="json"))
        for source, folder in downloads.items():
            run.input(source, folder)
        if options.corpora is not None:
            run.input("corpora", options.corpora)
        made = builder(suite.kind)(options.suite, suite, context)
        if isinstance(suite, Wmt22Suite | FileSuite | ConstrainedSuite | ExamsSuite):
            made = limited(made, suite.limit, study.seed)
        prompts = list(made)
        write_prompts(options.out, prompts)
        run.metrics({"prompts": len(prompts)})
        run.metrics({f"prompts.{item}": n for item, n in Counter(p.item for p in prompts).items()})
        run.output("prompts", options.out)


if __name__ == "__main__":
    cli.run_program(main)
