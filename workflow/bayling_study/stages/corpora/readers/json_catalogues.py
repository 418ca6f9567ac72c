"""Reads message catalogues in JSON, one file per language, as MediaWiki keeps them.

``languages/i18n/de.json`` is an object of texts by key, or of further objects; keys that begin with
``@`` are remarks for translators. The path tells one language's files
(``mediawiki/**/i18n/**/{language}.json``); a file is a document, the same for all languages.

A wheel of Home Assistant has ``homeassistant/components/COMPONENT/translations/LANGUAGE.json``; a
component is a document. References to other keys (``[%key:…%]``) that the release left unresolved
stay as they are, and the placeholder filter rejects and counts them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.core.files import read_json
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.shared.sources.fetched import files_root
from bayling_study.stages.corpora.readers.aligned import segment
from bayling_study.stages.corpora.readers.locate import locate, locate_all

COMPONENTS = "homeassistant/components"


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields the messages shared with the pivot, file by file (``StudyError`` if it has none)."""
    root = files_root(download)
    for file in locate_all(download, corpus.file(corpus.path, corpus.upstream_pivot)):
        yield from _shared_messages(file, file.parent.relative_to(root).as_posix(), corpus)


def read_homeassistant(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields all aligned messages, component by component (``StudyError`` if there are none)."""
    root = locate(download, corpus.path or COMPONENTS)
    found = sorted(root.glob(f"*/translations/{corpus.upstream_pivot}.json"))
    if not found:
        raise StudyError(f"no */translations/{corpus.upstream_pivot}.json", where=root)
    for file in found:
        yield from _shared_messages(file, file.parent.parent.name, corpus)


def _shared_messages(
    pivot_file: Path, document: str, corpus: ParallelCorpus
) -> Iterator[ParallelSegment]:
    """Yields the messages that the languages' files beside the pivot's share with it."""
    pivot = messages(pivot_file)
    for language, upstream in corpus.targets.items():
        path = pivot_file.with_name(f"{upstream}{pivot_file.suffix}")
        for key, text in (messages(path) if path.is_file() else {}).items():
            if key in pivot:
                yield segment(corpus, language, document, key, "", pivot[key], text)


def messages(file: Path) -> dict[str, str]:
    """Returns a catalogue's texts by key, inner ones by ``a::b`` (``StudyError`` if not texts)."""
    catalogue = read_json(file)
    if not isinstance(catalogue, dict):
        raise StudyError("the catalogue is not a JSON object", where=file)
    try:
        return dict(_leaves(catalogue, "", file))
    except RecursionError as error:
        raise StudyError("the objects are nested too deeply", where=file) from error


def _leaves(branch: dict[str, Any], prefix: str, file: Path) -> Iterator[tuple[str, str]]:
    for key, value in branch.items():
        if key.startswith("@"):
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}::", file)
        elif isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            raise StudyError("the message is not text", where=f"{file}: {prefix}{key}")
