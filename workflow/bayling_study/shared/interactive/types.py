"""The small types of interactive translation: segment, scene, step, dialogue."""

from dataclasses import dataclass, field
from typing import NamedTuple

from bayling_study.shared.interactive.checks import Check


class DirectedPair(NamedTuple):
    """An aligned pair in one direction of two language codes; ``id`` is that of a row, ``corpus``
    of its source, and ``document`` keeps neighbours together."""

    id: str
    corpus: str
    document: str
    source: str
    target: str
    source_text: str
    target_text: str

    @property
    def direction(self) -> str:
        """The direction as the config writes it (``zh-en``)."""
        return f"{self.source}-{self.target}"


@dataclass(frozen=True)
class Step:
    """One turn of a dialogue: what the user writes, and the answer from aligned text. The
    ``checks`` decide on answers to a demand of this ``kind``. The ``segment`` is translated from
    now on; ``whole`` is all of it where that is its first sentence."""

    kind: str
    user: str
    answer: str
    checks: list[Check]
    segment: DirectedPair
    whole: DirectedPair | None = None


@dataclass
class Scene:
    """A dialogue so far, with demands in ``instruction``; the segment has the last translation."""

    segment: DirectedPair
    instruction: str
    steps: list[Step] = field(default_factory=list)

    @property
    def answers(self) -> list[str]:
        """The answers so far, oldest first."""
        return [step.answer for step in self.steps]


@dataclass(frozen=True)
class Dialogue:
    """A finished dialogue that began with a segment; every answer passed its own checks."""

    segment: DirectedPair
    instruction: str
    steps: list[Step]
