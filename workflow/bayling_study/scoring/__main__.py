"""Scores one system on several suites.

Writes ``OUT/SUITE.json`` (every value with n, signature and interval) and
``OUT/SUITE.segments.jsonl`` (``{id, metric, value}`` rows). The folder appears
whole, or not at all when one answer cannot be scored. Only items that the
system has are scored.
"""

from __future__ import annotations

from pathlib import Path

from bayling_study.cli import run_program, stage_parser
from bayling_study.config import load_settings
from bayling_study.files import atomic_directory
from bayling_study.records import read_prompts
from bayling_study.scoring.answers import options_of, plan_of, read_answers, suite_kind
from bayling_study.scoring.cache import default_folder
from bayling_study.scoring.results import score_suite, write_suite
from bayling_study.tracking.record import run_record


def main() -> None:
    """Scores the system that the command line names."""
    parser = stage_parser("scoring", __doc__)
    parser.add_argument("--system", required=True, help="name of the system in the config")
    parser.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    parser.add_argument("--outputs", type=Path, required=True, help="the system's output folder")
    parser.add_argument("--suites", nargs="+", required=True)
    parser.add_argument("--cache", type=Path, help="default: work/scoring of the study")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    config = load_settings(args.settings, "study", "suites", "scoring")
    options, plan = options_of(config, args.cache or default_folder(args.out)), plan_of(config)
    with run_record(args.record, "scoring", args.system, config.study.name, args.code) as run:
        run.parameters({"scoring": config.scoring.model_dump(mode="json")})
        run.input("outputs", args.outputs)
        with atomic_directory(args.out) as scratch:
            for suite in args.suites:
                suite_kind(config, suite)
                path = args.prompts / f"{suite}.jsonl"
                run.input(f"prompts.{suite}", path)
                items = read_answers(read_prompts(path), args.outputs, args.system, suite)
                scores, rows = score_suite(items, config.suites[suite], options, plan)
                write_suite(scratch, suite, scores, rows)
                run.metrics({f"{suite}.{s.item}.{s.metric}": s.value for s in scores})
        run.parameters({"cache": {"hits": options.cache.hits, "misses": options.cache.misses}})
        run.output("scores", args.out)


if __name__ == "__main__":
    run_program(main)
