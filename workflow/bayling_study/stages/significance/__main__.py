"""Tests the difference of every pair of systems on every item, and says which are significant.

Writes ``{"schema": 1, "method": {…}, "comparisons": […]}``. A comparison has ``suite, item, metric,
signature, system_a, system_b, value_a, value_b, n``, the ``difference`` (a minus b) with its
interval ``low, high``, the p-values ``bootstrap`` and ``randomisation``, the number of ``samples``
behind them, the same ``…_adjusted`` for the family, and ``p_adjusted``, the larger of those two.

Tested is what the report's tables show (``families``), on items, on averages over them, and of
COMET's segment scores (``--comet``) the means. ``q_table`` corrects for the many items of a suite;
``significant`` means that both are below the level. ``samples`` of the configuration are a minimum:
a suite gets as many as it takes to mark a single difference.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any, NamedTuple

from bayling_study.config import load_settings
from bayling_study.core import cli
from bayling_study.core.files import write_json
from bayling_study.core.progress import Progress
from bayling_study.shared.metrics import answers
from bayling_study.shared.metrics.aggregates import mean_groups
from bayling_study.shared.metrics.cache import default_folder
from bayling_study.shared.metrics.measurement import Answers, Options
from bayling_study.shared.metrics.measures import is_averaged
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.shared.metrics.segment_scores import SegmentScores, means, read_segment_scores
from bayling_study.shared.tracking.record import run_record
from bayling_study.stages.significance import families
from bayling_study.stages.significance.families import Pair, Shown
from bayling_study.stages.significance.pairs import Average, PairTest, item_tests


class Inputs(NamedTuple):
    """Where a comparison reads: prompts, answers by system, and COMET's segment scores."""

    prompts: Path
    generation: Path
    comet: Path | None
    harness: Path | None = None
    judging: Path | None = None

    @classmethod
    def of_study(cls, study: Path) -> "Inputs":
        """Returns a study's own folders."""
        folders = ("prompts", "generation", "comet/score", "harness", "judging")
        return cls(*(study / name for name in folders))

    def answers(self, kind: str, suite: str, systems: list[str]) -> dict[str, Path]:
        """Returns the folder of each system's answers to a suite, where it has them."""
        found: dict[str, Path] = {}
        for system in systems:
            more = [place / system if place else None for place in (self.harness, self.judging)]
            there = [folder if folder and folder.exists() else None for folder in more]
            if folder := answers.answer_folder(kind, suite, self.generation / system, *there):
                found[system] = folder
        return found

    def segment_scores(self, system: str, suite: str) -> SegmentScores:
        """Returns COMET's segment scores of a system; none where there are none."""
        folders = [self.comet / system] if self.comet else []
        return read_segment_scores(folder / f"{suite}.segments.jsonl" for folder in folders)


def compare_suite(
    answered: dict[str, list[Answers]],
    kind: str,
    options: Options,
    plan: Resampling,
    extra: dict[str, SegmentScores],
    groups: Mapping[str, list[str]],
    shown: Shown,
) -> list[dict[str, Any]]:
    """Tests the pairs of systems that are shown on every item of a suite, and on averages.
    ``answered`` are each system's items, ``extra`` its further segment scores (COMET). ``groups``
    are averages with their items; one is compared where all its items are. ``shown`` has the pairs
    to compare and how they are corrected; with ``plan`` each item gets a seed of its own."""
    items: dict[str, dict[str, Answers]] = {}
    for system, own in ((name, one) for name, every in answered.items() for one in every):
        items.setdefault(own.item, {})[system] = own
    plan = shown.enough(plan, items.values())
    sums = {name: Average() for name in groups}
    rows: list[dict[str, Any]] = []
    suite = next((one.suite for every in answered.values() for one in every), "")
    for item, systems in Progress(f"comparing {suite}", unit="items", over=items.items()):
        if not (pairs := shown.pairs(systems)):
            continue
        item_plan = replace(plan, seed=plan.seed_of("compare", suite, item))
        made: list[PairTest] = []
        for part in _on_shared_segments(systems, pairs):
            found = {
                name: answers.measure(own, kind, options) + means(extra[name], own.prompts)
                for name, own in part.items()
            }
            measured = {name: {one.metric: one for one in own} for name, own in found.items()}
            made += item_tests(measured, item_plan, [p for p in pairs if {*p} <= {*part}])
        compared = families.corrected(made, item_plan, shown)
        rows += [{"suite": suite, "item": item} | row for row in compared]
        for name in (name for name, members in groups.items() if item in members):
            sums[name].add([test for test in made if is_averaged(test.metric)])
    return families.correct_table(rows, plan) + [
        {"suite": suite, "item": name} | row
        for name, average in sums.items()
        if average.items == len(groups[name])  # all items were compared
        for row in families.corrected(average.tests(), plan, shown)
    ]


