"""Known damage to a translation, with the score that the damage deserves. A perfect translation
scores 1, one that says nothing of the source 0; between them counts what was really changed (for
most kinds the share of words kept in place), so that a model learns a graded, lexical similarity.
The kinds are the ways in which weak systems fail."""

from collections.abc import Callable
from random import Random
from typing import NamedTuple

UNTRANSLATED_SCORE = 0.05
"""Of a copied source or a wrong language: just above nothing, since names may survive."""

SWAP_COST = 0.5  # cost of a word in the wrong place as a share of a wrong word's

EMPTY = " "
"""An empty hypothesis. Not "", which unbabel-comet's reader of training data (pandas) would turn
into the word "nan"; both have the same tokens."""


class Material(NamedTuple):
    """A segment and what its damaged versions are made from: ``foreign`` is the same sentence in a
    third language, or empty, ``donor`` another segment's reference. Without ``spaced`` words,
    characters are the units that are dropped, swapped or replaced."""

    source: str
    reference: str
    foreign: str
    donor: str
    spaced: bool

    def units(self, text: str) -> list[str]:
        """Splits a text of the target language into words or characters."""
        return text.split() if self.spaced else list(text)

    def join(self, units: list[str]) -> str:
        """Puts units together again; nothing left is an empty hypothesis."""
        return (" " if self.spaced else "").join(units) or EMPTY


Damaged = tuple[str, float]


def drop_units(material: Material, generator: Random) -> Damaged:
    """Random units are lost."""
    units = material.units(material.reference)
    lost = _some(units, generator)
    return material.join([u for i, u in enumerate(units) if i not in lost]), _kept(lost, units)


def replace_units(material: Material, generator: Random) -> Damaged:
    """Random units become units of another segment; by chance equal ones count as kept."""
    units = material.units(material.reference)
    donor = material.units(material.donor)
    new = list(units)
    for index in _some(units, generator):
        new[index] = generator.choice(donor)
    changed = {i for i, (a, b) in enumerate(zip(units, new, strict=True)) if a != b}
    return material.join(new), _kept(changed, units)


def swap_units(material: Material, generator: Random) -> Damaged:
    """Random units change places among themselves."""
    units = material.units(material.reference)
    places = sorted(_some(units, generator))
    shuffled = generator.sample(places, len(places))
    new = list(units)
    for place, origin in zip(places, shuffled, strict=True):
        new[place] = units[origin]
    moved = {i for i, (a, b) in enumerate(zip(units, new, strict=True)) if a != b}
    return material.join(new), 1 - SWAP_COST * (1 - _kept(moved, units))


def mixed_damage(material: Material, generator: Random) -> Damaged:
    """Replacement, then loss, then swaps: most like the output of a real, weak system."""
    text, score = material.reference, 1.0
    for damage in (replace_units, drop_units, swap_units):
        step = material._replace(reference=text)
        if generator.random() < 0.7 and len(step.units(text)) > 1:
            text, factor = damage(step, generator)
            score *= factor
    return text, score


def truncate(material: Material, generator: Random) -> Damaged:
    """The system stops early."""
    units = material.units(material.reference)
    kept = generator.randint(1, max(1, len(units) - 1))
    return material.join(units[:kept]), kept / len(units)


def run_on(material: Material, generator: Random) -> Damaged:
    """The system goes on with text that is not in the source; the score is the precision."""
    units = material.units(material.reference)
    donor = material.units(material.donor)
    extra = donor[: generator.randint(1, len(donor))]
    return material.join(units + extra), len(units) / (len(units) + len(extra))


def repeat(material: Material, generator: Random) -> Damaged:
    """A repetition loop: a few units again and again; recall times precision."""
    units = material.units(material.reference)
    piece = units[: generator.randint(1, max(1, len(units) // 2))]
    times = generator.randint(2, 1 + max(2, 2 * len(units) // len(piece)))
    return material.join(piece * times), len(piece) / len(units) / times


DAMAGES: dict[str, tuple[float, Callable[[Material, Random], Damaged]]] = {
    "keep_exact": (1.0, lambda material, _: (material.reference, 1.0)),
    "drop_units": (1.5, drop_units),
    "replace_units": (2.0, replace_units),
    "swap_units": (1.0, swap_units),
    "mixed_damage": (4.0, mixed_damage),
    "truncate": (1.0, truncate),
    "run_on": (1.0, run_on),
    "repeat": (1.0, repeat),
    "copy_source": (1.0, lambda material, _: (material.source, UNTRANSLATED_SCORE)),
    # The right sentence in a third language; the source where none is known.
    "wrong_language": (0.5, lambda m, _: (m.foreign or m.source, UNTRANSLATED_SCORE)),
    "unrelated": (1.0, lambda material, _: (material.donor, 0.0)),
    "say_nothing": (0.3, lambda _, generator: (generator.choice([EMPTY, ".", "-", "?"]), 0.0)),
}
"""Kind of damage to how often it is drawn, relative to the others, and what makes it."""


def damage(material: Material, generator: Random) -> tuple[str, float, str]:
    """Returns a damaged translation, its score from 0 to 1, and the name of the damage."""
    kind = generator.choices(list(DAMAGES), [weight for weight, _ in DAMAGES.values()])[0]
    return *DAMAGES[kind][1](material, generator), kind


def _some(units: list[str], generator: Random) -> set[int]:
    """Returns the places to damage: at least one, and any share of them alike."""
    return set(generator.sample(range(len(units)), generator.randint(1, len(units))))


def _kept(damaged: set[int], units: list[str]) -> float:
    return 1 - len(damaged) / len(units)
