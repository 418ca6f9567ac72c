"""Tells from a sample whether each side of a corpus is in the language that the config says.

Two identifiers vote on each text (``shared/metrics/identification.py``). In the catalogues of
Home Assistant 2024.3.3 and Django 5.1, at most 35 % of a side's texts were taken for another
language (Interlingua), with the two languages exchanged at least 79 %. Term lists are not heard:
of CLDR's Danish names, 85 % are taken for another language.
"""

from collections import defaultdict
from heapq import heappush, heappushpop
from typing import Any

from bayling_study.core.errors import StudyError
from bayling_study.shared.metrics.identification import SHORT, identifiers, is_off, letters, votes
from bayling_study.stages.corpora.tables import key_of

SAMPLE = 200  # different texts of a side that are identified; their hashes choose them
ENOUGH = 20  # votes below which a side is shown but not refused


class Hearing:
    """Collects a sample of each side of each group; it does not grow with the text. ``most`` is the
    largest share of foreign texts among those voted on; 1 refuses nothing."""

    def __init__(self, most: float) -> None:
        self._most = most
        self._samples: defaultdict[tuple[str, str], list[tuple[int, str]]] = defaultdict(list)

    def hear(self, group: str, language: str, text: str) -> None:
        """Takes in a text if its hash chooses it and it is long enough to tell its language."""
        heap = self._samples[group, language]  # the least hashes, of which the greatest is first
        entry = -int.from_bytes(key_of(text, size=8), "little"), text
        if len(heap) == SAMPLE and entry < heap[0]:
            return
        if letters(text) >= SHORT and entry not in heap:
            (heappush if len(heap) < SAMPLE else heappushpop)(heap, entry)

    def report(self) -> list[dict[str, Any]]:
        """Returns of each side how many texts were heard, voted on and found foreign. The last two
        are absent where no identifier knows the language; too many foreign texts of a side are
        refused (``StudyError``)."""
        return [
            self._side(*side, [text for _, text in sorted(heap, reverse=True)])
            for side, heap in sorted(self._samples.items())
        ]

    def _side(self, group: str, language: str, texts: list[str]) -> dict[str, Any]:
        side = {"group": group, "language": language, "heard": len(texts)}
        if not identifiers(language):
            return side
        found = votes(texts, language)
        off = is_off(found)
        voted, foreign = int(found.any(axis=1).sum()), int(off.sum())
        if voted >= ENOUGH and foreign > self._most * voted:
            sample = texts[int(off.argmax())][:60]
            what = f"{foreign} of {voted} texts given as {language!r} are in another language"
            fix = "exchange the columns or files, correct the language, or\n"
            fix += "corpora.cleaning.max_foreign_share: 1 to take them as they are"
            raise StudyError(f"{what}, such as {sample!r}", where=group, fix=fix)
        return {**side, "voted": voted, "foreign": foreign}
