"""Whether an answer follows an instruction that a program can check: the 25 kinds of Multi-IF.

Ids and arguments are IFEval's (arXiv 2311.07911) as Multi-IF reads them in eight languages (arXiv
2410.15553; facebookresearch/Multi-IF, ``ifeval.py``). Scores compare with others' only where the
odd cases are the same, so these are kept: a forbidden word is sought between word boundaries, which
no word within Chinese text has; only the ASCII comma is a comma; a keyword is a regular expression.
Three things differ, as upstream's cannot be repeated: a keyword that is no expression is sought as
text (there: an exception), a letter outside a to z is counted (there: a random one instead), and
sentences are split by nltk's Punkt without the abbreviations of a model that it would download.
"""

import json
import operator
import re
from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

import regex
from langdetect import DetectorFactory, LangDetectException, detect

OPTIONS = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
"""The three answers of ``constrained_response`` (IFEval)."""
CHINESE = ("zh", "zh-cn", "zh-tw", "ja")
"""Languages whose words and sentences are counted by characters (``langdetect``'s codes)."""
COUNTED_ALONE = (
    r"[\u4E00-\u9FFF\u3400-\u4DBF\u3040-\u30ff\uAC00-\uD7AF]|\p{Extended_Pictographic}\p{M}*"
)
NO_WORDS = r"""[\\.!?．/_,{}<>:;$%^&*(+"'—！，。？、`~@#￥…（）：；《》“”()\[\]»〔〕\-「」]+"""
BULLETS = (r"(?m)^\s*\*[^*].*$", r"(?m)^\s*-.*$")
COMPARED = {"less than": operator.lt, "at least": operator.ge}
DetectorFactory.seed = 0  # unseeded, langdetect calls "Hello world" Dutch in two of three calls


def follows(instruction: str, answer: str, arguments: dict[str, Any]) -> bool:
    """Tells whether an answer follows an instruction of an id in ``CHECKS``."""
    return bool(CHECKS[instruction](answer, **arguments))


def variants(answer: str) -> list[str]:
    """Returns the texts of which one must follow for the loose mark: the answer without its first
    or last line or both, each with and without asterisks (IFEval)."""
    lines = answer.split("\n")
    cut = [lines, lines[1:], lines[:-1], lines[1:-1]]
    texts = [answer, *("\n".join(part).strip() for part in cut[1:])]
    return [form for text in texts for form in (text, text.replace("*", "")) if form.strip()]


@lru_cache(1 << 12)  # asked for each form and instruction of an answer
def _language(text: str) -> str | None:
    try:
        return str(detect(text))
    except LangDetectException:  # nothing in it but marks and digits
        return None


def _pattern(keyword: str) -> str:
    try:
        re.compile(keyword)
    except re.error:
        return re.escape(keyword)
    return keyword


def _found(keyword: str, text: str, around: str = "{}") -> int:
    return len(re.findall(around.format(_pattern(keyword)), text, re.IGNORECASE))


@cache
def _punkt() -> Any:
    from nltk.tokenize.punkt import PunktSentenceTokenizer  # late: it takes a second

    return PunktSentenceTokenizer()


def _sentences(text: str) -> int:
    language = _language(text)
    if language == "hi":
        return sum(bool(part.strip()) for part in re.split(r"(?<=[।!?])\s*", text))
    if language in CHINESE:
        return len(re.findall(r"[^!?。.！？．\n]+", "\n".join(map(str.strip, text.splitlines()))))
    return len(_punkt().tokenize(text))


def _words(text: str) -> int:
    if _language(text) not in CHINESE:
        return len(regex.findall(r"\w+", text))  # as nltk 3.10, with vowel signs
    return len(regex.sub(COUNTED_ALONE, " x ", regex.sub(NO_WORDS, "", text)).split())


def _capitals(text: str) -> int:
    from nltk.tokenize import NLTKWordTokenizer

    tokens = NLTKWordTokenizer().tokenize
    return sum(word.isupper() for line in _punkt().tokenize(text) for word in tokens(line))


def _in_english(text: str, case: Callable[[str], bool]) -> bool:
    return case(text) and _language(text) in ("en", None)


def _paragraphs(text: str, num_paragraphs: int) -> bool:
    """Parted by ``***``; only the first and the last may be empty, and do not count."""
    first, *rest = re.split(r"\s?\*\*\*\s?", text)
    inner = rest[:-1]
    full = [part for part in (first, *rest) if part.strip()]
    return all(part.strip() for part in inner) and len(full) == num_paragraphs


