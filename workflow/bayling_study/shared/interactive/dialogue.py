"""Building a dialogue: a plan of demands, a segment that has material, verified turns."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from random import Random

from bayling_study.core.errors import StudyError
from bayling_study.core.plugins import import_all
from bayling_study.core.records import Key
from bayling_study.shared.interactive import edits, follow, openings, own  # noqa: F401 - registers
from bayling_study.shared.interactive.checks import verify
from bayling_study.shared.interactive.library import Library
from bayling_study.shared.interactive.registry import DEMANDS, Demand, demand_named
from bayling_study.shared.interactive.types import Dialogue, Scene, Step

import_all(own)

ATTEMPTS = 60  # plans tried for one dialogue before its material counts as exhausted
PLAIN_OPENINGS = ("translate", "translate-part")
SAMPLES = 5  # rejected turns kept for the audit, a reason


@dataclass
class Rejections:
    """Why plans and turns were given up, with examples."""

    counts: Counter[str] = field(default_factory=Counter)
    samples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, reason: str, sample: str = "", count: int = 1) -> None:
        """Counts a reason and keeps the first few examples of it."""
        self.counts[reason] += count
        kept = self.samples.setdefault(reason, [])
        if sample and len(kept) < SAMPLES:
            kept.append(sample)

    def merge(self, other: "Rejections") -> None:
        """Adds what another one counted; its examples come after this one's."""
        self.counts.update(other.counts)
        for reason, samples in other.samples.items():
            kept = self.samples.setdefault(reason, [])
            kept += samples[: SAMPLES - len(kept)]


class Director:
    """Makes dialogues of a library's material, by the config's weights of the kinds of demand (all
    alike if there is none), of the numbers of user turns and of the languages of demands."""

    def __init__(
        self,
        library: Library,
        demands: Mapping[str, float],
        turns: Mapping[int, float],
        instructions: Mapping[str, float],
    ) -> None:
        self._weights, self._library = weights_of(demands), library
        self._turns, self._instructions = dict(turns), dict(instructions)
        self.rejections = Rejections()

    def dialogue(self, direction: str, rng: Random) -> Dialogue:
        """Returns a verified dialogue (``StudyError`` if no plan finds material)."""
        if made := self.find(direction, rng):
            return made
        fix = "more aligned text, other demands or fewer turns"
        raise StudyError("no interactive conversation can be made", where=direction, fix=fix)

    def find(self, direction: str, rng: Random) -> Dialogue | None:
        """Returns a verified dialogue, or nothing if no plan finds material."""
        instruction = choose(self._instructions, rng)
        size = choose(self._turns, rng)
        for _ in range(ATTEMPTS):
            plan = self._plan(size, rng)
            made = self._play(direction, instruction, plan, rng) if plan else None
            if made is not None:
                return made
        return None

    def _plan(self, size: int, rng: Random) -> list[Demand] | None:
        """Draws the demands of all turns; nothing if they do not go together."""
        first = demand_named(choose(self._weights, rng))
        if size < 2 and not first.opens:
            return None
        opening = first if first.opens else demand_named(first.after or "translate")
        later = [] if first.opens else [first]
        while len(later) < size - 1:
            later.append(demand_named(choose(self._weights, rng)))
        later.sort(key=lambda item: (item.after == "", item.ends))
        kinds = [item.name for item in later]
        wrong = any(item.opens for item in later) or len(set(kinds)) < len(kinds)
        wrong = wrong or any(item.ends for item in later[:-1])
        wrong = wrong or any(item.after not in ("", opening.name) for item in later)
        return None if wrong else [opening, *later]

    def _play(
        self, direction: str, instruction: str, plan: list[Demand], rng: Random
    ) -> Dialogue | None:
        """Draws a segment that fits the plan and makes its turns; nothing if one fails."""
        library = self._library
        fits = {item.name: partial(item.fits, library) for item in plan if item.fits}
        deck = library.deck(direction, fits)
        if not len(deck):
            self.rejections.add(f"no segment for {' + '.join(item.name for item in plan)}")
            return None
        scene = Scene(deck.draw(), instruction)
        first = scene.segment
        for item in plan:
            if (step := item.make(scene, library, rng)) is None:
                self.rejections.add(f"{item.name}: no material")
                return None
            if reason := fault(step, scene.answers, changes=not item.opens):
                self.rejections.add(f"{item.name}: {reason}", f"{step.user} → {step.answer}")
                return None
            scene.steps.append(step)
            scene.segment = step.segment
        return Dialogue(first, instruction, scene.steps)


def weights_of(demands: Mapping[str, float]) -> dict[str, float]:
    """Returns the weight of each kind that can be asked for; all alike if none is named
    (``StudyError`` if a kind is unknown, or is an opening that comes by itself)."""
    for name in demands:
        demand_named(name)
        if name in PLAIN_OPENINGS:
            raise StudyError(f"{name!r} opens conversations by itself", fix="remove its weight")
    names = sorted(demands or set(DEMANDS) - set(PLAIN_OPENINGS))
    return {name: demands.get(name, 1.0) for name in names}


def fault(step: Step, earlier: list[str], changes: bool) -> str:
    """Returns which check a turn's answer fails, or an empty text; where the demand asks for a
    change, the previous answer must not pass all checks already."""
    results = verify(step.checks, step.answer, earlier)
    if not all(results):
        return f"fails {step.checks[results.index(False)]['type']}"
    if changes and earlier and all(verify(step.checks, earlier[-1], earlier)):
        return "met by the previous answer"
    return ""


def choose(weights: Mapping[Key, float], rng: Random) -> Key:
    """Returns a key with a probability proportional to its weight."""
    return rng.choices(list(weights), list(weights.values()))[0]
