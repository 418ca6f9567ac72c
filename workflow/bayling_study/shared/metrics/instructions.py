"""Instruction following over turns, as Multi-IF scores it (arXiv 2410.15553). A turn's score is the
mean of four rates: of prompts all of whose instructions are followed, and of instructions, each for
the answer as it is (strict) and for its better form (loose). A conversation that ends earlier is
left out of the later turns."""

import numpy as np

from bayling_study.core.errors import StudyError
from bayling_study.core.records import Hypothesis, Prompt
from bayling_study.shared.metrics.instruction_checks import follows, variants
from bayling_study.shared.metrics.measurement import (
    Answers,
    Array,
    Measurement,
    Options,
    quotient,
    rate,
)

SIGNATURE = "multi-if|words:nltk-3.10|sentences:punkt-untrained|language:langdetect-0|version:1"
COLUMNS = 6  # of one turn: prompts followed strictly, loosely, and all; then so the instructions


def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns ``multi-if`` (the mean over turns), that of each turn, and the shares of instructions
    followed strictly and loosely in all turns (``StudyError`` if a prompt has no instructions)."""
    turns = max(len(prompt.turns) for prompt in answers.prompts)
    marks = np.zeros((len(answers.prompts), turns, COLUMNS))
    for index, prompt in enumerate(answers.prompts):
        if len(prompt.meta.get("instructions", [])) != len(prompt.turns):
            raise StudyError("the prompt's meta names no instructions", where=answers.where(index))
        marks[index, : len(prompt.turns)] = _marks(prompt, answers.hypotheses[index])
    sums = marks.sum(axis=1)
    parts = {"multi-if": marks.reshape(len(marks), -1)}
    parts |= {f"multi-if.turn-{n}": one for n, one in enumerate(marks.swapaxes(0, 1), start=1)}
    return [
        *(
            Measurement(name, SIGNATURE, part, mean_of_turns, mean_of_turns(part))
            for name, part in parts.items()
        ),
        rate("followed-strict", SIGNATURE, sums[:, 3], sums[:, 5], _note(sums, 3)),
        rate("followed-loose", SIGNATURE, sums[:, 4], sums[:, 5], _note(sums, 4)),
    ]


def _marks(prompt: Prompt, hypothesis: Hypothesis) -> list[list[float]]:
    rows = []
    for asked, answer in zip(prompt.meta["instructions"], hypothesis.turns, strict=True):
        forms = variants(answer)
        strict = [bool(answer) and follows(one["id"], answer, one["arguments"]) for one in asked]
        loose = [any(follows(one["id"], form, one["arguments"]) for form in forms) for one in asked]
        rows.append([all(strict), all(loose), 1.0, sum(strict), sum(loose), len(asked)])
    return rows


def _note(sums: Array, column: int) -> str:
    return f"{int(sums[:, column].sum())}/{int(sums[:, 5].sum())} instructions"


def mean_of_turns(sums: Array) -> Array:
    """Combines sums of all turns' columns into the mean of the turns' scores, 0 to 100; a turn
    that no conversation has is left out."""
    by_turn = np.asarray(sums, dtype=np.float64).reshape(*np.shape(sums)[:-1], -1, 2, 3)
    rates = quotient(by_turn[..., :2], by_turn[..., 2:], 100.0, np.nan).mean(axis=(-1, -2))
    seen = by_turn[..., 0, 2] > 0
    return quotient(np.where(seen, rates, 0.0).sum(axis=-1), seen.sum(axis=-1), empty=np.nan)
