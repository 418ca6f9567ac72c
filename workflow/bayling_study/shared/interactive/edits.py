"""Demands that change the translation in one place and keep all the rest."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.pairs import Edit, difference
from bayling_study.shared.interactive.registry import Fits, demand
from bayling_study.shared.interactive.types import DirectedPair, Scene, Step
from bayling_study.shared.interactive.wordings import word

KEPT = 0.8
"""Words that must stay as they were: a changed word may need another ending beside it."""


def changed_only(old: str, new: str) -> list[Check]:
    """Returns the checks that a block was exchanged and the rest of the answer kept."""
    checks: list[Check] = [{"type": "changed"}]
    if new:
        checks.append({"type": "contains", "text": new})
    if old and old not in new:
        checks.append({"type": "excludes", "text": old})
    swap = [[old, new]] if old else []
    return [*checks, {"type": "keeps", "of": "both", "least": KEPT, "replace": swap}]


def _fitting(accepts: Callable[[Edit], bool]) -> Fits:
    """Returns the condition that a segment has a minimal pair of a sort."""

    def fits(library: Library, segment: DirectedPair) -> bool:
        return any(map(accepts, library.edits(segment)))

    return fits


def _exchanges(edit: Edit) -> bool:
    return bool(edit.target_old and edit.target_new)


def _adds(edit: Edit) -> bool:
    return bool(not edit.target_old and edit.before)


def _removes(edit: Edit) -> bool:
    return not edit.target_new


def _choose(
    scene: Scene, library: Library, rng: Random, accepts: Callable[[Edit], bool]
) -> Edit | None:
    edits = [edit for edit in library.edits(scene.segment) if accepts(edit)]
    return rng.choice(edits) if edits else None


@demand("replace-words", fits=_fitting(_exchanges))
def replace_words(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks to exchange words of the translation; the partner's translation is the answer."""
    edit = _choose(scene, library, rng, _exchanges)
    if edit is None:
        return None
    old, new = edit.target_old, edit.target_new
    user = word("replace-words", scene.instruction, rng, old=old, new=new)
    answer = edit.other.target_text
    return Step("replace-words", user, answer, changed_only(old, new), edit.other)


@demand("revise-source", fits=_fitting(_exchanges))
def revise_source(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Changes words of the source; the translation must follow in that place only."""
    edit = _choose(scene, library, rng, _exchanges)
    if edit is None or not edit.source_old or not edit.source_new:
        return None
    user = word("revise-source", scene.instruction, rng, old=edit.source_old, new=edit.source_new)
    checks = changed_only(edit.target_old, edit.target_new)
    return Step("revise-source", user, edit.other.target_text, checks, edit.other)


@demand("add-words", fits=_fitting(_adds))
def add_words(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks to insert words at a place."""
    edit = _choose(scene, library, rng, _adds)
    if edit is None:
        return None
    user = word("add-words", scene.instruction, rng, new=edit.target_new, before=edit.before)
    checks = [*changed_only("", edit.target_new), {"type": "longer"}]
    return Step("add-words", user, edit.other.target_text, checks, edit.other)


@demand("drop-words", fits=_fitting(_removes))
def drop_words(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks to leave words out."""
    edit = _choose(scene, library, rng, _removes)
    if edit is None:
        return None
    user = word("drop-words", scene.instruction, rng, old=edit.target_old)
    checks = [*changed_only(edit.target_old, ""), {"type": "shorter"}]
    return Step("drop-words", user, edit.other.target_text, checks, edit.other)


def _has_brand(library: Library, segment: DirectedPair) -> bool:
    return bool(library.brands(segment))


@demand("replace-name", fits=_has_brand)
def replace_name(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks for another product name; names stand alike on both sides, so the edit is exact."""
    segment = scene.segment
    names, others = library.brands(segment), library.other_brands(segment)
    if not names or not others:
        return None
    old, new = rng.choice(names), rng.choice(others)
    changed = segment._replace(
        source_text=segment.source_text.replace(old, new),
        target_text=segment.target_text.replace(old, new),
    )
    user = word("replace-words", scene.instruction, rng, old=old, new=new)
    return Step("replace-name", user, changed.target_text, changed_only(old, new), changed)


def _alternatives(segment: DirectedPair, library: Library) -> list[Edit]:
    """Returns other translations of the same text that differ in one block."""
    others = library.translations(segment.source_text, segment.direction)
    found = []
    for other in others:
        if other.target_text == segment.target_text:
            continue
        edit = _target_difference(segment, other)
        if edit is not None and edit.target_new:
            found.append(edit)
    return found


def _target_difference(one: DirectedPair, other: DirectedPair) -> Edit | None:
    """Compares two translations of one text; their sources count as their translations."""
    return difference(
        one._replace(source_text=one.target_text), other._replace(source_text=other.target_text)
    )


def _has_alternative(library: Library, segment: DirectedPair) -> bool:
    return bool(_alternatives(segment, library))


@demand("use-term", fits=_has_alternative)
def use_term(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks for a wording that another human translation of the same text has."""
    edits = _alternatives(scene.segment, library)
    if not edits:
        return None
    edit = rng.choice(edits)
    answer = edit.other.target_text
    user = word("use-term", scene.instruction, rng, new=edit.target_new)
    segment = scene.segment._replace(target_text=answer)
    return Step("use-term", user, answer, changed_only(edit.target_old, edit.target_new), segment)
