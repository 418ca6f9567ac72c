"""Section ``comparison``: methods that are compared with a reference under one training budget.

A method is a system; its budget is the tokens of all trainings that it is made of. Further seeds
are copies of those trainings, which share everything but the order and any random start.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import Field

from bayling_study.config import conditions
from bayling_study.config.base import Name, Section
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require

PARTS = ("base", "of", "directions")
"""Keys of a system that name the systems it is made of: a name, a list, or a table's values."""
Systems = Mapping[str, Any]
"""Name to system: its config section, or the plain values of it."""


class ComparisonSection(Section):
    """Methods that are compared with a reference; all that train do so on equally many tokens."""

    reference: Name
    """The system that all methods are compared with, such as one tuned on translation alone; also
    ``report.baseline``."""
    methods: list[Name] = Field(min_length=1)
    """Systems in the order of the report's rows. Each that is trained, with all that it is made
    of, trains on ``batch_tokens`` times ``max_steps`` tokens, as many as the reference."""
    seeds: int = Field(default=1, gt=0, le=99)
    """Trainings of the reference and of each method. The further ones are systems of their own,
    ``NAME.seed2``; they share data and mixture and differ in order and random start."""

    @property
    def shown(self) -> list[str]:
        """The reference and the methods."""
        return [self.reference, *self.methods]


def seeded(name: str, seed: int) -> str:
    """Returns the name of a system's copy with another seed; the first keeps its name."""
    return name if seed == 1 else f"{name}.seed{seed}"


def made_of(system: Any) -> list[str]:
    """Returns the systems that a system is directly made of, in the order of its keys."""
    plain: Mapping[str, Any] = system if isinstance(system, Mapping) else vars(system)
    found: list[str] = []
    for value in (plain.get(key) for key in PARTS):
        inner = value.values() if isinstance(value, Mapping) else value
        found += [inner] if isinstance(inner, str) else [] if inner is None else inner
    return found


def trainings(systems: Systems, name: str) -> list[str]:
    """Returns the distinct tuned systems that a system is made of, itself too, the first first."""
    found: dict[str, bool] = {}

    def walk(one: str, above: tuple[str, ...]) -> None:
        if one in above:
            chain = " -> ".join((*above, one))
            raise StudyError(f"a system is made of itself: {chain}", where=f"systems.{one}")
        if one in found or one not in systems:  # an absent one is reported with its own key
            return
        for part in made_of(systems[one]):
            walk(part, (*above, one))
        plain = systems[one] if isinstance(systems[one], Mapping) else vars(systems[one])
        found[one] = plain.get("kind") == "tuned"

    walk(name, ())
    return [one for one, tuned in found.items() if tuned]


def with_seeds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config's plain values with the copies of every system that a seed changes.

    Raises:
        StudyError: another system has the name of a copy.
    """
    section, systems = values.get("comparison"), values.get("systems")
    if not isinstance(section, Mapping) or not isinstance(systems, Mapping):
        return dict(values)
    seeds, methods = section.get("seeds", 1), section.get("methods")
    if type(seeds) is not int or not isinstance(methods, list):
        return dict(values)  # refused where the section is read
    compared = [name for name in (section.get("reference"), *methods) if name in systems]
    made = dict(systems)
    for seed in range(2, seeds + 1):
        for name in dict.fromkeys(part for one in compared for part in _changed(systems, one)):
            copy = _copy(systems, name, seed)
            if made.setdefault(seeded(name, seed), copy) != copy:
                fix = "another name for it; a study's own copies have this one"
                raise StudyError(
                    f"seed {seed} of {name} would have the name of another system",
                    where=f"systems.{seeded(name, seed)}", fix=fix,
                )  # fmt: skip
    return {**values, "systems": made}


def _changed(systems: Systems, name: str) -> list[str]:
    """Returns the systems below a name, itself too, that are trained or made of trained ones."""
    below = [part for one in made_of(systems[name]) if one in systems
             for part in _changed(systems, one)] if trainings(systems, name) else []  # fmt: skip
    return [*below, name] if trainings(systems, name) else []


def _copy(systems: Systems, name: str, seed: int) -> dict[str, Any]:
    """Returns a system's values for another seed: made of the copies of its parts."""

    def renamed(value: Any) -> Any:
        if isinstance(value, str):
            return seeded(value, seed) if value in systems and trainings(systems, value) else value
        if isinstance(value, Mapping):
            return {key: renamed(inner) for key, inner in value.items()}
        return [renamed(inner) for inner in value] if isinstance(value, list) else value

    plain = dict(systems[name])
    plain |= {key: renamed(plain[key]) for key in PARTS if key in plain}
    return plain | ({"seed": seed} if plain.get("kind") == "tuned" else {})


def budget(config: Any, name: str) -> int:
    """Returns the planned tokens of all trainings that a system is made of; 0 without any."""
    every = (config.tuning_of(part) for part in trainings(config.systems, name))
    return sum((one.batch_tokens or 0) * (one.max_steps or 0) for one in every)


def check_comparison(config: Any, where: str, answering: Iterable[str]) -> None:
    """Checks a ``StudyConfig``'s comparison: known systems, and one budget for all that train.

    Raises:
        StudyError: a name is unknown, a training has no fixed number of tokens, or a method's
            budget is not the reference's; with the ``max_steps`` that make it so.
    """
    section: ComparisonSection = config.comparison
    answering = list(answering)
    require("system that answers", section.reference, answering, f"{where}.reference")
    for name in section.methods:
        require("system that answers", name, answering, f"{where}.methods")
    conditions.distinct(section.shown, f"{where}.reference and {where}.methods")
    if config.report.baseline != section.reference:
        what = f"the tests are with {config.report.baseline or 'the first system'}"
        fix = f"report: {{baseline: {section.reference}}}"
        raise StudyError(what, where=f"{where}.reference", fix=fix)
    for part in dict.fromkeys(p for one in section.shown for p in trainings(config.systems, one)):
        _check_fixed(config, part, where)
    asked = budget(config, section.reference)
    for name in section.methods:
        if trainings(config.systems, name) and (tokens := budget(config, name)) != asked:
            what = f"{name} is trained on {tokens:,} tokens and {section.reference} on {asked:,}"
            fix = _equal_steps(config, name, asked)
            raise StudyError(what, where=f"{where}.methods", fix=fix)


def _check_fixed(config: Any, system: str, where: str) -> None:
    """Checks that a training's tokens are known before it: the mixture is repeated as needed."""
    tuning = config.tuning_of(system)
    if tuning.batch_tokens is None or tuning.max_steps is None or tuning.epochs != "auto":
        what = f"nothing fixes on how many tokens {system} is trained"
        fix = "tuning: {batch_tokens: 2048, max_steps: 24, epochs: auto}, there or for all"
        raise StudyError(what, where=f"{where}: systems.{system}.tuning", fix=fix)


def _equal_steps(config: Any, name: str, asked: int) -> str:
    """Returns ``max_steps`` of each training with which a method has the budget, if there are."""
    parts = trainings(config.systems, name)
    *before, last = parts
    used = sum(config.tuning_of(p).batch_tokens * config.tuning_of(p).max_steps for p in before)
    steps, left = divmod(asked - used, config.tuning_of(last).batch_tokens)
    if steps > 0 and not left:
        return f"systems.{last}.tuning: {{max_steps: {steps}}}"
    return f"max_steps of {', '.join(parts)} that add up to {asked:,} tokens with batch_tokens"
