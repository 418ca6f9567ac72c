"""Demands of a first turn: a plain request, or one that comes with a condition."""

from __future__ import annotations

from random import Random

from bayling_study.core import languages
from bayling_study.core.text.forms import occurrences
from bayling_study.core.text.words import is_quotable, spans
from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.library import Library, aligned_sentences, kept_names
from bayling_study.shared.interactive.registry import demand
from bayling_study.shared.interactive.types import DirectedPair, Scene, Step
from bayling_study.shared.interactive.wordings import word

DRAFT_LIKENESS = 0.6
"""How much of a wrong draft its correction keeps at least: a mistake is corrected, no more."""
MAX_CONSTRAINTS = 3
"""Most words asked for at once, as in BayLing's released constraint sets."""


def in_script(language: str) -> Check:
    """Returns the check that an answer is written in a language's script."""
    return {"type": "script", "script": languages.script(language)}


@demand("translate", opens=True)
def translate(scene: Scene, library: Library, rng: Random) -> Step:
    """Asks for a translation."""
    segment = scene.segment
    user = word(
        "translate", scene.instruction, rng, target=segment.target, source=segment.source_text
    )
    return Step("translate", user, segment.target_text, [in_script(segment.target)], segment)


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


def has_terms(library: Library, segment: DirectedPair) -> bool:
    """Tells whether a segment has consistently translated terms."""
    return bool(library.terms(segment))


@demand("include-words", opens=True, fits=has_terms)
def include_words(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks for a translation with certain words in it (BayLing's constrained translation)."""
    segment = scene.segment
    terms = [term.target for term in library.terms(segment) if is_quotable(term.target)]
    if not terms:
        return None
    chosen = rng.sample(terms, min(len(terms), rng.randint(1, MAX_CONSTRAINTS)))
    request = word(
        "translate", scene.instruction, rng, target=segment.target, source=segment.source_text
    )
    condition = word("include", scene.instruction, rng, words=", ".join(chosen))
    checks: list[Check] = [{"type": "contains", "text": text} for text in chosen]
    checks.append(in_script(segment.target))
    return Step("include-words", f"{request}\n{condition}", segment.target_text, checks, segment)


def _prefixes(segment: DirectedPair, library: Library) -> list[str]:
    """Returns beginnings of a translation that end with a word, at most half of it long.

    Without spaces only a term's end is surely the end of a word.
    """
    text = segment.target_text
    ends = [end for _, end in spans(text)]
    if languages.is_unspaced(segment.target):
        terms = [term.target for term in library.terms(segment)]
        chosen = [text[: text.find(term) + len(term)] for term in terms if term in text]
    else:
        chosen = [text[:end] for end in ends[:3]]
    return [part for part in chosen if is_quotable(part) and 2 * len(part) <= len(text)]


def has_prefix(library: Library, segment: DirectedPair) -> bool:
    """Tells whether a translation has a beginning that can be given."""
    return bool(_prefixes(segment, library))


@demand("start-with", opens=True, fits=has_prefix)
def start_with(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Gives the beginning of the translation, to be continued."""
    segment = scene.segment
    prefixes = _prefixes(segment, library)
    if not prefixes:
        return None
    prefix = rng.choice(prefixes)
    request = word(
        "translate", scene.instruction, rng, target=segment.target, source=segment.source_text
    )
    condition = word("start-with", scene.instruction, rng, prefix=prefix)
    checks = [{"type": "starts-with", "text": prefix}, in_script(segment.target)]
    return Step("start-with", f"{request}\n{condition}", segment.target_text, checks, segment)


def has_name(library: Library, segment: DirectedPair) -> bool:
    """Tells whether a name stands alike in a segment and in its translation."""
    return bool(kept_names(segment))


@demand("keep-name", opens=True, fits=has_name)
def keep_name(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks to keep a name as it is written."""
    segment = scene.segment
    names = kept_names(segment)
    if not names:
        return None
    name = rng.choice(names)
    request = word(
        "translate", scene.instruction, rng, target=segment.target, source=segment.source_text
    )
    condition = word("keep-name", scene.instruction, rng, name=name)
    checks = [{"type": "contains", "text": name}, in_script(segment.target)]
    return Step("keep-name", f"{request}\n{condition}", segment.target_text, checks, segment)


def has_draft(library: Library, segment: DirectedPair) -> bool:
    """Tells whether a wrong draft can be made: a partner segment, or a term to leave out."""
    return any(edit.target_old for edit in library.edits(segment)) or has_terms(library, segment)


@demand("correct-draft", opens=True, fits=has_draft)
def correct_draft(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Shows a translation with a wrong or a missing word, which must be put right.

    The draft is the user's and never trained on: either the translation of a
    minimal pair (a fluent sentence with one wrong block), or the reference
    without one of its terms.
    """
    segment = scene.segment
    wrong = [
        (edit.other.target_text, edit.target_old)
        for edit in library.edits(segment)
        if edit.target_old
    ]
    missing = [
        (_without(segment.target_text, term.target), term.target)
        for term in library.terms(segment)
        if occurrences(segment.target_text, term.target) == 1
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
    user = word(
        "correct-draft",
        scene.instruction,
        rng,
        target=segment.target,
        source=segment.source_text,
        draft=draft,
    )
    return Step("correct-draft", user, segment.target_text, checks, segment)


def _without(text: str, fragment: str) -> str:
    start = text.find(fragment)
    return " ".join(f"{text[:start]}{text[start + len(fragment) :]}".split())
