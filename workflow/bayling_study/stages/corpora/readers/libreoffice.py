"""Reads LibreOffice's help pages as Debian's ``libreoffice-help-*`` packages hold them.

``usr/share/libreoffice/help/LANGUAGE/text/**/*.html`` is the same tree of pages
in every language, and a heading or paragraph has the same ``id`` (``hd_id…``,
``par_id…``) in all of them; links and emphasis inside are left out. A page is a
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

DEFAULT_PATH = "usr/share/libreoffice/help/{language}/text"
IDS = ("par_id", "hd_id")


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the paragraphs that a language shares with the pivot, page by page.

    Raises:
        StudyError: a language has no folder, the pivot has no page, or a page is not UTF-8.
    """
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
    """Returns the texts of a page's headings and paragraphs by their ids.

    Raises:
        StudyError: the file is not UTF-8.
    """
    parser = _Page()
    parser.feed(whole_text(path))
    return parser.paragraphs


class _Page(HTMLParser):
    """Collects the text of the elements that have an id of a paragraph."""

    def __init__(self) -> None:
        super().__init__()
        self.paragraphs: dict[str, str] = {}
        self._name = ""
        self._tag = ""
        self._text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        name = dict(attrs).get("id") or ""
        if name.startswith(IDS) and not self._name:
            self._name, self._tag, self._text = name, tag, []

    def handle_endtag(self, tag: str) -> None:
        if self._name and tag == self._tag:
            text = " ".join("".join(self._text).split())
            if text:
                self.paragraphs[self._name] = text
            self._name = ""

    def handle_data(self, data: str) -> None:
        if self._name:
            self._text.append(data)
