"""Systems made of other systems: merged weights, and prompts dealt out by their directions."""

from fnmatch import fnmatchcase
from itertools import permutations
from typing import Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from bayling_study.config import conditions
from bayling_study.config.base import DirectionPattern, Name, Section
from bayling_study.config.multiple_choice import MULTIPLE_CHOICE_KINDS
from bayling_study.config.suites import FloresSuite, Suite
from bayling_study.core.errors import StudyError
from bayling_study.core.languages.flores import flores_languages
from bayling_study.core.lookup import require


class MergedSystem(Section):
    """Tuned systems as one model: the weights that all started from, plus their differences to
    those, combined. Template and ``answering`` are the members'."""

    kind: Literal["merged"]
    of: list[Name] = Field(min_length=2)
    """Tuned systems that started from one model, in whatever stages."""
    method: Literal["linear", "ties"] = "ties"
    """``linear`` is the sum of the differences times their weights. ``ties`` trims each to its
    largest values, and takes at each place the mean of those with the sign of their sum (Yadav et
    al. 2023, as PEFT computes it)."""
    weights: list[PositiveFloat] | None = None
    """Factors of the members' differences. By default 1 for ``ties``, which takes means, and 1 /
    members for ``linear``, which takes sums: what all members agree on then stays as it is."""
    density: float | None = Field(default=None, gt=0, le=1)
    """Share of each tensor's values that ``ties`` keeps; none means 0.2, as in its paper."""

    @property
    def options(self) -> str:
        """How to merge, as options of the stage ``deltas``, with the default values."""
        each = 1.0 if self.method == "ties" else 1 / len(self.of)
        weights = " ".join(map(str, self.weights or [each] * len(self.of)))
        return f"--method {self.method} --density {self.density or 0.2} --weights {weights}"

    @model_validator(mode="after")
    def _fits(self) -> "MergedSystem":
        if self.weights is not None and len(self.weights) != len(self.of):
            raise ValueError(f"write as many weights as members: {len(self.of)}")
        if self.method == "linear" and self.density:
            raise ValueError("linear trims nothing; leave out density, or write method: ties")
        return self


class RoutedSystem(Section):
    """A system for each group of directions. Its answers are its members', row by row: nothing is
    generated again. As of a server, there are none to questions scored by likelihood."""

    kind: Literal["routed"]
    directions: dict[DirectionPattern, Name] = Field(min_length=1)
    """Direction or pattern (``*-en``) to the system that answers its prompts; of the patterns that
    fit, the one with the fewest ``*``. Conversations are answered as a whole."""
    default: Name | None = None
    """System that answers prompts without a direction, as of exams; needed where there are any."""

    @property
    def members(self) -> list[str]:
        """Names of the systems that answer, each once."""
        return list(dict.fromkeys([*self.directions.values(), *filter(None, [self.default])]))

    def member(self, direction: str, where: str) -> str:
        """Returns who answers a direction (``zh-en``), or prompts without any (empty); a
        ``StudyError`` says what to write where nobody does, or patterns disagree."""
        if not direction and self.default:
            return self.default
        fitting = sorted(
            (one.count("*"), one) for one in self.directions if fnmatchcase(direction, one)
        )
        found = {self.directions[one]: one for stars, one in fitting if stars == fitting[0][0]}
        if len(found) != 1:
            what = f"{' and '.join(found.values())} disagree on" if found else "no member answers"
            what += f" {direction or 'prompts without a direction'}"
            fix = f"directions: {{{direction}: NAME}}" if direction else "default: NAME"
            raise StudyError(what, where=where, fix=fix)
        return found.popitem()[0]


def check_combined(config: Any, name: str, key: str, asked: list[str]) -> None:
    """Checks a ``StudyConfig``'s merged system, of tuned ones, or routed one, of those ``asked``
    (``StudyError`` if members to merge are not alike, or not every prompt has one member)."""
    system = config.systems[name]
    if isinstance(system, MergedSystem):
        conditions.distinct(system.of, f"{key}.of")
        seen = set()
        for one in system.of:
            own, dtype = config.systems[one], config.tuning_of(one).output_dtype
            seen.add(f"{config.untuned(one)}, {own.template}, {config.answering_of(one)}, {dtype}")
        if len(seen) > 1:
            what = "members differ in first base, template, answering or output_dtype: "
            fix = "members that have all of them in common"
            raise StudyError(f"{what}{sorted(seen)}", where=f"{key}.of", fix=fix)
    if isinstance(system, RoutedSystem):
        for pattern in system.directions:
            for code in {*pattern.split("-")} - {"*"}:
                conditions.language(code, f"{key}.directions: {pattern}")
        for member in system.members:
            part = "directions" if member in system.directions.values() else "default"
            require("system that answers", member, asked, f"{key}.{part}")
        for suite, section in config.suites.items():
            if section.kind not in MULTIPLE_CHOICE_KINDS:
                for direction in suite_directions(section) or [""]:
                    system.member(direction, f"{key}.directions, asked by suites.{suite}")


def suite_directions(suite: Suite) -> list[str]:
    """Returns the directions that a suite asks; none of one that has no directions."""
    if not isinstance(suite, FloresSuite):
        return list(getattr(suite, "directions", ()))
    codes = [*suite.pivots, *(suite.languages or (one.code for one in flores_languages()))]
    pairs = permutations(dict.fromkeys(codes), 2)
    return [f"{one}-{two}" for one, two in pairs if {one, two} & {*suite.pivots}]
