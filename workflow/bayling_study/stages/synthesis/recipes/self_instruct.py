"""Self-instruct: the teacher writes new instructions after examples, and answers them.

After Wang et al. 2023 (arXiv 2212.10560) and PolyLM's MultiAlpaca (arXiv 2307.06018). The examples
are upstream questions and instructions that were written before. A new one is kept if its ROUGE-L
with each example and each one kept is below ``self_instruct.most_alike``; it and its answer must
be in the language asked for, as the off-target rate identifies it. What fails is counted by reason.
"""

from collections import Counter
from functools import cache, lru_cache, partial
from itertools import islice
from random import Random
from typing import Any

from bayling_study.core import languages
from bayling_study.core.text.words import QUOTES, words
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.metrics.identification import is_off, votes
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.teacher import TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction

EXAMPLES = 175
"""Upstream questions that serve as examples (as many seed tasks as self-instruct has)."""
LONGEST = 400
"""Characters of the longest example, so that a small model's context holds five."""
SHOWN, SHOWN_AGAIN = 3, 2
"""Examples that one request shows, and instructions written before in the same language."""
EXAMPLE = ""
"""Key of the examples among the texts that are kept; the others are languages."""
REQUEST = (
    "Here are some tasks that people gave to an assistant:\n\n{shown}\n\nWrite one more task, "
    "different from all of these, in {language}. Answer with the text of the task alone."
)


@recipe("self-instruct", directed=False, taught=True, batch=32)
def self_instruct(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a new instruction; nothing where too few upstream questions are left."""
    kept = workshop.kept
    if not kept[EXAMPLE]:
        firsts = (
            (next((m["content"] for m in row["messages"] if m["role"] == "user"), ""), row)
            for row in workshop.general
        )
        for text, row in islice((f for f in firsts if 0 < len(f[0]) <= LONGEST), EXAMPLES):
            kept[EXAMPLE].append(text)
            workshop.sources.add(row["source"])
    if len(kept[EXAMPLE]) < SHOWN:
        return None
    language = choose(workshop.mixture.self_instruct.languages, rng)
    before = kept[language]
    shown = rng.sample(kept[EXAMPLE], SHOWN) + rng.sample(before, min(SHOWN_AGAIN, len(before)))
    listed = "\n\n".join(f"- {text}" for text in shown)
    text = REQUEST.format(shown=listed, language=languages.name(language))
    return TeacherQuestion(
        [{"role": "user", "content": text}], partial(_written, workshop, language)
    )


def _written(workshop: Workshop, language: str, text: str) -> TeacherQuestion | str:
    """Keeps a new instruction and asks for its answer, or says what is wrong with it."""
    most = workshop.mixture.self_instruct.most_alike
    if not words(text):
        return "an empty instruction"
    if (text[0] in QUOTES and text[-1] in QUOTES) or text.startswith(("- ", "* ")):
        return "an instruction in quotation marks or a list"
    if is_off(votes([text], language))[0]:
        return "an instruction in another language"
    if any(alike(text, other, most) for texts in workshop.kept.values() for other in texts):
        return "an instruction like one before"
    workshop.kept[language].append(text)
    return TeacherQuestion(
        [{"role": "user", "content": text}], partial(_answered, workshop, language, text)
    )


def _answered(workshop: Workshop, language: str, text: str, answer: str) -> Instruction | str:
    """Returns the conversation, or what is wrong with the answer."""
    if not answer:
        return "an empty answer"
    if is_off(votes([answer], language))[0]:
        return "an answer in another language"
    turns = (("user", text), ("assistant", answer))
    messages = [{"role": role, "content": content} for role, content in turns]
    source = "+".join(sorted(workshop.sources))
    return Instruction("self-instruct", source, "", [language], messages)


def alike(text: str, other: str, most: float) -> bool:
    """Tells whether the ROUGE-L (F1 over words, case ignored) of two texts is at least ``most``.

    Words are ``core.text.words``: in a script without spaces each character is one.
    """
    one, two = _words(text), _words(other)
    common = (Counter(one) & Counter(two)).total()  # no common subsequence is longer
    if 2 * common < most * (len(one) + len(two)):
        return False
    return bool(_rouge().score(text, other)["rougeL"].fmeasure >= most)


@lru_cache(maxsize=1 << 16)
def _words(text: str) -> list[str]:
    return words(text.lower())


class _Words:
    """What ``rouge_score`` asks for words; its own tokenizer knows ASCII alone."""

    def tokenize(self, text: str) -> list[str]:
        """Returns a text's words."""
        return _words(text)


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer

    return RougeScorer(["rougeL"], tokenizer=_Words())
