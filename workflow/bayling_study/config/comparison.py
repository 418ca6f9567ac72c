"""Section ``comparison``: methods that are compared with a reference under one training budget.

A method is a system; its budget is the tokens of all trainings that it is made of. Further seeds
are copies of those trainings, which share everything but the order and any random start.
"""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from bayling_study.config import conditions
from bayling_study.config.base import Name, Section
from bayling_study.core.errors import StudyError
from bayling_study.core.lookup import require

PARTS = ("base", "of", "directions", "default")
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
    seeds: int = Field(default=1, gt=0, le=99, strict=True)
    """Trainings of the reference and of each method. The further ones are systems of their own,
    ``NAME.seed2``; they share data and mixture and differ in order and random start."""

    @property
    def shown(self) -> list[str]:
        """The reference and the methods."""
        return [self.reference, *self.methods]


def seeded(name: str, seed: int) -> str:
    """Returns the name of a system's copy with another seed; the first keeps its name."""
    return name if seed == 1 else f"{name}.seed{seed}"


def made_of(systems: Systems, name: str, above: tuple[str, ...] = ()) -> list[str]:
    """Returns the systems that one is made of, each once, its parts before itself (``StudyError``:
    a system is made of itself)."""
    if name in above:
        chain = " -> ".join((*above, name))
        raise StudyError(f"a system is made of itself: {chain}", where=f"systems.{name}")
    if name not in systems:  # reported with the key that names it
        return []
    found: list[str] = []
    for value in (_plain(systems[name]).get(key) for key in PARTS):
        inner = [*value.values()] if isinstance(value, Mapping) else value
        for part in inner if isinstance(inner, list) else [inner]:
            if isinstance(part, str):  # else it is refused where the section is read
                found += made_of(systems, part, (*above, name))
    return list(dict.fromkeys([*found, name]))


def trainings(systems: Systems, name: str) -> list[str]:
    """Returns the tuned systems that a system is made of, each once, the first stage first."""
    return [one for one in made_of(systems, name) if _plain(systems[one]).get("kind") == "tuned"]


def _plain(system: Any) -> Mapping[str, Any]:
    return system if isinstance(system, Mapping) else getattr(system, "__dict__", {})


def with_seeds(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config's plain values with the copies of every system that a seed changes
    (``StudyError``: another system has the name of a copy)."""
    section, systems = values.get("comparison"), values.get("systems")
    if not isinstance(section, Mapping) or not isinstance(systems, Mapping):
        return dict(values)
    seeds, methods = section.get("seeds", 1), section.get("methods")
    if type(seeds) is not int or not isinstance(methods, list):
        return dict(values)  # refused where the section is read
    compared = [one for one in (section.get("reference"), *methods) if isinstance(one, str)]
    made = dict(systems)
    for seed in range(2, seeds + 1):
        for name in dict.fromkeys(part for one in compared for part in made_of(systems, one)):
            if not trainings(systems, name):
                continue
            if _plain(systems[name]).get("seed", 1) != 1:
                what = f"{name} has a seed of its own, and comparison.seeds counts them"
                raise StudyError(what, where=f"systems.{name}.seed", fix="leave it out")
            copy = _copy(systems, name, seed)
            if made.setdefault(seeded(name, seed), copy) != copy:
                what = f"seed {seed} of {name} would have the name of another system"
                where = f"systems.{seeded(name, seed)}"
                raise StudyError(what, where=where, fix="another name for it")
    return {**values, "systems": made}


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


def check_comparison(config: Any, where: str, answering: list[str]) -> None:
    """Checks a ``StudyConfig``'s comparison: known systems, and one budget for all that train
    (``StudyError``: a name is unknown, a training has no fixed number of tokens, or a method's
    budget is not the reference's; with the ``max_steps`` that make it so)."""
    section: ComparisonSection = config.comparison
    require("system that answers", section.reference, answering, f"{where}.reference")
    for name in section.methods:
        require("system that answers", name, answering, f"{where}.methods")
    conditions.distinct(section.shown, f"{where}.reference and {where}.methods")
    if config.report.baseline != section.reference:
        what = f"the tests are with {config.report.baseline or 'the first system'}"
        fix = f"report: {{baseline: {section.reference}}}"
        raise StudyError(what, where=f"{where}.reference", fix=fix)
    for part in dict.fromkeys(p for one in section.shown for p in trainings(config.systems, one)):
        tuning = config.tuning_of(part)
        if tuning.batch_tokens is None or tuning.max_steps is None or tuning.epochs != "auto":
            what = f"nothing fixes on how many tokens {part} is trained"
            fix = "tuning: {batch_tokens: 2048, max_steps: 24, epochs: auto}, there or for all"
            raise StudyError(what, where=f"{where}: systems.{part}.tuning", fix=fix)
    for name in (one for one in section.methods if trainings(config.systems, one)):
        if seeded(name, section.seeds) not in config.systems:
            what = f"{name} is itself a training in another seed"
            raise StudyError(what, where=f"{where}.methods", fix="methods without their copies")
    asked = budget(config, section.reference)
    if not asked and any(trainings(config.systems, one) for one in section.methods):
        what = f"{section.reference} is not trained, so no method can have its budget"
        fix = "a tuned system as the reference, this one as a method"
        raise StudyError(what, where=f"{where}.reference", fix=fix)
    for name in () if config.rehearsal else section.methods:  # which has few steps of any stage
        if trainings(config.systems, name) and (tokens := budget(config, name)) != asked:
            what = f"{name} is trained on {tokens:,} tokens and {section.reference} on {asked:,}"
            raise StudyError(what, where=f"{where}.methods", fix=_equal_steps(config, name, asked))


def _equal_steps(config: Any, name: str, asked: int) -> str:
    """Returns ``max_steps`` of a method's last training with which it has the budget."""
    last = trainings(config.systems, name)[-1]
    tuning = config.tuning_of(last)
    left = asked - (budget(config, name) - tuning.batch_tokens * tuning.max_steps)
    steps, rest = divmod(left, tuning.batch_tokens)
    if steps > 0 and not rest:
        return f"systems.{last}.tuning: {{max_steps: {steps}}}"
    return f"batch_tokens times max_steps of {name} and its stages that add up to {asked:,}"
