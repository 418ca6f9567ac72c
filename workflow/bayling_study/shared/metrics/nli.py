"""Natural language inference: the marks of multiple choice, and the macro-averaged F1 of labels.

A category may have one right label in all its rows, which a constant answer meets. F1 of each
label, averaged over all labels, gives that answer at most a third: over all categories together
(the pooled item ``all``), for in such a category alone it says no more than accuracy.
"""

import numpy as np

from bayling_study.shared.metrics import multiple_choice
from bayling_study.shared.metrics.measurement import Answers, Array, Measurement, Options, quotient


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns the marks, then ``macro-f1`` over the labels that are right for some question or
    were answered (``StudyError`` as for multiple choice)."""
    marks = multiple_choice.measure(answers, options)
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


def macro_f1(sums: Array) -> Array:
    """Combines hits, right and given answers of each label (last axis, three equal blocks) into the
    mean of the labels' F1 in per cent; a label that is neither right nor given does not count."""
    hits, right, given = np.split(np.asarray(sums, dtype=np.float64), 3, axis=-1)
    seen = right + given > 0
    return quotient((quotient(2 * hits, right + given)).sum(axis=-1), seen.sum(axis=-1), 100.0)
