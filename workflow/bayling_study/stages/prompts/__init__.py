"""Test sets: every suite becomes a file of prompts with references.

Each kind of suite has a builder module of the same name (``translation``,
``interactive``, ``wmt22`` …) with one function::

    def build(name: str, suite: SUITE_SECTION, context: PromptContext) -> Prompts

``python -m bayling_study.stages.prompts`` finds it by the suite's ``kind``. A builder
reads files only: the study's corpora or an unpacked download.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from bayling_study.core.errors import StudyError
from bayling_study.core.records import Prompt
from bayling_study.shared.sources.fetched import files_root

Prompts = Iterable[Prompt]


@dataclass(frozen=True)
class PromptContext:
    """What a builder may look at besides its own section of the config. ``downloads`` are folders
    by source id; of ``seed``, the study's, ``seeds.generator`` derives one for each purpose."""

    seed: int
    corpora: Path | None = None
    downloads: dict[str, Path] = field(default_factory=dict)

    def need_corpora(self) -> Path:
        """Returns the folder of the corpora; ``StudyError`` if the program was given none."""
        if self.corpora is None:
            raise StudyError("the suite needs the study's corpora", fix="--corpora DIR")
        return self.corpora

    def files_of(self, source: str) -> Path:
        """Returns the folder of a source's files; ``StudyError`` if its download was not given."""
        if source not in self.downloads:
            what = f"the suite needs the download of {source!r}"
            raise StudyError(what, fix=f"--download {source}=DIR")
        return files_root(self.downloads[source])
