"""Reads LibreOffice's help pages as Debian's ``libreoffice-help-*`` packages hold them.
``usr/share/libreoffice/help/LANGUAGE/text/**/*.html`` is the same tree of pages in every language,
and a heading or paragraph has the same ``id`` (``hd_id…``, ``par_id…``) in all of them; links and
emphasis inside are left out. A page is a document."""

from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.aligned import segment
from bayling_study.stages.corpora.readers.html_text import page_tree
from bayling_study.stages.corpora.readers.locate import locate

DEFAULT_PATH = "usr/share/libreoffice/help/{language}/text"
IDS = ("par_id", "hd_id")


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the paragraphs shared with the pivot, page by page (``StudyError`` if it has none)."""
    template = corpus.path or DEFAULT_PATH
    root = locate(download, corpus.file(template, corpus.upstream_pivot))
    others = {
        language: locate(download, corpus.file(template, upstream))
        for language, upstream in corpus.targets.items()
    }
    pages = sorted(path.relative_to(root) for path in root.rglob("*.html"))
    if not pages:
        raise StudyError("there is no help page", where=root)
    for page in pages:
        pivot = paragraphs(root / page)
        for language, folder in others.items():
            own = paragraphs(folder / page) if (folder / page).is_file() else {}
            for name, text in own.items():
                if name in pivot:
                    yield segment(corpus, language, page.as_posix(), name, "", pivot[name], text)


def paragraphs(path: Path) -> dict[str, str]:
    """Returns the texts of a page's headings and paragraphs by their ids."""
    found = {}
    for element in page_tree(path).xpath("//*[@id]"):
        text = " ".join(element.text_content().split())
        if text and element.get("id").startswith(IDS):
            found[element.get("id")] = text
    return found
