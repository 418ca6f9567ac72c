"""Reads the translation catalogues of a Home Assistant wheel.

Form: ``homeassistant/components/COMPONENT/translations/LANGUAGE.json``, nested objects whose leaves
are texts; the same key path means the same message in ``en.json``. A component is a document.
References to other keys (``[%key:…%]``) that the release left unresolved stay as they are, and the
placeholder filter rejects and counts them.
"""

from collections.abc import Iterator
from pathlib import Path

from bayling_study.config.corpora import ParallelCorpus
from bayling_study.core.errors import StudyError
from bayling_study.shared.corpus_tables import ParallelSegment
from bayling_study.stages.corpora.readers.json_catalogues import shared_messages
from bayling_study.stages.corpora.readers.locate import locate

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
        yield from shared_messages(file, file.parent.parent.name, corpus)
