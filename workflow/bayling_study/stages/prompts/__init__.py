"""Test sets: every suite becomes a file of prompts with references.

Each kind of suite has a builder module of the same name (``translation``,
``interactive``, ``wmt22`` …) with one function::

    def build(name: str, suite: SUITE_SECTION, context: PromptContext) -> list[Prompt]

``python -m bayling_study.stages.prompts`` finds it by the suite's ``kind``. A builder
reads files only: the study's corpora or an unpacked download.
"""

from dataclasses import dataclass, field
from pathlib import Path

from bayling_study.core.errors import StudyError


@dataclass(frozen=True)
class PromptContext:
    """What a builder may look at besides its own section of the config.

    Attributes:
        seed: the study's seed; derive one for each purpose with ``seeds.generator``.
        corpora: folder of the corpora stage's output, where the suite needs it.
        downloads: source id to the folder of its download.
    """

    seed: int
    corpora: Path | None = None
    downloads: dict[str, Path] = field(default_factory=dict)

    def need_corpora(self) -> Path:
        """Returns the corpora folder.

        Raises:
            StudyError: the program was started without one.
        """
        if self.corpora is None:
            raise StudyError("the suite needs the study's corpora", fix="--corpora DIR")
        return self.corpora

    def need_download(self, source: str) -> Path:
        """Returns the folder of a source's download.

        Raises:
            StudyError: the program was started without it.
        """
        if source in self.downloads:
            return self.downloads[source]
        what = f"the suite needs the download of {source!r}"
        raise StudyError(what, fix=f"--download {source}=DIR")
