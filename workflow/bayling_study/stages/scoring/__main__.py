"""Scores one system on several suites.

Writes ``OUT/SUITE.json`` (every value with n, signature and interval) and
``OUT/SUITE.segments.jsonl`` (``{id, metric, value}`` rows). The folder appears whole, or not at all
when one answer cannot be scored. Only items that the system has are scored.
"""

from bayling_study.config import load_settings
from bayling_study.core import cli
from bayling_study.core.files import atomic_directory
from bayling_study.shared.metrics import answers
from bayling_study.shared.metrics.aggregates import mean_groups
from bayling_study.shared.metrics.cache import default_folder
from bayling_study.shared.score_files import write_suite
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.scoring.results import score_suite

COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    system=cli.SYSTEM,
    prompts=cli.PROMPTS,
    generation=cli.path("the system's output folder"),
    harness=cli.path("its answers to multiple-choice suites", required=False),
    judging=cli.path("a judge's reviews of its answers", required=False),
    suites=cli.SUITES,
    spm=cli.path("download of spBLEU's model", required=False),
    cache=cli.path("default: work/scoring of the study", required=False),
    out=cli.path("folder to write"),
)


def main() -> None:
    """Scores the system that the command line names."""
    args = COMMAND_LINE.parse_args()
    config = load_settings(args.settings, "study", "suites", "scoring")
    plan = answers.plan_of(config)
    options = answers.options_of(config, args.cache or default_folder(args.out), args.spm)
    with run_record(args.record, "scoring", args.system, config.study.name, args.code) as run:
        run.parameters({"scoring": config.scoring.model_dump(mode="json")})
        run.input("generation", args.generation)
        if args.harness is not None:
            run.input("harness", args.harness)
        with atomic_directory(args.out) as scratch:
            for suite in args.suites:
                kind = answers.suite_kind(config, suite)
                folders = args.generation, args.harness, args.judging
                outputs = answers.answer_folder(kind, suite, *folders)
                if outputs is None:
                    continue
                path = args.prompts / f"{suite}.jsonl"
                run.input(f"prompts.{suite}", path)
                section = config.suites[suite]
                prompts = answers.scored_prompts(section, path)
                items = answers.read_answers(prompts, outputs, args.system, suite)
                groups = mean_groups(section, prompts)
                scores, rows = score_suite(items, section, options, plan, groups)
                write_suite(scratch, suite, scores, rows)
                run.metrics({f"{suite}.{s.item}.{s.metric}": s.value for s in scores})
        run.parameters({"cache": {"hits": options.cache.hits, "misses": options.cache.misses}})
        run.output("scores", args.out)


if __name__ == "__main__":
    cli.run_program(main)
