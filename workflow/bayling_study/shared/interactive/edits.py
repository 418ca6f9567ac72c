"""Demands that change the translation in one place and keep all the rest."""

from random import Random

from bayling_study.shared.interactive.checks import Check
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.pairs import Edit, difference
from bayling_study.shared.interactive.registry import demand, drawing_demand
from bayling_study.shared.interactive.types import DirectedPair, Scene, Step
from bayling_study.shared.interactive.wordings import word

KEPT = 0.8  # words that must stay as they were: a changed word may need another ending beside it


def changed_only(old: str, new: str) -> list[Check]:
    """Returns the checks that a block was exchanged and the rest of the answer kept."""
    checks: list[Check] = [{"type": "changed"}]
    if new:
        checks.append({"type": "contains", "text": new})
    if old and old not in new:
        checks.append({"type": "excludes", "text": old})
    swap = [[old, new]] if old else []
    return [*checks, {"type": "keeps", "of": "both", "least": KEPT, "replace": swap}]


def _exchanges(library: Library, segment: DirectedPair) -> list[Edit]:
    return [edit for edit in library.edits(segment) if edit.target_old and edit.target_new]


def _edited(kind: str, scene: Scene, rng: Random, edit: Edit, *more: Check, **values: str) -> Step:
    """Returns the turn that asks for an edit; the partner's translation is the answer."""
    user = word(kind, scene.instruction, rng, **values)
    checks = [*changed_only(edit.target_old, edit.target_new), *more]
    return Step(kind, user, edit.other.target_text, checks, edit.other)


@drawing_demand("replace-words", _exchanges)
def replace_words(scene: Scene, edit: Edit, rng: Random) -> Step:
    """Asks to exchange words of the translation."""
    return _edited("replace-words", scene, rng, edit, old=edit.target_old, new=edit.target_new)


@drawing_demand("revise-source", _exchanges)
def revise_source(scene: Scene, edit: Edit, rng: Random) -> Step | None:
    """Changes words of the source; the translation must follow in that place only."""
    if not edit.source_old or not edit.source_new:
        return None
    return _edited("revise-source", scene, rng, edit, old=edit.source_old, new=edit.source_new)


@drawing_demand(
    "add-words", lambda lib, seg: [e for e in lib.edits(seg) if not e.target_old and e.before]
)
def add_words(scene: Scene, edit: Edit, rng: Random) -> Step:
    """Asks to insert words at a place."""
    more = {"new": edit.target_new, "before": edit.before}
    return _edited("add-words", scene, rng, edit, {"type": "longer"}, **more)


@drawing_demand("drop-words", lambda lib, seg: [e for e in lib.edits(seg) if not e.target_new])
def drop_words(scene: Scene, edit: Edit, rng: Random) -> Step:
    """Asks to leave words out."""
    return _edited("drop-words", scene, rng, edit, {"type": "shorter"}, old=edit.target_old)


@demand("replace-name", fits=Library.brands)
def replace_name(scene: Scene, library: Library, rng: Random) -> Step | None:
    """Asks for another product name; names stand alike on both sides, so the edit is exact."""
    segment = scene.segment
    names, others = library.brands(segment), library.other_brands(segment)
    if not names or not others:
        return None
    old, new = rng.choice(names), rng.choice(others)
    source, target = (text.replace(old, new) for text in segment[-2:])
    changed = segment._replace(source_text=source, target_text=target)
    user = word("replace-words", scene.instruction, rng, old=old, new=new)
    return Step("replace-name", user, changed.target_text, changed_only(old, new), changed)


def _alternatives(library: Library, segment: DirectedPair) -> list[Edit]:
    """Returns other translations of the same text that differ in one block; to compare these alone,
    they count as their own sources."""
    found = library.translations(segment.source_text, segment.direction)
    others = [other for other in found if other.target_text != segment.target_text]
    one, *two = (pair._replace(source_text=pair.target_text) for pair in (segment, *others))
    edits = (difference(one, other) for other in two)
    return [edit for edit in edits if edit is not None and edit.target_new]


@drawing_demand("use-term", _alternatives)
def use_term(scene: Scene, edit: Edit, rng: Random) -> Step:
    """Asks for a wording that another human translation of the same text has."""
    answer = edit.other.target_text
    user = word("use-term", scene.instruction, rng, new=edit.target_new)
    segment = scene.segment._replace(target_text=answer)
    return Step("use-term", user, answer, changed_only(edit.target_old, edit.target_new), segment)
