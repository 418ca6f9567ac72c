"""Reads gettext catalogues (``.po``): Django's, LibreOffice's, many others'.

The path tells one language's catalogues (``django/**/locale/{language}/LC_MESSAGES/*.po``); each is
a document, the same for all languages. A message's key is the English text; fuzzy messages are not
translations, and messages with plural forms are left out, because forms and English do not
correspond one to one. Babel parses the format.
"""

import logging
import re
from collections.abc import Iterator
from contextlib import redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import PoFileParser

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.corpora.readers.aligned import segment
from bayling_study.stages.corpora.readers.locate import locate_all

LOG = logging.getLogger(__name__)
CHARSET = re.compile(rb"(?i)Content-Type:[^\\]*?charset=([\w.:-]+?)(?:-unix|-dos|-mac)?\\")
"""Emacs adds to the charset how lines end."""


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the messages, catalogue by catalogue (``StudyError`` if one is absent or broken)."""
    root = files_root(download)
    found: dict[str, dict[str, Path]] = {}
    for language, upstream in corpus.targets.items():
        for path in locate_all(download, corpus.file(corpus.path, upstream)):
            parts = ["" if part == upstream else part for part in path.relative_to(root).parts]
            found.setdefault("/".join(parts), {})[language] = path
    for document, files in sorted(found.items()):
        for language, path in files.items():
            for key, text_a, text_b in messages(path):
                name = f"{document}#{key}"
                yield segment(corpus, language, name, "", "", text_a, text_b)._replace(
                    id=f"{corpus.source}/{language}/{name}", document=f"{corpus.source}/{document}"
                )


def messages(path: Path) -> Iterator[tuple[int, str, str]]:
    """Yields number, English and translation of a catalogue's usable messages."""
    for number, message in enumerate(_catalogue(path), start=1):
        one = isinstance(message.id, str) and isinstance(message.string, str)
        if one and message.id and message.string and not message.fuzzy:
            yield number, str(message.id), str(message.string)


class _Messages(Catalog):  # type: ignore[misc]
    """A catalogue without its header, at whose dates and plurals Babel may stop."""

    num_plurals = 6  # the most that gettext's manual lists; forms are left out later

    def __setitem__(self, id: Any, message: Message) -> None:
        if id:
            super().__setitem__(id, message)


def _catalogue(path: Path) -> Catalog:
    remarks = StringIO()  # Babel prints what it skips, such as a plural form too many
    catalogue = _Messages()
    text = _decoded(path)
    try:
        with redirect_stdout(remarks):
            PoFileParser(catalogue).parse(text.split("\n"))
    except ValueError as error:
        raise StudyError(f"not a gettext catalogue ({error})", where=path) from error
    if remarks.getvalue():
        LOG.info("%s: %s", path, " ".join(remarks.getvalue().split())[:200])
    if not len(catalogue):
        raise StudyError("not a gettext catalogue (no message)", where=path)
    return catalogue


def _decoded(path: Path) -> str:
    """Returns a catalogue's text, as UTF-8 where its charset is none (xgettext's ``CHARSET``)."""
    content = path.read_bytes()
    match = CHARSET.search(content)
    charset, known = (match[1].decode() if match else "UTF-8"), "UTF-8"
    with suppress(LookupError):
        "".encode(charset)
        known = charset
    try:
        return content.decode(known).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise StudyError(f"not {known} text (charset {charset!r})", where=path) from error
