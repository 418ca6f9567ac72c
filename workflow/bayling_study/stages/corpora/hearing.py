"""Tells from a sample whether each side of a corpus is in the language that the config says.

Two identifiers vote on each text (``shared/metrics/identification.py``). In the catalogues of
Home Assistant 2024.3.3 and Django 5.1, at most 35 % of a side's texts were taken for another
language (Interlingua), with the two languages exchanged at least 79 %. Term lists are not heard:
of CLDR's Danish names, 85 % are taken for another language.
"""

from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics.identification import SHORT, identifiers, is_off, letters, votes
from bayling_study.stages.corpora.repeats import key_of

SAMPLE = 200
"""Different texts of a side that are identified; their hashes choose them."""
ENOUGH = 20
"""Votes below which a side is shown but not refused."""


class _Sample:
    def __init__(self) -> None:
        self._texts: dict[int, str] = {}
        self._limit = 1 << 64

    def take(self, text: str) -> None:
        key = key_of(text)
        if key < self._limit and letters(text) >= SHORT:
            self._texts[key] = text
            if len(self._texts) == 2 * SAMPLE:
                self._limit = sorted(self._texts)[SAMPLE]
                self._texts = {k: t for k, t in self._texts.items() if k < self._limit}

    def texts(self) -> list[str]:
        return [self._texts[key] for key in sorted(self._texts)[:SAMPLE]]


class Hearing:
    """Collects a sample of each side of each group; it does not grow with the text.

    Args:
        most: largest share of foreign texts among those voted on; 1 refuses nothing.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._samples: dict[tuple[str, str], _Sample] = {}

    def hear(self, group: str, language: str, text: str) -> None:
        """Takes in a text if its hash chooses it and it is long enough to tell its language."""
        self._samples.setdefault((group, language), _Sample()).take(text)

    def report(self) -> list[dict[str, Any]]:
        """Returns of each side how many texts were heard, voted on and found foreign.

        The last two are absent where no identifier knows the language.

        Raises:
            StudyError: a side has too many foreign texts.
        """
        return [self._side(*side, found.texts()) for side, found in sorted(self._samples.items())]

    def _side(self, group: str, language: str, texts: list[str]) -> dict[str, Any]:
        side = {"group": group, "language": language, "heard": len(texts)}
        if not identifiers(language):
            return side
        found = votes(texts, language)
        off = is_off(found)
        voted, foreign = int(found.any(axis=1).sum()), int(off.sum())
        if voted >= ENOUGH and foreign > self._most * voted:
            sample = texts[int(off.argmax())][:60]
            raise StudyError(
                f"{foreign} of {voted} texts given as {language!r} are in another language, "
                f"such as {sample!r}",
                where=group,
                fix="exchange the columns or files, correct the language, or\n"
                "corpora.cleaning.max_foreign_share: 1 to take them as they are",
            )
        return {**side, "voted": voted, "foreign": foreign}