def _nth_paragraph(text: str, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    parts = text.split("\n\n")
    full = sum(bool(part.strip()) for part in parts)
    words = parts[nth_paragraph - 1].split() if nth_paragraph <= full else []
    word = words[0].lstrip("'").lstrip('"') if words else ""
    given = re.split(r"[.,?!'\"]", word)[0].lower()
    return bool(words) and full == num_paragraphs and given == first_word.lower()


def _highlights(text: str, num_highlights: int) -> bool:
    single = [part.strip("*") for part in re.findall(r"\*[^\n*]*\*", text)]
    double = [part[2:-2] for part in re.findall(r"\*\*[^\n*]*\*\*", text)]
    return sum(bool(part.strip()) for part in [*single, *double]) >= num_highlights


def _postscript(text: str, postscript_marker: str) -> bool:
    marker = postscript_marker.strip()
    known = {"P.P.S": r"p\.\s?p\.\s?s", "P.S.": r"p\.\s?s\."}
    return bool(re.search(known.get(marker, _pattern(marker.lower())), text.lower()))


def _json(text: str) -> bool:
    text = text.strip()
    for fence in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(fence)
    try:
        json.loads(text.removesuffix("```"))
    except ValueError:
        return False
    return True


def _two_responses(text: str) -> bool:
    first, *rest = (part.strip() for part in text.split("******"))
    full = [part for part in (first, *rest) if part]
    return all(rest[:-1]) and len(full) == 2 and full[0] != full[1]


def _quoted(text: str) -> bool:
    text = text.strip()
    return len(text) > 1 and text[0] + text[-1] in ('""', "“”", "「」")


CHECKS: dict[str, Callable[..., bool]] = {
    "keywords:existence": lambda text, keywords: all(_found(word, text) for word in keywords),
    "keywords:frequency": lambda text, keyword, frequency, relation: COMPARED[relation](
        _found(keyword.strip(), text), frequency
    ),
    "keywords:forbidden_words": lambda text, forbidden_words: (
        not any(_found(word, text, r"\b{}\b") for word in forbidden_words)
    ),
    "keywords:letter_frequency": lambda text, letter, let_frequency, let_relation: COMPARED[
        let_relation
    ](Counter(text.lower())[letter.strip().lower()], let_frequency),
    "language:response_language": lambda text, language: _language(text) in (language, None),
    "length_constraints:number_sentences": lambda text, num_sentences, relation: COMPARED[relation](
        _sentences(text), num_sentences
    ),
    "length_constraints:number_words": lambda text, num_words, relation: COMPARED[relation](
        _words(text), num_words
    ),
    "length_constraints:number_paragraphs": _paragraphs,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph,
    "detectable_content:number_placeholders": lambda text, num_placeholders: (
        len(re.findall(r"\[.*?\]", text)) >= num_placeholders
    ),
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": lambda text, num_bullets: (
        sum(len(re.findall(mark, text)) for mark in BULLETS) == num_bullets
    ),
    "detectable_format:constrained_response": lambda text: any(one in text for one in OPTIONS),
    "detectable_format:number_highlighted_sections": _highlights,
    "detectable_format:multiple_sections": lambda text, section_spliter, num_sections: (
        len(re.findall(rf"{_pattern(section_spliter.strip())}\s?\d+", text)) >= num_sections
    ),
    "detectable_format:json_format": _json,
    "detectable_format:title": lambda text: any(
        title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", text)
    ),
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": lambda text, prompt_to_repeat: (
        text.strip().lower().startswith(prompt_to_repeat.strip().lower())
    ),
    "startend:end_checker": lambda text, end_phrase: (
        text.strip().strip('"').lower().endswith(end_phrase.strip().lower())
    ),
    "startend:quotation": _quoted,
    "change_case:capital_word_frequency": lambda text, capital_frequency, capital_relation: (
        COMPARED[capital_relation](_capitals(text), capital_frequency)
    ),
    "change_case:english_capital": lambda text: _in_english(text, str.isupper),
    "change_case:english_lowercase": lambda text: _in_english(text, str.islower),
    "punctuation:no_comma": lambda text: "," not in text,
}
"""Instruction's id to its check: the answer, and the arguments by upstream's names."""
