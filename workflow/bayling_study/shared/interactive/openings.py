"""Demands of a first turn: a plain request, or one that comes with a condition."""

from random import Random

from bayling_study.core import languages
from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import is_quotable, spans
from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.library import Library, aligned_sentences, kept_names
from bayling_study.shared.interactive.registry import demand, drawing_demand
from bayling_study.shared.interactive.types import DirectedPair, Scene, Step
from bayling_study.shared.interactive.wordings import word

DRAFT_LIKENESS = 0.6
"""How much of a wrong draft its correction keeps at least: a mistake is corrected, no more."""
MAX_CONSTRAINTS = 3  # most words asked for at once, as in BayLing's released constraint sets


def in_script(language: str) -> Check:
    """Returns the check that an answer is written in a language's script."""
    return {"type": "script", "script": languages.script(language)}


@demand("translate", opens=True)
def translate(scene: Scene, library: Library, rng: Random) -> Step:
    """Asks for a translation."""
    segment = scene.segment
    checks = [in_script(segment.target)]
    return Step("translate", _request(scene, rng), segment.target_text, checks, segment)


def _request(scene: Scene, rng: Random, kind: str = "translate", **values: str) -> str:
    """Returns a wording that names the language and the text to translate."""
    values |= {"target": scene.segment.target, "source": scene.segment.source_text}
    return word(kind, scene.instruction, rng, **values)


def _conditional(
    scene: Scene, rng: Random, kind: str, checks: list[Check], wording: str = "", **values: str
) -> Step:
    """Returns the turn that asks for a translation and, on a second line, for something more."""
    segment = scene.segment
    request = _request(scene, rng)
    condition = word(wording or kind, scene.instruction, rng, **values)
    checks = [*checks, in_script(segment.target)]
    return Step(kind, f"{request}\n{condition}", segment.target_text, checks, segment)


def has_sentences(library: Library, segment: DirectedPair) -> bool:
    """Tells whether a segment has several sentences, as many on each side."""
    return len(aligned_sentences(segment)) > 1


@demand("translate-part", opens=True, fits=has_sentences)
def translate_part(scene: Scene, library: Library, rng: Random) -> Step:
    """Asks for the first sentence only, so that the rest can follow."""
    source, target = aligned_sentences(scene.segment)[0]
    part = scene.segment._replace(source_text=source, target_text=target)
    user = word("translate", scene.instruction, rng, target=part.target, source=source)
    return Step("translate-part", user, target, [in_script(part.target)], part, scene.segment)


@demand("include-words", opens=True, fits=Library.has_terms)
def include_words(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks for a translation with certain words in it (BayLing's constrained translation)."""
    terms = [term.target for term in library.terms(scene.segment) if is_quotable(term.target)]
    if not terms:
        return None
    chosen = rng.sample(terms, min(len(terms), rng.randint(1, MAX_CONSTRAINTS)))
    checks: list[Check] = [{"type": "contains", "text": text} for text in chosen]
    return _conditional(scene, rng, "include-words", checks, "include", words=", ".join(chosen))


def _prefixes(library: Library, segment: DirectedPair) -> list[str]:
    """Returns beginnings of a translation that end with a word, at most half of it long; without
    spaces only a term's end is surely a word's."""
    text = segment.target_text
    if languages.is_unspaced(segment.target):
        terms = [term.target for term in library.terms(segment)]
        chosen = [text[: text.find(term) + len(term)] for term in terms if term in text]
    else:
        chosen = [text[:end] for _, end in spans(text)[:3]]
    return [part for part in chosen if is_quotable(part) and 2 * len(part) <= len(text)]


@drawing_demand("start-with", _prefixes, opens=True)
def start_with(scene: Scene, prefix: str, rng: Random) -> Step:
    """Gives the beginning of the translation, to be continued."""
    checks: list[Check] = [{"type": "starts-with", "text": prefix}]
    return _conditional(scene, rng, "start-with", checks, prefix=prefix)


@drawing_demand("keep-name", lambda _, segment: kept_names(segment), opens=True)
def keep_name(scene: Scene, name: str, rng: Random) -> Step:
    """Asks to keep a name as it is written."""
    checks: list[Check] = [{"type": "contains", "text": name}]
    return _conditional(scene, rng, "keep-name", checks, name=name)


def _has_draft(library: Library, segment: DirectedPair) -> bool:
    """Tells whether a wrong draft can be made: a partner segment, or a term to leave out."""
    return any(edit.target_old for edit in library.edits(segment)) or library.has_terms(segment)


@demand("correct-draft", opens=True, fits=_has_draft)
def correct_draft(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Shows a translation with a wrong or a missing word, which must be put right. The draft is the
    user's and never trained on: the translation of a minimal pair (a fluent sentence with one wrong
    block), or the reference without one of its terms."""
    segment, text = scene.segment, scene.segment.target_text
    edits = [edit for edit in library.edits(segment) if edit.target_old]
    wrong = [(edit.other.target_text, edit.target_old) for edit in edits]
    missing = [
        (" ".join(text.replace(term.target, "", 1).split()), term.target)
        for term in library.terms(segment)
        if occurrences(text, term.target) == 1 and term.target in text
    ]
    groups = [group for group in (wrong, missing) if group]
    if not groups:
        return None
    draft, right = rng.choice(rng.choice(groups))
    checks: list[Check] = [
        {"type": "contains", "text": right},
        {"type": "similar", "text": draft, "least": DRAFT_LIKENESS},
        in_script(segment.target),
    ]
    user = _request(scene, rng, "correct-draft", draft=draft)
    return Step("correct-draft", user, text, checks, segment)
