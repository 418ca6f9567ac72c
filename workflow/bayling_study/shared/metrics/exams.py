"""AGIEval exams: reading the chosen answer and counting the right ones.

Three rules, found by search as the authors' script is not released; they give 107 of BayLing's 108
published cells (the other does not follow from its released file, see ``config/published.tsv``): of
one choice, the first letter A to F once "Answer" and "Choice" are deleted; of several choices
(physics), all letters A to F as a set; of cloze tests (mathematics), see ``math_answers``.

A study's own systems get, beside these, the accuracy by the letters that an answer states
(``stated_letters``): the released rule reads the F of "Final answer: D". Beside the accuracy stand
the share of answers that could not be read, and the gold ceiling: the accuracy when each gold
answer itself is given as the output.
"""

import re
from collections.abc import Callable
from operator import eq
from typing import NamedTuple

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics.math_answers import equivalent, final_answer
from bayling_study.shared.metrics.measurement import Answers, Measurement, Options, rate
from bayling_study.shared.metrics.one_form import one_form
from bayling_study.shared.metrics.stated_letters import stated_letters

LETTERS = re.compile("[A-F]")
TEMPLATE_WORDS = ("Answer", "Choice")


class Rule(NamedTuple):
    """How a kind of exam is marked: its name in every score, what finds the answer in an output
    (or none), and what compares that with the gold answer."""

    signature: str
    extract: Callable[[str], str | None]
    right: Callable[[str, str], bool]

    def mark(self, answer: str | None, gold: str) -> float:
        """Returns 1 for a right answer; one that could not be read is wrong."""
        return float(answer is not None and self.right(answer, gold))


def first_letter(text: str) -> str | None:
    """Returns the first letter A to F once the template's own words are deleted."""
    for word in TEMPLATE_WORDS:
        text = text.replace(word, "")
    found = LETTERS.search(text)
    return found[0] if found else None


def letter_set(text: str) -> str | None:
    """Returns all letters A to F of a text, sorted and once each."""
    return "".join(sorted(set(LETTERS.findall(text)))) or None


RULES = {
    "single": Rule("exam|rule:first-letter|drop:Answer,Choice|version:1", first_letter, eq),
    "set": Rule("exam|rule:letter-set|version:1", letter_set, lambda a, key: a == letter_set(key)),
    "math": Rule("exam|rule:math-equivalence|version:1", final_answer, equivalent),
}
"""A prompt's ``meta["answer_rule"]`` to the rule."""
STATED = Rule("exam|rule:stated-letters|version:1", stated_letters, RULES["set"].right)


@one_form
def measure(answers: Answers, options: Options) -> list[Measurement]:
    """Returns accuracy, the unparseable share and the gold ceiling of one exam, in per cent, of a
    study's own systems also by stated letters (``accuracy-stated``, ``unparseable-stated``). A
    prompt without a gold answer, and an unknown answer rule, are a ``StudyError``."""
    rule = _rule(answers)
    gold = [_gold(answers, index) for index in range(len(answers.prompts))]
    ceiling = [rule.mark(rule.extract(key), key) for key in gold]
    note = f"{int(sum(ceiling))}/{len(gold)}"
    found = [*_rates(answers, rule, gold), rate("gold-ceiling", rule.signature, ceiling, note=note)]
    own = not answers.released and rule is not RULES["math"]
    return [*found, *_rates(answers, STATED, gold, "-stated")] if own else found


def _rates(answers: Answers, rule: Rule, gold: list[str], suffix: str = "") -> list[Measurement]:
    """Returns accuracy and the unparseable share by one rule."""
    given = [rule.extract(text) for text in answers.last_turns()]
    right = [rule.mark(answer, key) for answer, key in zip(given, gold, strict=True)]
    unread = [float(answer is None) for answer in given]
    notes = f"{int(sum(right))}/{len(right)} right", f"{int(sum(unread))} answers"
    return [
        rate(f"accuracy{suffix}", rule.signature, right, note=notes[0]),
        rate(f"unparseable{suffix}", rule.signature, unread, note=notes[1]),
    ]


def _rule(answers: Answers) -> Rule:
    """Returns the rule that all questions of an exam name."""
    names = {prompt.meta.get("answer_rule") for prompt in answers.prompts}
    name = names.pop()
    if names or name not in RULES:
        what = f"the answer rule of {answers.item!r} is {name!r}"
        fix = f"one of: {', '.join(RULES)}, the same for all questions of an exam"
        raise StudyError(what, where=answers.where(0), fix=fix)
    return RULES[name]


def _gold(answers: Answers, index: int) -> str:
    references = answers.prompts[index].references
    if not references or not references[-1].strip():
        raise StudyError("the question has no gold answer", where=answers.where(index))
    return references[-1]
