"""Demands of later turns that ask for less, more, another sentence or another form."""

from functools import partial
from random import Random

from bayling_study.core import languages
from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import is_quotable, length
from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.lexicon import LexiconTerm
from bayling_study.shared.interactive.library import Library, aligned_sentences, kept_names
from bayling_study.shared.interactive.openings import has_sentences, in_script
from bayling_study.shared.interactive.registry import demand, drawing_demand
from bayling_study.shared.interactive.types import DirectedPair, Scene, Step
from bayling_study.shared.interactive.wordings import word

KEPT = 0.9  # words that a shorter, fuller or reformatted answer shares with the one before
BACK = 0.7  # words that a translation back into the source language shares with the source


def _sentence(scene: Scene, place: int) -> DirectedPair | None:
    pairs = aligned_sentences(scene.segment)
    if len(pairs) < 2:
        return None
    source, target = pairs[place]
    return scene.segment._replace(source_text=source, target_text=target)


def _one_sentence(
    scene: Scene, library: Library, rng: Random, *, kind: str, place: int
) -> Step | None:
    """Asks for the first or the last sentence alone."""
    if (part := _sentence(scene, place)) is None:
        return None
    checks: list[Check] = [{"type": "shorter"}, {"type": "part", "sentence": place, "least": KEPT}]
    return Step(kind, word(kind, scene.instruction, rng), part.target_text, checks, part)


for _kind, _place in (("first-sentence", 0), ("last-sentence", -1)):
    demand(_kind, fits=has_sentences)(partial(_one_sentence, kind=_kind, place=_place))


