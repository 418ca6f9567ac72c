"""Self-instruct: the teacher writes new instructions after examples, and answers them. After Wang
et al. 2023 (arXiv 2212.10560) and PolyLM (arXiv 2307.06018). Examples are upstream questions and
what was written before. A new instruction's ROUGE-L with each of them is below ``most_alike``; it
and its answer are in the language asked for, as the off-target rate sees it."""

from collections import Counter
from functools import cache, lru_cache, partial
from itertools import islice
from random import Random
from types import SimpleNamespace
from typing import Any

from bayling_study.core import languages
from bayling_study.core.tables import beside
from bayling_study.core.text.words import QUOTES, words
from bayling_study.shared.interactive.dialogue import choose
from bayling_study.shared.metrics.identification import is_off, votes
from bayling_study.stages.synthesis.registry import Workshop, recipe
from bayling_study.stages.synthesis.teacher import TeacherQuestion
from bayling_study.stages.synthesis.types import Instruction

UPSTREAM, MOST, LONGEST = "upstream", 175, 400
"""Sort of the examples, their number (self-instruct's) and the most characters of one."""
SHOWN, AGAIN = 3, 2
"""Examples that a request shows, and instructions kept before in the same language (PolyLM's)."""
REQUEST: str = beside(__file__)


@recipe("self-instruct", directed=False, taught=True, batch=32)
def self_instruct(workshop: Workshop, direction: str, rng: Random) -> TeacherQuestion | None:
    """A request for a new instruction; nothing where too few upstream questions are left."""
    kept = workshop.kept
    if not kept[UPSTREAM]:
        pairs = ((m, row["source"]) for row in workshop.general for m in row["messages"][:2])
        users = ((m["content"], source) for m, source in pairs if m["role"] == "user")
        kept[UPSTREAM].update(islice((u for u in users if len(u[0]) <= LONGEST), MOST))
    if len(kept[UPSTREAM]) < SHOWN:
        return None
    language = choose(workshop.mixture.self_instruct.languages, rng)
    shown, before = rng.sample([*kept[UPSTREAM]], SHOWN), [*kept[language]]
    shown += rng.sample(before, min(AGAIN, len(before)))
    text = REQUEST.format("\n\n- ".join(shown), languages.name(language))
    messages = [{"role": "user", "content": text}]
    return TeacherQuestion(messages, partial(_written, workshop, language))


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
    workshop.kept[language][text] = ""
    messages = [{"role": "user", "content": text}]
    return TeacherQuestion(messages, partial(_answered, workshop, language, messages))


def _answered(
    workshop: Workshop, language: str, asked: list[dict[str, str]], answer: str
) -> Instruction | str:
    """Returns the conversation, or what is wrong with the answer."""
    if not answer:
        return "an empty answer"
    if is_off(votes([answer], language))[0]:
        return "an answer in another language"
    source = "+".join(sorted({*workshop.kept[UPSTREAM].values()}))
    messages = [*asked, {"role": "assistant", "content": answer}]
    return Instruction("self-instruct", source, "", [language], messages)


def alike(text: str, other: str, most: float) -> bool:
    """Tells whether the ROUGE-L (F1, case ignored) of two texts is at least ``most``. Words are
    those of ``core.text.words``: in a script without spaces each character is one."""
    one, two = _words(text), _words(other)
    common = (Counter(one) & Counter(two)).total()  # no common subsequence is longer
    if 2 * common < most * (len(one) + len(two)):
        return False
    return bool(_rouge().score(text, other)["rougeL"].fmeasure >= most)


_words = lru_cache(1 << 16)(lambda text: words(text.lower()))


@cache
def _rouge() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # takes seconds

    return RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=_words))
