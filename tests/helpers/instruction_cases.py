"""Answers with an instruction each, drawn with a seed, for two checkers to agree on."""

from __future__ import annotations

import importlib.util
import logging
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import nltk
from nltk.tokenize import NLTKWordTokenizer
from nltk.tokenize.punkt import PunktSentenceTokenizer

from bayling_study.shared.metrics.instruction_checks import CHECKS

LINES = [
    *("* one point", "- another point", "Section 1", "SECTION 2", "Раздел 1", "部分 2"),
    *("*highlight*", "**bold**", "***", "******", "<<Title>>", "<< >>", "P.S. more", "p. p. s. x"),
    *("[name] and [town]", "My answer is yes.", "HELLO WORLD AND ALL", "“quoted”", '"All of it"'),
    *("hello world again, friends", "你好，世界。今天天气很好！我们去公园吧。", "「こんにちは」"),
    *("यह एक परीक्षण है। दूसरा वाक्य!", "Bonjour à tous. Comment allez-vous ?", "", "", "```json"),
    *("Это проверка. Вторая фраза!", "First paragraph starts here.", "word, word word. The end"),
    *("That is all", '{"a": 1}', "```", "Dr. Smith went. He saw a river."),
]
RELATIONS = ["less than", "at least"]
Case = tuple[str, str, dict[str, Any]]


def cases(number: int) -> list[Case]:
    """Returns so many cases: the instruction's id, the answer and the arguments."""
    return [_case(sorted(CHECKS)[count % len(CHECKS)], count) for count in range(number)]


def _case(kind: str, count: int) -> Case:
    rng = random.Random(count)
    arguments = _arguments(kind, rng)
    text = "\n".join(rng.choice(LINES) for _ in range(rng.randint(1, 6)))
    form = rng.choice([str, str, str, str.upper, str.lower, lambda text: f'"{text}"'])
    return kind, form(text), arguments


def _arguments(kind: str, rng: random.Random) -> dict[str, Any]:
    few, relation = rng.randint(1, 3), rng.choice(RELATIONS)
    word = rng.choice(["word", "the", "世界", "Это", "points", "a.c"])
    given: dict[str, dict[str, Any]] = {
        "existence": {"keywords": [word, rng.choice(["answer", "hello"])]},
        "frequency": {"keyword": word, "frequency": few, "relation": relation},
        "forbidden_words": {"forbidden_words": [word, "friends"]},
        "letter_frequency": {
            "letter": rng.choice("aeZ"),
            "let_frequency": few * 4,
            "let_relation": relation,
        },
        "response_language": {"language": rng.choice(["en", "fr", "ru", "hi"])},
        "number_sentences": {"num_sentences": few + 1, "relation": relation},
        "number_words": {"num_words": few * 6, "relation": relation},
        "number_paragraphs": {"num_paragraphs": few},
        "nth_paragraph_first_word": {
            "num_paragraphs": few,
            "nth_paragraph": 1,
            "first_word": rng.choice(["first", "Word", "hello", "that"]),
        },
        "number_placeholders": {"num_placeholders": few},
        "postscript": {"postscript_marker": rng.choice(["P.S.", "P.P.S"])},
        "number_bullet_lists": {"num_bullets": few},
        "number_highlighted_sections": {"num_highlights": few},
        "multiple_sections": {
            "section_spliter": rng.choice(["Section", "SECTION", "Раздел", "部分"]),
            "num_sections": 1,
        },
        "repeat_prompt": {"prompt_to_repeat": rng.choice(["Hello", "* one point"])},
        "end_checker": {"end_phrase": rng.choice(["That is all", "the end", "friends"])},
        "capital_word_frequency": {"capital_frequency": few, "capital_relation": relation},
    }
    return given.get(kind.partition(":")[2], {})


def reference(folder: Path) -> ModuleType:
    """Loads the reference's checks from an unpacked package ``evalscope``, and nothing else of it.

    Its sentences are split by a model that nltk downloads; here by the same splitter without one.
    """
    package, utils = ModuleType("evalscope"), ModuleType("evalscope.utils")
    utils.get_logger = lambda: logging.getLogger("reference")  # type: ignore[attr-defined]
    sys.modules.update({"evalscope": package, "evalscope.utils": utils})
    path = folder / "evalscope" / "benchmarks" / "multi_if" / "ifeval.py"
    spec = importlib.util.spec_from_file_location("reference", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    splitter = PunktSentenceTokenizer()
    module._get_sentence_tokenizer = lambda: splitter  # type: ignore[attr-defined]
    words = NLTKWordTokenizer().tokenize
    nltk.word_tokenize = lambda text: [w for part in splitter.tokenize(text) for w in words(part)]
    return module


def judged(module: ModuleType, case: Case) -> bool:
    """Returns the reference's verdict on a case."""
    kind, text, arguments = case
    check = module.INSTRUCTION_DICT[kind](kind)
    check.build_description(**arguments)
    return bool(check.check_following(text))
