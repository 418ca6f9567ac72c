"""Multiple-choice suites: the harness's marks, with what guessing would give; of NLI also F1.
lm-evaluation-harness has marked every question (``SUITE.marks.jsonl`` beside the chosen answers):
``acc`` takes the most likely choice, ``acc_norm`` divides each likelihood by the choice's length
first. A question of k choices is guessed right once in k times; questions may differ in k."""

from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json, read_jsonl
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, macro_f1, rate

NAMES = {"acc": "accuracy", "acc_norm": "accuracy-norm", "acc_bytes": "accuracy-bytes"}
"""The harness's names of marks to this project's; others keep theirs."""


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns every mark's share in per cent, with the chance level of the item's questions
    (``StudyError`` if one has no marks, or others than the rest)."""
    marks = _marks(answers.path.with_name(f"{answers.suite}.marks.jsonl"))
    guessed = 0.0
    for index, prompt in enumerate(answers.prompts):
        if not marks.get(prompt.id):
            raise StudyError("the question has no marks", where=answers.where(index))
        choices = prompt.meta.get("choices")
        if not isinstance(choices, list) or not choices:
            raise StudyError("the prompt's meta names no choices", where=answers.where(index))
        guessed += 1 / len(choices)
    found = [marks[prompt.id] for prompt in answers.prompts]
    names = list(found[0])
    if any(list(row) != names for row in found):
        raise StudyError("the questions of one item have different marks", where=answers.path)
    declared = read_json(answers.path.with_name("system.json"))["signatures"]
    signature = declared[answers.suite][answers.item]
    chance = 100 * guessed / len(found)
    results = []
    for name in names:
        values = [row[name] for row in found]
        note = f"{sum(values):g}/{len(values)} right, guessing gives {chance:.1f} %"
        metric = NAMES.get(name, name.replace("_", "-"))
        mark = rate(metric, f"{signature}|{name}", values, note=note)
        results.append(replace(mark, chance=chance))
    return results


@lru_cache(maxsize=4)
def _marks(path: Path) -> dict[str, dict[str, float]]:
    """Reads a suite's marks once for all its items: prompt id to mark to value."""
    try:
        return {row["id"]: row["metrics"] for row in read_jsonl(path)}
    except (KeyError, TypeError) as error:
        raise StudyError("a row has the fields id and metrics", where=path) from error


def measure_nli(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the marks, then ``macro-f1`` over the labels that are right for some question or were
    answered (``StudyError`` as for other suites). A category may have one right label in all its
    rows, which a constant answer meets. F1 of each label, averaged over all labels, gives that
    answer at most a third: over all categories together (the pooled item ``all``), for in such a
    category alone it says no more than accuracy."""
    marks = measure(answers, options)
    labels = answers.prompts[0].meta["choices"]
    gold = np.array([prompt.meta["gold"] for prompt in answers.prompts])
    given = np.array([labels.index(text) for text in answers.last_turns()])
    known = np.eye(len(labels))
    # Columns: a label's hits, then how often it is right and how often given, for all labels.
    statistics = np.hstack([known[gold] * known[given], known[gold], known[given]])
    left = answers.prompts[0].meta["unlabelled"]
    note = f"{left} rows of the file have no label and are left out" if left else ""
    signature = marks[0].signature.rpartition("|")[0] + "|macro-f1"
    alone = np.full(len(gold), np.nan)
    return [*marks, Measurement("macro-f1", signature, statistics, macro_f1, alone, note)]
