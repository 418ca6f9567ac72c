"""Reads the translation catalogues of a Home Assistant wheel.

Form: ``homeassistant/components/COMPONENT/translations/LANGUAGE.json``, nested
objects whose leaves are texts; the same key path means the same message in
``en.json``. A component is a document. References to other keys
(``[%key:…%]``) that the release left unresolved stay as they are, and the
placeholder filter rejects and counts them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.corpora.readers.locate import locate
from bayling_study.corpora.types import ParallelSegment
from bayling_study.errors import StudyError
from bayling_study.files import read_json

DEFAULT_PATH = "homeassistant/components"


def read(download: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    """Yields all aligned messages, component by component, language by language.

    Raises:
        StudyError: no component has the pivot's catalogue, or a catalogue is
            not a JSON object of texts.
    """
    root = locate(download, corpus.path or DEFAULT_PATH)
    found = sorted(root.glob(f"*/translations/{corpus.upstream_pivot}.json"))
    if not found:
        raise StudyError(f"no */translations/{corpus.upstream_pivot}.json", where=root)
    for file in found:
        yield from _component(file, corpus)


def _component(pivot_file: Path, corpus: ParallelCorpus) -> Iterator[ParallelSegment]:
    component = pivot_file.parent.parent.name
    document = f"{corpus.source}/{component}"
    pivot = messages(pivot_file)
    for language, upstream in corpus.targets.items():
        file = pivot_file.with_name(f"{upstream}.json")
        if not file.exists():
            continue
        for key, text in messages(file).items():
            if key in pivot:
                name = f"{corpus.source}/{language}/{component}/{key}"
                yield ParallelSegment(
                    name, corpus.source, corpus.pivot, language, pivot[key], text, document
                )


def messages(file: Path) -> dict[str, str]:
    """Returns a catalogue's texts by key path (``config::step::user::title``)."""
    catalogue = read_json(file)
    if not isinstance(catalogue, dict):
        raise StudyError("the catalogue is not a JSON object", where=file)
    return dict(_leaves(catalogue, "", file))


def _leaves(branch: dict[str, Any], prefix: str, file: Path) -> Iterator[tuple[str, str]]:
    for key, value in branch.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}::", file)
        elif isinstance(value, str):
            yield f"{prefix}{key}", value
        else:
            raise StudyError("the message is not text", where=f"{file}: {prefix}{key}")
