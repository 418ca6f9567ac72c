"""Sources of test segments as somebody else would write them: code-switched, or romanised."""

from collections.abc import Iterable

from bayling_study.config.suites import SourceText
from bayling_study.shared.aligned_rows import HeldOut, first_rows
from bayling_study.shared.interactive.lexicon import MAX_SEGMENTS, exchangeable, exchanged
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.romanisation import romanised


class SourceTexts:
    """How a suite's sources are shown; ``directions`` has for each one whose terms are exchanged,
    the direction itself or one into a third language."""

    def __init__(self, options: SourceText, directions: Iterable[str]) -> None:
        self._transliterated = options.transliterated
        self._libraries: dict[str, Library] = {}
        self.directions: dict[str, str] = {}
        if options.switched:
            self._rate, third = options.switched.rate, options.switched.language
            self.directions = {d: f"{d.split('-')[0]}-{third}" if third else d for d in directions}

    def shown(self, held_out: HeldOut, direction: str, text: str, reference: str) -> str:
        """Returns a segment's source as the options want it."""
        if direction in self.directions:
            text = self._switched(held_out, self.directions[direction], text, reference)
        return romanised(text, direction.split("-")[0]) if self._transliterated else text

    def _switched(self, held_out: HeldOut, direction: str, text: str, reference: str) -> str:
        """Exchanges terms that the text's own translation has, as the recipe ``code-switch`` does;
        a text without one in that language stays as it is."""
        if direction not in self._libraries:
            learnt = first_rows(held_out.parallel, "train", [direction], MAX_SEGMENTS)
            self._libraries[direction] = held_out.library(direction, learnt)
        library = self._libraries[direction]
        same = [s for s in library.translations(text, direction) if s.source_text == text]
        own = min(same, key=lambda segment: segment.target_text != reference, default=None)
        return exchanged(text, exchangeable(library.terms(own)), self._rate)[0] if own else text