def _on_shared_segments(
    systems: dict[str, Answers], pairs: Collection[Pair]
) -> list[dict[str, Answers]]:
    """Returns the systems to compare with each other, each time on the same segments: those that
    answered the same stay together, whole; any other two are cut to what both have, if anything."""
    alike: dict[tuple[str, ...], dict[str, Answers]] = {}
    for system, own in systems.items():
        alike.setdefault(tuple(prompt.id for prompt in own.prompts), {})[system] = own
    parts = [part for part in alike.values() if any({*pair} <= {*part} for pair in pairs)]
    for (ids, some), (others, more) in combinations(alike.items(), 2):
        if shared := set(ids) & set(others):
            parts += [
                {name: systems[name].only(shared) for name in systems if name in (one, other)}
                for one, other in product(some, more)
                if (one, other) in pairs or (other, one) in pairs
            ]
    return parts


COMMAND_LINE = cli.command(
    __name__,
    **cli.STAGE,
    prompts=cli.PROMPTS,
    generation=cli.GENERATION,
    systems=cli.option("names of systems in the config", required=True, nargs="+"),
    suites=cli.SUITES,
    bases=cli.option("systems in another form", nargs="*", default=[], metavar="SYSTEM=BASE"),
    comet=cli.path("folder of SYSTEM/SUITE.segments.jsonl", required=False),
    harness=cli.path("folder of SYSTEM with multiple-choice answers", required=False),
    judging=cli.path("folder of SYSTEM with a judge's reviews", required=False),
    spm=cli.path("download of spBLEU's model", required=False),
    cache=cli.path("default: work/scoring of the study", required=False),
    out=cli.path("JSON file to write"),
)


def main() -> None:
    """Compares the systems that the command line names."""
    args = COMMAND_LINE.parse_args()
    config = load_settings(args.settings, "study", "suites", "scoring", "report")
    study = config.study.name
    with run_record(args.record, "significance", "significance", study, args.code) as run:
        run.parameters({"scoring": config.scoring.model_dump(mode="json")})
        options = answers.options_of(config, args.cache or default_folder(args.out), args.spm)
        folders = Inputs(args.prompts, args.generation, args.comet, args.harness, args.judging)
        run.input("prompts", args.prompts)
        for system in args.systems:
            run.input(f"generation/{system}", args.generation / system)
            if args.comet and (args.comet / system).is_dir():
                run.input(f"comet/score/{system}", args.comet / system)
        bases = dict(pair.split("=", 1) for pair in args.bases)
        shown = Shown(config.report.baseline or args.systems[0], bases)
        plan = answers.plan_of(config)
        rows: list[dict[str, Any]] = []
        for suite in args.suites:
            kind, section = answers.suite_kind(config, suite), config.suites[suite]
            prompts = answers.scored_prompts(section, args.prompts / f"{suite}.jsonl")
            answered = {
                system: answers.read_answers(prompts, folder, system, suite)
                for system, folder in folders.answers(kind, suite, args.systems).items()
            }
            extra = {system: folders.segment_scores(system, suite) for system in answered}
            groups = mean_groups(section, prompts)
            rows += compare_suite(answered, kind, options, plan, extra, groups, shown)
        method = families.method_statement(plan, shown)
        write_json(args.out, {"schema": 1, "method": method, "comparisons": rows})
        significant = sum(row["significant"] for row in rows)
        run.metrics({"comparisons": len(rows), "significant": significant})
        run.output("comparisons", args.out)


if __name__ == "__main__":
    cli.run_program(main)
