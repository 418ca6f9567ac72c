"""Checks that span sections: every name that is used must be defined."""

from __future__ import annotations

import math
from collections.abc import Iterable

from bayling_study.config.model import StudyConfig
from bayling_study.config.suites import TranslationSuite
from bayling_study.config.systems import Int8System, TunedSystem
from bayling_study.errors import StudyError

SHARE_TOLERANCE = 1e-6


def check_study(config: StudyConfig, where: object) -> None:
    """Checks the references between sections.

    Raises:
        StudyError: names the key, what is wrong and what to write.
    """
    for name, system in config.systems.items():
        key = f"{where}: systems.{name}"
        if isinstance(system, TunedSystem):
            _known(system.mixture, config.synthesis.mixtures, f"{key}.mixture")
            _base(config, system.base, f"{key}.base", {"foundation"})
        if isinstance(system, Int8System):
            _base(config, system.base, f"{key}.base", {"foundation", "tuned"})
    for name, mixture in config.synthesis.mixtures.items():
        key = f"{where}: synthesis.mixtures.{name}"
        _sums_to_one(mixture.shares.values(), f"{key}.shares")
        if mixture.directions:
            _sums_to_one(mixture.directions.values(), f"{key}.directions")
    if config.report.baseline is not None:
        _known(config.report.baseline, config.systems, f"{where}: report.baseline")
    _check_zero_shot(config, where)


def _known(name: str, defined: Iterable[str], key: str) -> None:
    names = list(defined)
    if name not in names:
        raise StudyError(
            f"{name!r} is not defined", where=key, fix=f"one of: {', '.join(names) or '(none)'}"
        )


def _base(config: StudyConfig, name: str, key: str, kinds: set[str]) -> None:
    fitting = [other for other, system in config.systems.items() if system.kind in kinds]
    _known(name, fitting, key)


def _sums_to_one(shares: Iterable[float], key: str) -> None:
    values = list(shares)
    total = math.fsum(values)
    if abs(total - 1) > SHARE_TOLERANCE:
        scaled = ", ".join(f"{value / total:.4f}" for value in values) if total else "1.0"
        raise StudyError(f"shares add up to {total:g}, not 1", where=key, fix=scaled)


def _check_zero_shot(config: StudyConfig, where: object) -> None:
    """A direction that a suite calls zero-shot must not be trained."""
    trained = {
        direction
        for mixture in config.synthesis.mixtures.values()
        for direction, share in mixture.directions.items()
        if share > 0
    }
    for name, suite in config.suites.items():
        if not isinstance(suite, TranslationSuite):
            continue
        key = f"{where}: suites.{name}.zero_shot"
        for direction in suite.zero_shot:
            _known(direction, suite.directions, key)
            if direction in trained:
                raise StudyError(f"{direction} is in a training mixture", where=key)
