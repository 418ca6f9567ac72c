"""Reading what a system answered, item by item, and measuring it by the suite's kind."""

from dataclasses import replace
from itertools import product
from pathlib import Path

from bayling_study.config import StudyConfig
from bayling_study.config.multiple_choice import MULTIPLE_CHOICE_KINDS
from bayling_study.config.suites import JudgedSuite, Suite
from bayling_study.core import records
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import look_up
from bayling_study.core.records import Prompt, by_item, check_owner, items_present, read_hypotheses
from bayling_study.shared.metrics import (
    exams,
    instructions,
    interactive,
    multiple_choice,
    translation,
    win_rates,
)
from bayling_study.shared.metrics.cache import StatisticsCache
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, is_measured
from bayling_study.shared.metrics.one_form import is_released
from bayling_study.shared.metrics.resampling import Resampling
from bayling_study.shared.review_prompts import ORDERS, review_id
from bayling_study.shared.sources.fetched import files_root

MEASURES = {
    **dict.fromkeys(("translation", "wmt22", "file"), translation.measure),
    "flores": translation.measure_flores,
    "constrained": translation.measure_constrained,
    "exams": exams.measure,
    "reviews": win_rates.measure,
    "judged": win_rates.measure_judged,
    "interactive": interactive.measure,
    "instructions": instructions.measure,
    **dict.fromkeys(("harness", "questions"), multiple_choice.measure),
    "nli": multiple_choice.measure_nli,
}
"""Kind of suite to the function that measures one item of it."""


def options_of(config: StudyConfig, cache: Path | None, spm: Path | None = None) -> Options:
    """Returns the scorers' options; ``cache`` keeps statistics, ``spm`` is spBLEU's download."""
    scoring = config.scoring
    tokenizers: dict[str, list[str]] = {code: [*own] for code, own in scoring.tokenizers.items()}
    model = None if spm is None else files_root(spm) / translation.MODEL
    known = StatisticsCache(cache), scoring.off_target, model, tuple(scoring.metrics)
    return Options(tokenizers, *known)


def plan_of(config: StudyConfig) -> Resampling:
    """Returns the resampling plan from the configuration."""
    bootstrap = config.scoring.bootstrap
    return Resampling(bootstrap.samples, bootstrap.confidence, config.study.seed)


def suite_kind(config: StudyConfig, suite: str) -> str:
    """Returns a suite's kind (``StudyError`` if there is no such suite, or nothing measures it)."""
    kind = look_up("suite", suite, config.suites, "suites").kind
    if kind not in MEASURES:
        raise StudyError(f"no scorer measures suites of kind {kind!r}", where=f"suites.{suite}")
    return kind


def answer_folder(
    kind: str, suite: str, generation: Path, harness: Path | None, judging: Path | None
) -> Path | None:
    """Returns that of a system's folders which holds what is scored in a suite of a kind, if any:
    none for multiple choice of published systems, nor for a judge's baseline against itself."""
    if kind == "judged":
        return judging if judging and (judging / f"{suite}.jsonl").exists() else None
    return harness if kind in MULTIPLE_CHOICE_KINDS else generation


def scored_prompts(suite: Suite, path: Path) -> list[Prompt]:
    """Reads what a suite's scorer reads answers to: the prompts, or the reviews of a judge, whose
    ids are the questions' with ``/1`` where the system was shown first and ``/2`` where second."""
    prompts = records.read_prompts(path)
    if not isinstance(suite, JudgedSuite):
        return prompts
    names = {"judge": suite.judge, "baseline": suite.baseline}
    reviews = []
    for prompt, swapped in product(prompts, ORDERS):
        meta = {**prompt.meta, **names, "question_id": prompt.id, "swapped": swapped}
        name = review_id(prompt.id, swapped)
        reviews.append(replace(prompt, id=name, turns=prompt.turns[:1], meta=meta))
    return reviews


def read_answers(prompts: list[Prompt], outputs: Path, system: str, suite: str) -> list[Answers]:
    """Returns a system's answers to those items of a suite that it has, in prompt order.
    ``outputs`` is the system's folder, with ``SUITE.jsonl`` and ``system.json``. A ``StudyError``
    names the file if an item lacks a prompt, an id is unknown or repeated, or the answers are of
    another system."""
    check_owner(outputs, system)
    path = outputs / f"{suite}.jsonl"
    present = items_present(outputs, suite, prompts)
    asked = [prompt for prompt in prompts if prompt.item in present]
    found = {row.id: row for row in read_hypotheses(path, asked)} if asked else {}
    released = is_released(outputs)
    return [
        Answers(suite, item, system, path, members, [found[p.id] for p in members], released)
        for item, members in by_item(asked).items()
    ]


def measure(answers: Answers, kind: str, options: Options) -> list[Measurement]:
    """Returns all measurements of one item; what had nothing to measure is absent, not zero."""
    return [found for found in MEASURES[kind](answers, options) if is_measured(found)]
