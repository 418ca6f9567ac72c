"""Dividing a whole number of conversations: over recipes, directions and blocks."""

from collections.abc import Callable, Iterable, Mapping

from bayling_study.config.synthesis import matching
from bayling_study.core.records import Key


def apportion(total: int, shares: Mapping[Key, float]) -> dict[Key, int]:
    """Divides a whole number by shares with the largest-remainder rule. Shares need not add up to
    1; where none is above 0 all counts are 0."""
    whole = sum(shares.values())
    if not whole:
        return dict.fromkeys(shares, 0)
    exact = {name: total * share / whole for name, share in shares.items()}
    counts = {name: int(value + 1e-9) for name, value in exact.items()}
    by_remainder = sorted(shares, key=lambda name: (counts[name] - exact[name], str(name)))
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts


def spread(
    patterns: Mapping[str, float],
    available: Iterable[str],
    excluded: Iterable[str],
    rows: Callable[[str], int],
    temperature: float,
) -> dict[str, float]:
    """Returns the share of each direction, patterns such as ``en-*`` taken apart.

    A pattern's share is divided over the directions that it matches in proportion to their
    aligned rows to the power of 1 / ``temperature`` (Arivazhagan et al. 2019, Massively
    Multilingual Neural Machine Translation in the Wild, section 5.2: 1 keeps the proportions of
    the corpora, 5 is their choice, more comes near equal shares). Directions that the mixture
    also names by itself, that are ``excluded`` or have no rows are none of the pattern's.
    """
    codes = sorted(available)
    never = {name for pattern in excluded for name in matching(pattern, codes)}
    shares: dict[str, float] = {}
    for pattern, share in patterns.items():
        if "*" not in pattern:
            shares[pattern] = shares.get(pattern, 0.0) + share
            continue
        names = [n for n in matching(pattern, codes) if n not in never and n not in patterns]
        weights = {name: rows(name) ** (1 / temperature) for name in names if rows(name)}
        whole = sum(weights.values())
        for name, weight in weights.items():
            shares[name] = shares.get(name, 0.0) + share * weight / whole
    return shares
