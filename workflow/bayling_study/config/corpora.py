"""Section ``corpora``: which upstream data is read, cleaned and split."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from bayling_study.config.base import Name, Section, Share
from bayling_study.core import languages

Filter = Literal["placeholder", "markup", "url", "control", "lines", "identical"]


def _same_codes(value: object) -> object:
    return {code: code for code in value} if isinstance(value, list) else value


Codes = Annotated[dict[str, str], BeforeValidator(_same_codes)]
"""Language codes to a source's own; a list where they are the same."""


class ParallelCorpus(Section):
    """Aligned text of one source."""

    source: Name
    """Id of a row of the source manifest."""
    reader: Literal[
        "homeassistant", "parallel-json", "parquet", "moses", "tsv", "flores", "po", "json", "udhr",
        "libreoffice",
    ]  # fmt: skip
    """Name of the reader of its format."""
    path: str = ""
    """File or folder inside the source, as a POSIX path; empty means the whole source. Readers of
    one file per language fill in ``{language}``, ``{pivot}``, ``{pair}`` (both codes of the source
    in alphabetical order) and, for one side of a pair, ``{side}``; ``*`` may stand for a part of
    a name."""
    languages: Codes
    """Language code used in this project to the code used by the source; a list where they are
    the same. The pivot may be named too, where the source has another code for it."""
    pivot: str = "en"
    """Language to which all others are aligned."""
    columns: list[str] = []
    """Of the reader ``tsv``: what the columns hold, in their order: the source's code of a
    language, ``score``, ``document``, or ``-`` for what is not used."""
    scores: str = ""
    """Of the reader ``moses``: file with one score per line."""
    min_score: float | None = None
    """Pairs with a lower score are left out unread (LASER margin: 1.06 in CCMatrix)."""
    max_rows: int | None = Field(default=None, gt=0)
    """Pairs read of each language at most, from the start of its file."""
    transliterated: list[str] = []
    """Those of ``languages`` that are written in Latin letters (uroman) once they have passed the
    filters, in training and in tests, as TransMI does (arXiv 2405.09913)."""
    role: Literal["both", "train", "test"] = "both"
    """``both`` divides the documents by ``split``; else all of them go to one side."""

    @property
    def upstream_pivot(self) -> str:
        """Returns the source's code of the pivot."""
        return self.languages.get(self.pivot, self.pivot)

    @property
    def targets(self) -> dict[str, str]:
        """Returns the languages other than the pivot, with the source's codes."""
        return {code: name for code, name in self.languages.items() if code != self.pivot}

    @property
    def in_other_letters(self) -> list[str]:
        """Returns the languages that are not written in Latin letters."""
        return [code for code in self.languages if languages.script(code) != "Latn"]

    def file(self, template: str, upstream: str, side: str = "") -> str:
        """Returns the path of one language's file from a template such as ``path``."""
        pair = "-".join(sorted((self.upstream_pivot, upstream)))
        values = {"language": upstream, "pivot": self.upstream_pivot, "pair": pair, "side": side}
        for name, text in values.items():
            template = template.replace(f"{{{name}}}", text)
        return template


class Lexicon(Section):
    """Terms and their translations."""

    source: Name
    """Id of a row of the source manifest."""
    reader: Literal["muse", "cc-cedict", "cldr"]
    """Name of the reader of its format."""
    path: str = ""
    """File inside the source, as a POSIX path; ``{language}`` and ``{pivot}`` are filled in."""
    languages: Codes
    """Language code used in this project to the code used by the source, or a list."""
    pivot: str = "en"
    """Language to which all others are aligned."""


class ConversationCorpus(Section):
    """Instructions or dialogues of one source."""

    source: Name
    """Id of a row of the source manifest."""
    reader: Literal["alpaca", "sharegpt"]
    """Name of the reader of its format."""
    path: str
    """File inside the source, as a POSIX path."""
    language: str
    """Main language of the text."""
    strip_html: bool = False
    """Remove the tags of HTML's elements outside code (for the uncleaned ShareGPT pages)."""


class Cleaning(Section):
    """Filters of parallel segments; a rejected segment is counted by its first reason."""

    filters: list[Filter] = ["placeholder", "markup", "url", "control", "lines", "identical"]
    """Filters in use besides those with a limit below; see ``corpora/cleaning.py``."""
    min_words: int = Field(default=5, ge=1)
    """Words of the pivot side, counted at white space; in scripts without spaces characters,
    each with its combining marks."""
    max_words: int = Field(default=60, ge=1)
    """Words of the pivot side."""
    max_length_ratio: float = Field(default=4.0, gt=1)
    """Largest ratio of the two sides' lengths in display columns (wide characters count as two)."""
    min_script_share: Share = 0.5
    """Share of words that must be written in the language's own script, as their first letters
    tell; a character of an unspaced script is a word, so that a product name weighs as much
    as a syllable."""
    max_copied_share: Share = 0.7
    """Share of a side's words that the other side may have too: above it the text is not
    translated (names are copied as they are, so some overlap is right)."""
    max_foreign_share: Share = 0.5
    """Share of a sample's texts that may be in another language than the config says, of each side
    of a corpus and of conversations; more is refused, for exchanged columns or files. 1 refuses
    nothing. Right sides had up to 0.35, exchanged ones from 0.79 (``corpora/hearing.py``)."""


class Split(Section):
    """Documents, not segments, are assigned to test or train."""

    test_share: Share = 0.1
    """Share of documents kept for testing."""
    max_seen_share: Share = 0.5
    """Largest share of a test segment's word 6-grams that the training side may have."""


class CorporaSection(Section):
    """Upstream data."""

    parallel: list[ParallelCorpus] = []
    """Aligned text; each language of a file at most once."""
    conversations: list[ConversationCorpus] = []
    """Instructions and dialogues; each file at most once."""
    lexicons: list[Lexicon] = []
    """Term lists for demands and recipes that change single words. An entry is used where a
    sentence and its own translation contain its two sides. Terms learnt from the text are used
    too."""
    allow_missing: bool = False
    """Lets a language go of which no file, or no segment, is there: of a study in a hundred
    languages ninety-nine are left, and the report says first which one is not."""
    cleaning: Cleaning = Cleaning()
    """What makes a parallel segment unfit."""
    split: Split = Split()
    """What is kept for testing."""

    @property
    def sources(self) -> list[str]:
        """Ids of the sources that the corpora are read from, each once."""
        used = [corpus.source for corpus in self.parallel]
        used += [corpus.source for corpus in self.conversations]
        used += [lexicon.source for lexicon in self.lexicons]
        return list(dict.fromkeys(used))
