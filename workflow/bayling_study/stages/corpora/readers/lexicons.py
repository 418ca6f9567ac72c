"""Reads term lists: MUSE's dictionaries, CC-CEDICT, and CLDR's names. A term list gives words and
names with their translations, for demands that name a word and for recipes that exchange single
words."""

import re
from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import Lexicon
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.corpus_tables import Term
from bayling_study.stages.corpora.readers.lines import lines
from bayling_study.stages.corpora.readers.locate import locate
from bayling_study.stages.corpora.readers.odd import OddRow

CEDICT_LINE = re.compile(r"(?P<traditional>\S+) (?P<simplified>\S+) \[[^\]]*\] /(.*)/")
CEDICT_NOTE = re.compile(r"\([^()]*\)|\[[^\]]*\]")
REFERENCES = ("CL:", "see ", "variant of", "old variant", "also written", "surname ", "abbr. for")
"""Glosses that explain a word instead of translating it."""


def read_muse(download: Path, lexicon: Lexicon) -> Iterator[Term | OddRow]:
    """Yields MUSE's pairs: ``en-zh.txt``, a word of each language a line, separated by a blank. A
    line that has not two words is odd."""
    for language, upstream in lexicon.languages.items():
        place = lexicon.path.replace("{pivot}", lexicon.pivot).replace("{language}", upstream)
        path = locate(download, place)
        for number, line in lines(path):
            words = line.split()
            if len(words) != 2:
                what = f"{len(words)} words where two are needed"
                yield OddRow(language, what, f"{path}:{number}", line.strip()[:200])
            else:
                yield Term(lexicon.source, lexicon.pivot, language, *words)


def read_cedict(download: Path, lexicon: Lexicon) -> Iterator[Term | OddRow]:
    """Yields CC-CEDICT's words with their first gloss: ``傳統 传统 [chuan2 tong3] /tradition/…/``.
    The language's upstream code says which form is taken, ``simplified`` or ``traditional`` (else
    ``StudyError``). Remarks in brackets and glosses that only refer to another word go; any other
    line is odd."""
    path = locate(download, lexicon.path)
    for language, form in lexicon.languages.items():
        if form not in CEDICT_LINE.groupindex:
            raise StudyError(f"no form is called {form!r}", fix="simplified or traditional")
        for number, line in lines(path):
            if line.startswith("#") or not line:
                continue
            if not (match := CEDICT_LINE.fullmatch(line)):
                yield OddRow(language, "not a CC-CEDICT entry", f"{path}:{number}", line[:200])
            elif gloss := _gloss(match[3]):
                yield Term(lexicon.source, lexicon.pivot, language, gloss, match[form])


def _gloss(text: str) -> str:
    for gloss in text.split("/"):
        plain = " ".join(CEDICT_NOTE.sub("", gloss).split())
        if plain and not plain.startswith(REFERENCES):
            return plain.removeprefix("to ")
    return ""


def read_cldr(download: Path, lexicon: Lexicon) -> Iterator[Term]:
    """Yields CLDR's names of territories, languages and currencies by code. The file holds
    ``{"territories": {"DE": "Germany"}, …}`` by locale (``download/cldr.py``); a locale that it
    lacks is a ``StudyError``."""
    path = locate(download, lexicon.path or "names.json")
    names = read_json(path)
    for locale in (lexicon.pivot, *lexicon.languages.values()):
        if locale not in names:
            raise StudyError(f"CLDR has no names for the locale {locale!r}", where=path)
    pivot = names[lexicon.pivot]
    for language, locale in lexicon.languages.items():
        for kind, terms in names[locale].items():
            for code, text in terms.items():
                if code in pivot[kind]:
                    yield Term(lexicon.source, lexicon.pivot, language, pivot[kind][code], text)