@demand("word-limit", fits=has_sentences)
def word_limit(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Sets a length that the first sentence keeps to and the whole does not."""
    if (part := _sentence(scene, 0)) is None:
        return None
    unit = "characters" if languages.is_unspaced(part.target) else "words"
    limit = -(-length(part.target_text, unit) // 5) * 5
    checks: list[Check] = [
        {"type": "max-length", "value": limit, "unit": unit},
        {"type": "shorter"},
        {"type": "keeps", "of": "answer", "least": KEPT},
    ]
    user = word(f"word-limit.{unit}", scene.instruction, rng, limit=limit)
    return Step("word-limit", user, part.target_text, checks, part)


@demand("fuller", fits=has_sentences, after="translate-part")
def fuller(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Brings the rest of a text whose first sentence was translated."""
    if (whole := scene.steps[-1].whole) is None:
        return None
    rest = whole.source_text[len(scene.segment.source_text) :].strip()
    checks: list[Check] = [{"type": "longer"}, {"type": "keeps", "of": "earlier", "least": KEPT}]
    user = word("fuller", scene.instruction, rng, rest=rest)
    return Step("fuller", user, whole.target_text, checks, whole)


def _another(scene: Scene, library: Library, deck: str = "") -> DirectedPair | None:
    """Draws a segment of the same direction that the dialogue has not had."""
    fits = {"terms": library.has_terms} if deck == "terms" else {}
    pool = library.deck(scene.segment.direction, fits)
    if len(pool) < 2:
        return None
    segment = pool.draw()
    seen = {step.segment.source_text for step in scene.steps}
    return None if segment.source_text in seen else segment


def _sure(segment: DirectedPair) -> list[Check]:
    """Returns what is sure of any good translation of a segment: its script and its names."""
    names: list[Check] = [{"type": "contains", "text": name} for name in kept_names(segment)[:2]]
    return [in_script(segment.target), {"type": "changed"}, *names]


@demand("next-sentence")
def next_sentence(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Gives another sentence; the language is the one of before and not named again."""
    if (segment := _another(scene, library)) is None:
        return None
    user = word("next-sentence", scene.instruction, rng, source=segment.source_text)
    return Step("next-sentence", user, segment.target_text, _sure(segment), segment)


@demand("next-with-words")
def next_with_words(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Gives another sentence and words that its translation must have."""
    if (segment := _another(scene, library, "terms")) is None:
        return None
    terms = [term.target for term in library.terms(segment) if is_quotable(term.target)][:2]
    if not terms:
        return None
    request = word("next-sentence", scene.instruction, rng, source=segment.source_text)
    condition = word("include", scene.instruction, rng, words=", ".join(terms))
    checks = [*_sure(segment), *({"type": "contains", "text": text} for text in terms)]
    return Step("next-with-words", f"{request}\n{condition}", segment.target_text, checks, segment)


@demand("translate-back", ends=True)
def translate_back(scene: Scene, library: Library, rng: Random) -> Step:
    """Asks for the way back; the answer is the source that the user gave."""
    segment = scene.segment
    back = segment._replace(
        source=segment.target,
        target=segment.source,
        source_text=segment.target_text,
        target_text=segment.source_text,
    )
    alike: Check = {"type": "similar", "text": back.target_text, "least": BACK}
    checks = [in_script(back.target), {"type": "changed"}, alike]
    user = word("translate-back", scene.instruction, rng, target=back.target)
    return Step("translate-back", user, back.target_text, checks, back)


def _elsewhere(library: Library, segment: DirectedPair) -> list[DirectedPair]:
    """Returns translations of the same text into other languages, of trained directions only."""
    return [
        other
        for direction in library.directions
        if direction.startswith(f"{segment.source}-") and direction != segment.direction
        for other in library.translations(segment.source_text, direction)[:1]
    ]


@drawing_demand("switch-language", _elsewhere)
def switch_language(scene: Scene, other: DirectedPair, rng: Random) -> Step:
    """Asks for the same text in a third language."""
    checks = [in_script(other.target), {"type": "changed"}]
    user = word("switch-language", scene.instruction, rng, target=other.target)
    return Step("switch-language", user, other.target_text, checks, other)


def _unlike(library: Library, segment: DirectedPair) -> list[LexiconTerm]:
    """Returns the terms of a segment whose translation is another word."""
    terms = (term for term in library.terms(segment) if is_quotable(term.source))
    return [term for term in terms if not occurrences(term.target, term.source)]


@drawing_demand("ask-word", _unlike, fits=Library.has_terms, ends=True)
def ask_word(scene: Scene, term: LexiconTerm, rng: Random) -> Step:
    """Asks how one word of the source was translated; the answer is that word alone."""
    most, unit = (12, "characters") if languages.is_unspaced(scene.segment.target) else (4, "words")
    checks: list[Check] = [
        {"type": "contains", "text": term.target},
        {"type": "keeps", "of": "answer", "least": 1.0},
        {"type": "shorter"},
        {"type": "max-length", "value": most, "unit": unit},
    ]
    user = word("ask-word", scene.instruction, rng, word=term.source)
    return Step("ask-word", user, term.target, checks, scene.segment)


def _reformatted(scene: Scene, rng: Random, kind: str, answer: str, checks: list[Check]) -> Step:
    kept: Check = {"type": "keeps", "of": "earlier", "least": KEPT}
    return Step(kind, word(kind, scene.instruction, rng), answer, [*checks, kept], scene.segment)


MARKS = {"zh": ("“", "”"), "de": ("„", "“")}
"""Quotation marks of a language (CLDR, delimiters); elsewhere straight ones."""


@demand("quotes", ends=True)
def quotes(scene: Scene, library: Library, rng: Random) -> Step:
    """Asks for quotation marks around the translation."""
    before, after = MARKS.get(scene.segment.target, ('"', '"'))
    answer = f"{before}{scene.segment.target_text}{after}"
    return _reformatted(scene, rng, "quotes", answer, [{"type": "quoted"}, {"type": "changed"}])


@demand("capitals", ends=True, fits=lambda _, segment: languages.script(segment.target) == "Latn")
def capitals(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks for capital letters, where the script has them."""
    if languages.script(scene.segment.target) != "Latn":
        return None
    answer = scene.segment.target_text.upper()
    return _reformatted(scene, rng, "capitals", answer, [{"type": "upper-case"}])


@demand("with-original", ends=True)
def with_original(scene: Scene, library: Library, rng: Random) -> Step:
    """Asks for the source text in brackets behind the translation."""
    source = scene.segment.source_text
    wide = languages.is_unspaced(scene.segment.target)
    answer = f"{scene.segment.target_text}{f'（{source}）' if wide else f' ({source})'}"
    checks: list[Check] = [{"type": "contains", "text": f"({source})"}, {"type": "longer"}]
    return _reformatted(scene, rng, "with-original", answer, checks)
