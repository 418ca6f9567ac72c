"""Tests the difference of every pair of systems on every item, and says which are significant.

    python -m bayling_study.scoring.compare --settings F --record R --prompts DIR --outputs DIR
        --systems A B … --suites S … --out FILE

Writes ``{"schema": 1, "method": {…}, "comparisons": […]}``. A comparison has
``suite, item, metric, signature, system_a, system_b, value_a, value_b, n``, the
``difference`` (a minus b) with its interval ``low, high``, the p-values
``bootstrap`` and ``randomisation``, the same ``…_adjusted`` for the family, and
``p_adjusted``, the larger of those two. ``significant`` means that it is below
the level, so that both tests agree. The family of Holm's correction is all
pairs of systems on one item and metric.

Metrics that only have segment scores (COMET) are read from
``SCORES/METRIC/SYSTEM/SUITE.segments.jsonl`` with ``--scores SCORES`` and compared by
their means.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bayling_study.cli import run_program, stage_parser
from bayling_study.config import StudyConfig, load_settings
from bayling_study.files import write_json
from bayling_study.records import read_prompts
from bayling_study.scoring.answers import measure, options_of, plan_of, read_answers, suite_kind
from bayling_study.scoring.cache import default_folder
from bayling_study.scoring.measurement import Answers, Options
from bayling_study.scoring.pairs import compare_item, method_statement
from bayling_study.scoring.resampling import Plan
from bayling_study.scoring.segment_scores import SegmentScores, read_segment_scores
from bayling_study.tracking.record import run_record


@dataclass(frozen=True)
class Folders:
    """Where a comparison reads: prompts, outputs by system, and further segment scores."""

    prompts: Path
    outputs: Path
    scores: Path | None

    def segment_folders(self, system: str) -> list[Path]:
        """Returns the folders of other programs with a system's segment scores."""
        return [] if self.scores is None else sorted(self.scores.glob(f"*/{system}/"))

    def segment_files(self, system: str, suite: str) -> list[Path]:
        """Returns the files of other programs with a system's segment scores."""
        files = [folder / f"{suite}.segments.jsonl" for folder in self.segment_folders(system)]
        return [file for file in files if file.exists()]


def compare_suite(
    answered: dict[str, list[Answers]],
    kind: str,
    options: Options,
    plan: Plan,
    extra: dict[str, SegmentScores],
) -> list[dict[str, Any]]:
    """Tests all pairs of systems on every item of a suite.

    Args:
        answered: system to its items.
        kind: kind of the suite.
        options, plan: as for scoring; each item gets a seed of its own.
        extra: system to further segment scores (COMET).
    """
    items: dict[str, dict[str, Answers]] = {}
    for system, found in answered.items():
        for answers in found:
            items.setdefault(answers.item, {})[system] = answers
    rows: list[dict[str, Any]] = []
    for item, systems in items.items():
        if len(systems) < 2:
            continue
        measured = {
            system: {
                result.metric: result
                for result in measure(answers, kind, options)
                + extra[system].measurements(answers.prompts)
            }
            for system, answers in systems.items()
        }
        suite = next(iter(systems.values())).suite
        item_plan = replace(plan, seed=plan.seed_of("compare", suite, item))
        rows += [{"suite": suite, "item": item} | row for row in compare_item(measured, item_plan)]
    return rows


def main() -> None:
    """Compares the systems that the command line names."""
    parser = stage_parser("scoring.compare", __doc__)
    parser.add_argument("--prompts", type=Path, required=True, help="folder of SUITE.jsonl")
    parser.add_argument("--outputs", type=Path, required=True, help="folder of SYSTEM/SUITE.jsonl")
    parser.add_argument("--systems", nargs="+", required=True)
    parser.add_argument("--suites", nargs="+", required=True)
    parser.add_argument(
        "--scores", type=Path, help="folder with METRIC/SYSTEM/SUITE.segments.jsonl"
    )
    parser.add_argument("--cache", type=Path, help="default: work/scoring of the study")
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    args = parser.parse_args()
    config = load_settings(args.settings, "study", "suites", "scoring")
    with run_record(args.record, "compare", "comparisons", config.study.name, args.code) as run:
        run.parameters({"scoring": config.scoring.model_dump(mode="json")})
        options = options_of(config, args.cache or default_folder(args.out))
        folders = Folders(args.prompts, args.outputs, args.scores)
        run.input("prompts", args.prompts)
        for system in args.systems:
            run.input(f"outputs/{system}", args.outputs / system)
            for path in folders.segment_folders(system):
                run.input(f"scores/{path.parent.name}/{system}", path)
        rows = [
            row
            for suite in args.suites
            for row in _compare_named(config, suite, args.systems, folders, options)
        ]
        write_json(
            args.out,
            {"schema": 1, "method": method_statement(plan_of(config)), "comparisons": rows},
        )
        significant = sum(row["significant"] for row in rows)
        run.metrics({"comparisons": len(rows), "significant": significant})
        run.output("comparisons", args.out)


def _compare_named(
    config: StudyConfig, suite: str, systems: list[str], folders: Folders, options: Options
) -> list[dict[str, Any]]:
    """Reads a suite's prompts, hypotheses and further segment scores, and compares them."""
    kind = suite_kind(config, suite)
    prompts = read_prompts(folders.prompts / f"{suite}.jsonl")
    answered = {
        system: read_answers(prompts, folders.outputs / system, system, suite) for system in systems
    }
    extra = {
        system: read_segment_scores(folders.segment_files(system, suite)) for system in systems
    }
    return compare_suite(answered, kind, options, plan_of(config), extra)


if __name__ == "__main__":
    run_program(main)
